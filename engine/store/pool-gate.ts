/**
 * The way to the connections of a pool. What finds none free waits here, first come, first served, and gives up after a time without
 * ever having been sent, so that sending it again is safe. The driver itself would wait for ever, and behind busy connections: it puts
 * what it cannot place on a connection that is in use, where it is done after whatever is under way there.
 *
 * Cursors and `reserve()` go past it.
 */
import { Stream } from 'node:stream';
import { ServiceError } from '../errors/index.js';
import type { Sql } from './connection.js';

/** Listeners are called within the driver's work: they must be quick and must not throw. */
export interface GateListeners {
  /** The number of connections in use is about to change. */
  onChange?(): void;
  /** A connection was got after this time. */
  onAcquired?(waitMs: number): void;
  /** A wait was given up. */
  onTimedOut?(): void;
  /** A statement or transaction ended. @param startedAt when it came, on the gate's clock */
  onDone?(startedAt: number, failed: boolean): void;
  /** A statement or transaction comes. Called in the context of whoever sends it. @returns called when it has ended */
  onStart?(): ((failed: boolean) => void) | undefined;
}

export interface GateOptions {
  /** Connections of the pool: what is under way at once. */
  readonly connectionsMax: number;
  /** Longest wait for a connection in milliseconds; 0: for ever. */
  readonly acquireTimeoutMs: number;
  readonly listeners?: GateListeners;
  /** Milliseconds on a clock that never goes back. */
  readonly now?: () => number;
}

export interface PoolGate {
  /** The pool, behind the gate. What waits too long is rejected with ServiceError OVERLOADED. */
  readonly sql: Sql;
  /** Connections in use. */
  readonly active: number;
  /** Statements and transactions that wait for one. */
  readonly waiting: number;
}

/** L8: statements and transactions that wait; one more is refused at once. */
const WAITING_MAX = 10_000;

/** To be called when a connection is free again. */
type Leave = (failed: boolean) => void;

/** The driver's query: it is sent when it is first waited for, by this method. */
interface DriverQuery extends Promise<unknown> {
  executed: boolean;
  readonly cancelled: unknown;
  handle(): unknown;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

const isQuery = (made: unknown): made is DriverQuery => made instanceof Promise && 'handle' in made;

export function gatePool(pool: Sql, options: GateOptions): PoolGate {
  const { connectionsMax, acquireTimeoutMs, listeners = {}, now = () => performance.now() } = options;
  /** Called with their connection, in the order of their coming. */
  const queue = new Set<() => void>();
  let active = 0;

  function change(by: number): void {
    listeners.onChange?.();
    active += by;
  }

  function acquire(): Promise<Leave> {
    const startedAt = now();
    const done = listeners.onStart?.();
    const end = (failed: boolean) => {
      listeners.onDone?.(startedAt, failed);
      done?.(failed);
    };
    const enter = (): Leave => {
      change(1);
      listeners.onAcquired?.(now() - startedAt);
      return (failed) => {
        change(-1);
        const [next] = queue;
        next?.();
        end(failed);
      };
    };
    const refuse = (why: string): ServiceError => {
      listeners.onTimedOut?.();
      end(true);
      return overloaded(why);
    };
    if (active < connectionsMax) return Promise.resolve(enter());
    if (queue.size >= WAITING_MAX)
      return Promise.reject(refuse('Too many requests wait for a connection to the store'));
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        queue.delete(go);
        reject(refuse(`No connection to the store became free within ${acquireTimeoutMs} ms`));
      };
      const timer = acquireTimeoutMs === 0 ? undefined : setTimeout(giveUp, acquireTimeoutMs);
      const go = () => {
        clearTimeout(timer);
        queue.delete(go);
        resolve(enter());
      };
      queue.add(go);
    });
  }

  /** A query that is only a part of another one is never sent, and never waits. */
  function gateQuery(query: DriverQuery): DriverQuery {
    const { handle } = query;
    query.handle = () => {
      if (query.executed) return;
      query.executed = true;
      void acquire().then(
        (leave) => {
          if (query.cancelled) return leave(true);
          leaveAtTheEnd(query, leave);
          query.executed = false;
          query.handle = handle;
          handle.call(query);
        },
        (error) => query.reject(error),
      );
    };
    return query;
  }

  const gated = (made: unknown) => (isQuery(made) ? gateQuery(made) : made);

  const sql = new Proxy(pool, {
    apply: (target, _, args) => gated((target as unknown as (...all: unknown[]) => unknown)(...args)),
    get(target, key) {
      if (key === 'unsafe') return (...args: Parameters<Sql['unsafe']>) => gated(target.unsafe(...args));
      if (key === 'begin')
        return async (...args: Parameters<Sql['begin']>) => {
          const leave = await acquire();
          const transaction = target.begin(...args);
          transaction.then(
            () => leave(false),
            () => leave(true),
          );
          return transaction;
        };
      return Reflect.get(target, key);
    },
  });

  return {
    sql,
    get active() {
      return active;
    },
    get waiting() {
      return queue.size;
    },
  };
}

/** What ends a query is what the driver calls; the promise may have been settled with the stream of a COPY, or never be. */
function leaveAtTheEnd(query: DriverQuery, leave: Leave): void {
  const { resolve, reject } = query;
  let over = false;
  const end = (failed: boolean) => {
    if (!over) leave(failed);
    over = true;
  };
  query.resolve = (value) => {
    resolve(value);
    if (!(value instanceof Stream)) end(false);
  };
  query.reject = (error) => {
    reject(error);
    end(true);
  };
}

const overloaded = (why: string) =>
  new ServiceError('OVERLOADED', `${why}; try again shortly`, { details: { limit_of: 'database' } });

/**
 * How busy a pool of connections is. The driver does not tell, so its statements and transactions are watched from outside: what was
 * sent and has not ended holds a connection, as far as there are any; what was sent beyond that waits for one, first come, first
 * served. (The driver may put a waiting statement on a busy connection instead of keeping it back; for the one who waits that is the
 * same.)
 */
import type { Sql } from './connection.js';

export type PoolState = 'healthy' | 'moderate' | 'stressed' | 'critical';

/** How a pool stands. */
export interface PoolStatus {
  /** By the mean utilisation between the last two samples. */
  readonly state: PoolState;
  /** Mean part of the connections that were in use between the last two samples, 0 to 1. */
  readonly utilization: number;
  readonly connectionsMax: number;
  /** In use and free at this moment. */
  readonly active: number;
  readonly idle: number;
  /** Waiting for a connection at this moment. */
  readonly waiting: number;
  /** Mean time in milliseconds for which a connection was waited for since the start; undefined before the first. */
  readonly acquisitionMsMean: number | undefined;
  /** Counters since the start: waits longer than {@link SLOW_ACQUISITION_MS}, and than {@link ACQUISITION_TIMEOUT_MS}. */
  readonly slowAcquisitions: number;
  readonly timedOutAcquisitions: number;
}

/** Listeners are called within the driver's work: they must be quick and must not throw. */
export interface PoolListeners {
  /** A connection was got after this time. */
  onAcquired?(waitMs: number): void;
  /** A statement or transaction ended. @param startedAt `performance.now()` when it was sent */
  onDone?(startedAt: number, failed: boolean): void;
  /** A statement or transaction is sent. Called in the context of whoever sends it. @returns called when it has ended */
  onStart?(): ((failed: boolean) => void) | undefined;
}

export interface PoolMonitor {
  /** The pool, watched. */
  readonly sql: Sql;
  status(): PoolStatus;
  /** Takes a sample; called every {@link SAMPLE_INTERVAL_MS} by a timer of the monitor. */
  sample(): void;
  /** Whether new work should be refused: the pool was critical at the last sample, and still has no free connection. */
  isExhausted(): boolean;
  /** Ends the sampling; the pool stays open. */
  close(): void;
}

export const SAMPLE_INTERVAL_MS = 15_000;
export const SLOW_ACQUISITION_MS = 100;
/** A wait that is as good as none: most clients have given up. */
export const ACQUISITION_TIMEOUT_MS = 30_000;
const MODERATE = 0.5;
const STRESSED = 0.8;
const CRITICAL = 0.95;

/** The state of a pool of this utilisation, 0 to 1. */
export const poolStateOf = (utilization: number): PoolState => {
  if (utilization >= CRITICAL) return 'critical';
  if (utilization >= STRESSED) return 'stressed';
  return utilization >= MODERATE ? 'moderate' : 'healthy';
};

/** Something that was sent. */
interface Flight {
  readonly startedAt: number;
  holdsConnection: boolean;
}

/** The driver's query: it is sent when it is first waited for, by this method. */
interface DriverQuery extends Promise<unknown> {
  executed: boolean;
  handle(): unknown;
}

/** @param now milliseconds on a clock that never goes back */
export function createPoolMonitor(
  pool: Sql,
  connectionsMax: number,
  listeners: PoolListeners = {},
  now: () => number = () => performance.now(),
): PoolMonitor {
  const waiting = new Set<Flight>();
  let active = 0;
  /** Connections in use, added up over time: connection-milliseconds. */
  let busyMs = 0;
  let busyUntil = now();
  let sampledAt = busyUntil;
  let sampledBusyMs = 0;
  let utilization = 0;
  const acquired = { count: 0, totalMs: 0, slow: 0, timedOut: 0 };

  function account(): void {
    const at = now();
    busyMs += active * (at - busyUntil);
    busyUntil = at;
  }

  function acquire(flight: Flight): void {
    flight.holdsConnection = true;
    active++;
    const waitMs = now() - flight.startedAt;
    acquired.count++;
    acquired.totalMs += waitMs;
    if (waitMs > SLOW_ACQUISITION_MS) acquired.slow++;
    if (waitMs > ACQUISITION_TIMEOUT_MS) acquired.timedOut++;
    listeners.onAcquired?.(waitMs);
  }

  function begin(): (failed: boolean) => void {
    account();
    const flight: Flight = { startedAt: now(), holdsConnection: false };
    if (active < connectionsMax) acquire(flight);
    else waiting.add(flight);
    const done = listeners.onStart?.();
    return (failed) => {
      account();
      if (flight.holdsConnection) active--;
      else waiting.delete(flight);
      if (active < connectionsMax) {
        const [next] = waiting;
        if (next !== undefined) {
          waiting.delete(next);
          acquire(next);
        }
      }
      listeners.onDone?.(flight.startedAt, failed);
      done?.(failed);
    };
  }

  function watch<T>(promise: Promise<T>, end: (failed: boolean) => void): void {
    // Not query.then, which would send the query once more.
    Promise.prototype.then.call(
      promise,
      () => end(false),
      () => end(true),
    );
  }

  /** A query that is only a part of another one is never sent, and never counted. */
  function watchQuery(query: DriverQuery): DriverQuery {
    const { handle } = query;
    query.handle = function handleWatched() {
      if (!query.executed) {
        query.handle = handle;
        watch(query, begin());
      }
      return handle.call(query);
    };
    return query;
  }

  const isQuery = (made: unknown): made is DriverQuery => made instanceof Promise && 'handle' in made;
  const watched = (made: unknown) => (isQuery(made) ? watchQuery(made) : made);

  const sql = new Proxy(pool, {
    apply: (target, _, args) => watched((target as unknown as (...all: unknown[]) => unknown)(...args)),
    get(target, key) {
      if (key === 'unsafe') return (...args: Parameters<Sql['unsafe']>) => watched(target.unsafe(...args));
      if (key === 'begin')
        return (...args: Parameters<Sql['begin']>) => {
          const transaction = target.begin(...args);
          watch(transaction, begin());
          return transaction;
        };
      return Reflect.get(target, key);
    },
  });

  function sample(): void {
    account();
    const elapsed = busyUntil - sampledAt;
    if (elapsed <= 0) return;
    utilization = (busyMs - sampledBusyMs) / (elapsed * connectionsMax);
    sampledAt = busyUntil;
    sampledBusyMs = busyMs;
  }
  const timer = setInterval(sample, SAMPLE_INTERVAL_MS).unref();

  return {
    sql,
    sample,
    status: () => ({
      state: poolStateOf(utilization),
      utilization,
      connectionsMax,
      active,
      idle: connectionsMax - active,
      waiting: waiting.size,
      acquisitionMsMean: acquired.count === 0 ? undefined : acquired.totalMs / acquired.count,
      slowAcquisitions: acquired.slow,
      timedOutAcquisitions: acquired.timedOut,
    }),
    isExhausted: () => active >= connectionsMax && poolStateOf(utilization) === 'critical',
    close: () => clearInterval(timer),
  };
}

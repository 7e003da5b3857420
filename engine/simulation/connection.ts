/**
 * A connection to the model database and the server process behind it. Messages arrive in order and are worked off one by
 * one; a connection can break at every await, before or after the message in question has arrived, and the server may
 * notice late. What has arrived is worked off all the same, a COMMIT included.
 */
import { type Database, DatabaseError, type Transaction } from './database.js';
import type { Random } from './random.js';
import type { Scheduler } from './scheduler.js';

/** How often what goes wrong; all probabilities per message. */
export interface Faults {
  /** The connection breaks; whether the message arrived is a matter of luck. */
  readonly break: number;
  /** The server answers with an error instead of doing it. */
  readonly answer: number;
  /** The message or the answer takes longer than anybody waits. */
  readonly stall: number;
  /** No connection can be made. */
  readonly connect: number;
}

export const NO_FAULTS: Faults = { break: 0, answer: 0, stall: 0, connect: 0 };

/** What a connection needs of the world around it. */
export interface Network {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly database: Database;
  readonly faults: () => Faults;
  trace(action: string): void;
}

/** Runs something inside the process that owns the connection, as soon as that process runs at all. */
export type Deliver = (action: () => void) => void;

export interface Connection {
  /** Sends a message; `work` is what the server does with it. */
  call<T>(name: string, work: (server: Server) => Promise<T>): Promise<T>;
  /** Throws the connection away. The server learns of it some time later. */
  close(): void;
  readonly broken: boolean;
}

/** The server's side: at most one open transaction. */
export interface Server {
  tx: Transaction | undefined;
}

const LATENCY_MS = 1;
const STALL_MS_MAX = 2_500;
const NOTICE_MS_MAX = 600;
/** Deadlock, statement timeout, lock timeout: any statement may get these. */
const ANSWERS = ['40P01', '57014', '55P03'];
/** Errors that blame the data: only statements that write get them. */
const WRITE_ANSWERS = [...ANSWERS, '23505', '22P03'];

export function openConnection(network: Network, name: string, deliver: Deliver): Connection {
  const { scheduler, random, database, trace } = network;
  const server: Server = { tx: undefined };
  const waiting = new Set<(error: Error) => void>();
  let queue = Promise.resolve();
  let broken = false;
  let arriving = true;
  /** Nothing overtakes what was sent before it. */
  let arrivesAt = 0;

  function rollBack(): void {
    if (server.tx) database.end(server.tx);
    server.tx = undefined;
  }

  function sever(why: string): void {
    if (broken) return;
    broken = true;
    trace(`${name}: connection ${why}`);
    // Of what is on the way either everything still arrives or nothing.
    if (random.chance(0.5)) arriving = false;
    scheduler.after(random.between(0, NOTICE_MS_MAX), () => {
      queue = queue.then(rollBack);
    });
    for (const reject of waiting) deliver(() => reject(new Error(`connection ${why}`)));
    waiting.clear();
  }

  async function serve<T>(message: string, work: (server: Server) => Promise<T>): Promise<T> {
    const { answer, stall } = network.faults();
    await scheduler.sleep(
      random.chance(stall) ? random.between(0, STALL_MS_MAX) : random.between(0, LATENCY_MS),
    );
    if (random.chance(answer)) {
      const code = random.pick(message === 'copy' || message === 'commit' ? WRITE_ANSWERS : ANSWERS);
      trace(`${name}: ${message} answered ${code}`);
      if (server.tx) server.tx.failed = true;
      throw Object.assign(new DatabaseError(code, 'an injected error'), { injected: true });
    }
    return work(server).catch((error) => {
      if (server.tx) server.tx.failed = true;
      trace(`${name}: ${message} failed: ${(error as Error).message}`);
      throw error;
    });
  }

  return {
    call(message, work) {
      if (broken) return Promise.reject(new Error('connection is broken'));
      return new Promise((resolve, reject) => {
        const { break: breaks, stall } = network.faults();
        waiting.add(reject);
        const answer = (settle: () => void) => {
          const delay = random.chance(stall)
            ? random.between(0, STALL_MS_MAX)
            : random.between(0, LATENCY_MS);
          if (random.chance(breaks))
            scheduler.after(delay / 2, () => sever(`broke before the answer to ${message}`));
          scheduler.after(delay, () => {
            if (!waiting.delete(reject)) return;
            deliver(settle);
          });
        };
        arrivesAt = Math.max(arrivesAt, scheduler.now() + random.between(0, LATENCY_MS));
        if (random.chance(breaks))
          scheduler.after(random.between(0, LATENCY_MS), () => sever(`broke around ${message}`));
        scheduler.after(arrivesAt - scheduler.now(), () => {
          if (!arriving) return;
          queue = queue.then(() =>
            serve(message, work).then(
              (result) => answer(() => resolve(result)),
              (error) => answer(() => reject(error)),
            ),
          );
        });
      });
    },
    close: () => sever('closed'),
    get broken() {
      return broken;
    },
  };
}

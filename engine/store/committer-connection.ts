/**
 * One reserved connection whose end is noticed at once. Of a reserved connection that is closed, postgres 3.4.9 says nothing:
 * what is issued on it never settles, or throws outside of any promise when it is flushed; and a `reserve()` whose session
 * ends while the driver asks for the array types waits for ever. Here whatever is under way fails with the connection, and
 * nothing can be issued any more.
 */
import { type ConnectOptions, connectDatabase, type DatabaseTarget, type Sql } from './connection.js';
import { connectionClosed, refusingWhen } from './refusing-when.js';

export interface CommitterConnection {
  /** Connects. Rejects when that fails. */
  start(): Promise<Sql>;
  /** The same outcome, or a rejection as soon as the connection is closed, by whomever. */
  orLost<T>(work: Promise<T>): Promise<T>;
  /** Closes it; queries under way get `seconds` to finish. */
  end(seconds: number): Promise<void>;
}

/** @param options without `max`, which is one, and `onClose`, which is called once */
export function openCommitterConnection(
  target: DatabaseTarget,
  options: Omit<ConnectOptions, 'max'>,
): CommitterConnection {
  let closed = false;
  let lost = false;
  /** Not one promise for the connection's whole life: every race with it would stay in memory as long. */
  const waiting = new Set<(reason: Error) => void>();
  const lose = () => {
    lost = true;
    for (const reject of waiting) reject(connectionClosed());
  };
  const orLost = <T>(work: Promise<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      waiting.add(reject);
      const done = () => waiting.delete(reject);
      work.then(resolve, reject).then(done);
      if (lost) reject(connectionClosed());
    });
  const pool = connectDatabase(target, {
    ...options,
    max: 1,
    onClose() {
      if (closed) return;
      closed = true;
      options.onClose?.();
      // The reason may be on its way to the query that was answered with it; that one tells more.
      setImmediate(lose);
    },
  });
  let reserved: (Sql & { release(): void }) | undefined;
  return {
    orLost,
    async start() {
      reserved = (await orLost(pool.reserve())) as unknown as typeof reserved;
      return refusingWhen(() => closed, reserved!);
    },
    async end(seconds) {
      // A connection that is still reserved would make the end wait for its timeout.
      if (!closed) reserved?.release();
      await pool.end({ timeout: seconds });
    },
  };
}

import { randomBytes } from 'node:crypto';
import type { Sql } from './connection.js';

/** Pause between heartbeats. */
const HEARTBEAT_MS = 400;
/** Heard nothing for this long: notifications may have been missed. */
const SILENCE_MAX_MS = 1000;

/** Notifications of one channel, and whether they can be relied upon at this moment. */
export interface ChangeFeed {
  /** Whether every notification sent until about a second ago has arrived. */
  alive(): boolean;
  close(): Promise<void>;
}

/**
 * Listens to a notification channel of the database. The feed sends itself a notification every {@link HEARTBEAT_MS} on a
 * channel of its own over the same connection: what comes back proves that the connection lives, which a silent TCP
 * connection does not.
 *
 * @param onChange a notification's payload
 * @param onGap notifications may have been missed: after every (re)connection
 */
export function openChangeFeed(
  sql: Sql,
  channel: string,
  handlers: { onChange(payload: string): void; onGap(): void; onError(error: unknown): void },
): ChangeFeed {
  const echo = `feed_${randomBytes(8).toString('hex')}`;
  let heardAt = Number.NEGATIVE_INFINITY;
  let closed = false;
  let pinging = false;
  let unlisten: (() => Promise<void>)[] = [];

  const listen = async () => {
    while (!closed) {
      try {
        const changes = await sql.listen(channel, handlers.onChange, handlers.onGap);
        const echoes = await sql.listen(echo, () => {
          heardAt = performance.now();
        });
        unlisten = [changes.unlisten, echoes.unlisten];
        return;
      } catch (error) {
        if (!closed) handlers.onError(error);
        await new Promise((resolve) => setTimeout(resolve, SILENCE_MAX_MS).unref());
      }
    }
  };
  const listening = listen();

  const timer = setInterval(() => {
    if (pinging) return;
    pinging = true;
    sql`select pg_notify(${echo}, '')`
      .catch(() => {}) // its absence is the message
      .finally(() => {
        pinging = false;
      });
  }, HEARTBEAT_MS).unref();

  return {
    alive: () => performance.now() - heardAt < SILENCE_MAX_MS,
    async close() {
      closed = true;
      clearInterval(timer);
      await Promise.race([listening, new Promise((resolve) => setTimeout(resolve, SILENCE_MAX_MS).unref())]);
      await Promise.all(unlisten.map((each) => each().catch(() => {})));
    },
  };
}

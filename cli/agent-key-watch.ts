import { openChangeFeed } from '../engine/store/change-feed.js';
import type { Sql } from '../engine/store/connection.js';
import type { KeyCacheMessage } from '../workers/messages.js';

/** How soon the workers learn that notifications may be missing. */
const TRUST_POLL_MS = 200;

/** Tells the verify workers of this process what registrations and revocations in any process change (L6). */
export function watchAgentKeys(
  sql: Sql,
  broadcast: (message: KeyCacheMessage) => void,
  onError: (error: unknown) => void,
): { close(): Promise<void> } {
  const feed = openChangeFeed(sql, 'agent_keys', {
    onChange: (payload) => broadcast({ type: 'forget', key: payload.replaceAll('-', '') }),
    onGap: () => broadcast({ type: 'forget-all' }),
    onError,
  });
  let trusted = false;
  broadcast({ type: 'trust', trusted });
  const timer = setInterval(() => {
    if (feed.alive() === trusted) return;
    trusted = !trusted;
    broadcast({ type: 'trust', trusted });
  }, TRUST_POLL_MS);
  timer.unref();
  return {
    close() {
      clearInterval(timer);
      return feed.close();
    },
  };
}

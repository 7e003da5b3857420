/**
 * Agents' public keys in a verify worker. A registration or revocation anywhere reaches it within a second: every process
 * listens to the database's notifications and broadcasts them to its workers; while that connection is down entries are
 * trusted for a second only.
 */
import { LRUCache } from 'lru-cache';
import { type AgentKeyRow, findAgentKeys } from '../engine/keys/agent-keys.js';
import { KEY_INVALID_TEXT, keyStatusAt } from '../engine/protocol/index.js';
import type { Sql } from '../engine/store/connection.js';
import type { KeyCacheMessage } from './messages.js';
import { isUsablePublicKey } from './native-crypto.js';

/** How long an entry lives when nothing is heard of it. */
const TTL_MS = 60_000;
/** How long it lives while notifications may be missed. */
const TTL_UNTRUSTED_MS = 1_000;
/** Keys asked for in one query. */
const LOAD_MAX = 1_000;

/** A key as the judge needs it. */
export type CachedKey =
  | { readonly publicKey: Uint8Array; readonly row: AgentKeyRow }
  | { readonly publicKey: undefined; readonly problem: string };

/** Which key: tenant and agent as 32 hex digits. */
export interface AgentKeyRef {
  readonly tenant: string;
  readonly agent: string;
  readonly keyId: number;
}

export interface AgentKeyCache {
  /** Loads what is not cached of `refs`. */
  ensure(refs: ReadonlyMap<string, AgentKeyRef>): Promise<void>;
  /** The key, if `ensure` was called for it and it was not forgotten since. */
  get(name: string): CachedKey | undefined;
  /** Handles a broadcast. */
  receive(message: KeyCacheMessage): void;
}

/** The cache's name of a key. */
export const agentKeyName = (tenant: string, agent: string, keyId: number): string =>
  `${tenant}/${agent}/${keyId}`;

/** Why a key must not be used now, or undefined. Instants in microseconds. */
export function keyProblem(key: CachedKey, nowMicros: number): string | undefined {
  if (key.publicKey === undefined) return key.problem;
  const status = keyStatusAt(key.row, nowMicros);
  return status === 'active' ? undefined : KEY_INVALID_TEXT[status];
}

export function createAgentKeyCache(sql: Sql, entriesMax: number): AgentKeyCache {
  const cache = new LRUCache<string, CachedKey>({ max: entriesMax, ttl: TTL_MS, ttlAutopurge: false });
  let ttl = TTL_MS;
  /** Counts forgettings: what was read before one must not be stored after it. */
  let forgotten = 0;

  async function load(refs: readonly (readonly [string, AgentKeyRef])[]): Promise<void> {
    const before = forgotten;
    const found = new Map<string, AgentKeyRow>();
    for (const row of await findAgentKeys(
      sql,
      refs.map(([, ref]) => ref),
    )) {
      found.set(agentKeyName(row.tenant, row.agent, row.keyId), row);
    }
    const entryTtl = before === forgotten ? ttl : 1;
    for (const [name] of refs) cache.set(name, toEntry(found.get(name)), { ttl: entryTtl });
  }

  function toEntry(row: AgentKeyRow | undefined): CachedKey {
    if (!row) return { publicKey: undefined, problem: KEY_INVALID_TEXT.not_found };
    // Registration checks this too; a key written by other means is caught here.
    if (!isUsablePublicKey(row.publicKey))
      return { publicKey: undefined, problem: 'Agent key is not a valid Ed25519 key' };
    return { publicKey: row.publicKey, row };
  }

  return {
    async ensure(refs) {
      const missing = [...refs].filter(([name]) => !cache.has(name));
      for (let i = 0; i < missing.length; i += LOAD_MAX) await load(missing.slice(i, i + LOAD_MAX));
    },
    get: (name) => cache.get(name, { allowStale: true }),
    receive(message) {
      switch (message.type) {
        case 'forget':
          forgotten++;
          cache.delete(message.key);
          return;
        case 'forget-all':
          forgotten++;
          cache.clear();
          return;
        case 'trust':
          ttl = message.trusted ? TTL_MS : TTL_UNTRUSTED_MS;
          forgotten++;
          cache.clear();
      }
    },
  };
}

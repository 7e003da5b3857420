/**
 * Agents' public keys in a verify worker. A registration or revocation anywhere reaches it within a second: every process
 * listens to the database's notifications and broadcasts them to its workers; while that connection is down entries are
 * trusted for a second only.
 */
import { LRUCache } from 'lru-cache';
import type { VerificationKey } from '../engine/ed25519/index.js';
import { type AgentKeyRow, findAgentKeys } from '../engine/keys/agent-keys.js';
import { KEY_INVALID_TEXT, keyStatusAt } from '../engine/protocol/index.js';
import type { Sql } from '../engine/store/connection.js';
import type { KeyCacheMessage } from './messages.js';
import { isUsablePublicKey } from './native-crypto.js';

/** How long an entry lives while notifications may be missed. */
const TTL_UNTRUSTED_MS = 1_000;
/** Keys asked for in one query. */
const LOAD_MAX = 1_000;

/** Of a cache of keys or policies. */
export interface KeyCacheLimits {
  /** Most entries (L8). */
  readonly max: number;
  /** How long an entry lives when nothing is heard of it, in milliseconds. */
  readonly ttlMs: number;
}

/** A key that signatures can be checked with. */
export interface UsableKey {
  readonly publicKey: Uint8Array;
  readonly row: AgentKeyRow;
  /** The signature engine's own form of it, made when it is needed. */
  handle?: VerificationKey | undefined;
}

/** A key as the judge needs it. */
export type CachedKey = UsableKey | { readonly publicKey: undefined; readonly problem: string };

/** Which key: tenant and agent as 32 hex digits. */
export interface AgentKeyRef {
  readonly tenant: string;
  readonly agent: string;
  readonly keyId: number;
}

export interface AgentKeyCache {
  /**
   * The keys of `refs` by name, every one of them: what is not cached is loaded. The answer is the caller's own, so that
   * an entry which expires, is pushed out or is forgotten meanwhile does not look like a key that does not exist.
   */
  find(refs: ReadonlyMap<string, AgentKeyRef>): Promise<ReadonlyMap<string, CachedKey>>;
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

export function createAgentKeyCache(sql: Sql, limits: KeyCacheLimits): AgentKeyCache {
  const cache = new LRUCache<string, CachedKey>({ max: limits.max, ttl: limits.ttlMs, ttlAutopurge: false });
  let ttl = limits.ttlMs;
  /** Counts forgettings: what was read before one must not be stored after it. */
  let forgotten = 0;

  async function load(
    refs: readonly (readonly [string, AgentKeyRef])[],
    keys: Map<string, CachedKey>,
  ): Promise<void> {
    const before = forgotten;
    const found = new Map<string, AgentKeyRow>();
    for (const row of await findAgentKeys(
      sql,
      refs.map(([, ref]) => ref),
    )) {
      found.set(agentKeyName(row.tenant, row.agent, row.keyId), row);
    }
    for (const [name] of refs) {
      const row = found.get(name);
      const entry = toEntry(row);
      keys.set(name, entry);
      // Unknown keys are asked for every time: a key can be used as soon as its registration was answered, and strangers
      // cannot push out the keys in use.
      if (row && before === forgotten) cache.set(name, entry, { ttl });
    }
  }

  function toEntry(row: AgentKeyRow | undefined): CachedKey {
    if (!row) return { publicKey: undefined, problem: KEY_INVALID_TEXT.not_found };
    // Registration checks this too; a key written by other means is caught here.
    if (!isUsablePublicKey(row.publicKey))
      return { publicKey: undefined, problem: 'Agent key is not a valid Ed25519 key' };
    return { publicKey: row.publicKey, row };
  }

  return {
    async find(refs) {
      const keys = new Map<string, CachedKey>();
      const missing: [string, AgentKeyRef][] = [];
      for (const [name, ref] of refs) {
        const entry = cache.get(name);
        if (entry === undefined) missing.push([name, ref]);
        else keys.set(name, entry);
      }
      for (let i = 0; i < missing.length; i += LOAD_MAX) await load(missing.slice(i, i + LOAD_MAX), keys);
      return keys;
    },
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
          ttl = message.trusted ? limits.ttlMs : Math.min(limits.ttlMs, TTL_UNTRUSTED_MS);
          forgotten++;
          cache.clear();
      }
    },
  };
}

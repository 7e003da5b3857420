import { LRUCache } from 'lru-cache';
import type { AuthContext } from './context.js';

/** Most keys remembered, known and unknown ones apart: strangers cannot push out the keys in use. */
const ENTRIES_MAX = 10_000;
/** How long an unknown key stays unknown, and how long a known one is trusted while changes may be missed. */
const BRIEF_MS = 1000;
/** Most keys looked up at once (L8); beyond it a key that is not remembered is refused for the moment. */
const LOOKUPS_MAX = 1000;

interface Entry {
  readonly auth: AuthContext | undefined;
  readonly loadedAt: number;
}

interface Lookup {
  readonly result: Promise<AuthContext | undefined>;
  /** The key changed while it was being looked up: the answer holds for those who wait, but not for later. */
  stale: boolean;
}

export interface ApiKeyCacheOptions {
  /** How long a known key is trusted while the feed of changes is alive, in milliseconds. 0: always look up. */
  readonly ttlMs: number;
  /** Whether changes of keys are being heard of. */
  readonly trusted: () => boolean;
  /** The context of an active key by its hash; `undefined` for every other. */
  readonly load: (keyHash: string) => Promise<AuthContext | undefined>;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
}

/** Looked-up API keys by hash. A hit is answered synchronously. */
export interface ApiKeyCache {
  get(keyHash: string): AuthContext | undefined | Promise<AuthContext | undefined>;
  forget(keyHash: string): void;
  forgetAll(): void;
}

/** Concurrent lookups of one key share one query. */
export function createApiKeyCache(options: ApiKeyCacheOptions): ApiKeyCache {
  const { ttlMs, trusted, load, now } = options;
  const known = new LRUCache<string, Entry>({ max: ENTRIES_MAX });
  const unknown = new LRUCache<string, Entry>({ max: ENTRIES_MAX });
  const lookups = new Map<string, Lookup>();

  const isFresh = (entry: Entry): boolean => {
    const age = now() - entry.loadedAt;
    const briefly = age < Math.min(BRIEF_MS, ttlMs);
    return entry.auth === undefined ? briefly : briefly || (age < ttlMs && trusted());
  };

  const lookUp = (keyHash: string): Promise<AuthContext | undefined> => {
    const running = lookups.get(keyHash);
    if (running !== undefined && !running.stale) return running.result;
    if (lookups.size >= LOOKUPS_MAX)
      return Promise.reject(new Error(`${LOOKUPS_MAX} look-ups of API keys are under way`));
    const loadedAt = now();
    const lookup: Lookup = { result: load(keyHash), stale: false };
    lookups.set(keyHash, lookup);
    const finish = (entry?: Entry) => {
      if (lookups.get(keyHash) === lookup) lookups.delete(keyHash);
      if (entry === undefined || lookup.stale) return;
      forget(keyHash);
      (entry.auth === undefined ? unknown : known).set(keyHash, entry);
    };
    lookup.result.then(
      (auth) => finish({ auth, loadedAt }),
      () => finish(),
    );
    return lookup.result;
  };

  const forget = (keyHash: string) => {
    known.delete(keyHash);
    unknown.delete(keyHash);
    const lookup = lookups.get(keyHash);
    if (lookup !== undefined) lookup.stale = true;
  };

  return {
    get(keyHash) {
      const entry = known.get(keyHash) ?? unknown.get(keyHash);
      return entry !== undefined && isFresh(entry) ? entry.auth : lookUp(keyHash);
    },
    forget,
    forgetAll() {
      known.clear();
      unknown.clear();
      for (const lookup of lookups.values()) lookup.stale = true;
    },
  };
}

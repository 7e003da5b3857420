import { LRUCache } from 'lru-cache';

/** Most credentials remembered, known and unknown ones apart: strangers cannot push out those in use. */
const ENTRIES_MAX = 10_000;
/** How long an unknown credential stays unknown, and how long a known one is trusted while changes may be missed. */
const BRIEF_MS = 1000;
/** Most credentials looked up at once (L8); beyond it one that is not remembered is refused for the moment. */
const LOOKUPS_MAX = 1000;

interface Entry<Found> {
  readonly found: Found | undefined;
  readonly loadedAt: number;
}

interface Lookup<Found> {
  readonly result: Promise<Found | undefined>;
  /** The credential changed while it was being looked up: the answer holds for those who wait, but not for later. */
  stale: boolean;
}

export interface CredentialCacheOptions<Found> {
  /** How long what is known is trusted while the feed of changes is alive, in milliseconds. 0: always look up. */
  readonly ttlMs: number;
  /** Whether changes are being heard of. */
  readonly trusted: () => boolean;
  /** What a credential that counts stands for; `undefined` for every other, so that nobody can tell revoked from unknown. */
  readonly load: (name: string) => Promise<Found | undefined>;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
}

/** Looked-up credentials: API keys by hash, signing keys by name. A hit is answered synchronously. */
export interface CredentialCache<Found> {
  get(name: string): Found | undefined | Promise<Found | undefined>;
  forget(name: string): void;
  forgetAll(): void;
}

/** Concurrent lookups of one credential share one query. */
export function createCredentialCache<Found extends object>(
  options: CredentialCacheOptions<Found>,
): CredentialCache<Found> {
  const { ttlMs, trusted, load, now } = options;
  const known = new LRUCache<string, Entry<Found>>({ max: ENTRIES_MAX });
  const unknown = new LRUCache<string, Entry<Found>>({ max: ENTRIES_MAX });
  const lookups = new Map<string, Lookup<Found>>();

  const isFresh = (entry: Entry<Found>): boolean => {
    const age = now() - entry.loadedAt;
    const briefly = age < Math.min(BRIEF_MS, ttlMs);
    return entry.found === undefined ? briefly : briefly || (age < ttlMs && trusted());
  };

  const lookUp = (name: string): Promise<Found | undefined> => {
    const running = lookups.get(name);
    if (running !== undefined && !running.stale) return running.result;
    if (lookups.size >= LOOKUPS_MAX)
      return Promise.reject(new Error(`${LOOKUPS_MAX} look-ups of credentials are under way`));
    const loadedAt = now();
    const lookup: Lookup<Found> = { result: load(name), stale: false };
    lookups.set(name, lookup);
    const finish = (entry?: Entry<Found>) => {
      if (lookups.get(name) === lookup) lookups.delete(name);
      if (entry === undefined || lookup.stale) return;
      forget(name);
      (entry.found === undefined ? unknown : known).set(name, entry);
    };
    lookup.result.then(
      (found) => finish({ found, loadedAt }),
      () => finish(),
    );
    return lookup.result;
  };

  const forget = (name: string) => {
    known.delete(name);
    unknown.delete(name);
    const lookup = lookups.get(name);
    if (lookup !== undefined) lookup.stale = true;
  };

  return {
    get(name) {
      const entry = known.get(name) ?? unknown.get(name);
      return entry !== undefined && isFresh(entry) ? entry.found : lookUp(name);
    },
    forget,
    forgetAll() {
      known.clear();
      unknown.clear();
      for (const lookup of lookups.values()) lookup.stale = true;
    },
  };
}

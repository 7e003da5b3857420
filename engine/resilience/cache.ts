import { LRUCache } from 'lru-cache';

/** What a cache holds and how it was used since the start. */
export interface CacheStatus {
  readonly name: string;
  readonly size: number;
  readonly hits: number;
  readonly misses: number;
  readonly evictions: number;
}

/** Values that were asked for lately, for a limited time. */
export interface Cache<V extends object> {
  get(key: string): V | undefined;
  /** @param ttlMs keeps the value for less long than the cache's own limit */
  set(key: string, value: V, ttlMs?: number): void;
  delete(key: string): void;
  status(): CacheStatus;
}

/** @param limits `max`: most values (L8); `ttlMs`: for how long a value may be given out, in milliseconds */
export function createCache<V extends object>(
  name: string,
  limits: { max: number; ttlMs: number },
): Cache<V> {
  let hits = 0;
  let misses = 0;
  let evictions = 0;
  const values = new LRUCache<string, V>({
    max: limits.max,
    ttl: limits.ttlMs,
    dispose(_, __, reason) {
      if (reason === 'evict') evictions++;
    },
  });
  return {
    get(key) {
      const found = values.get(key);
      if (found === undefined) misses++;
      else hits++;
      return found;
    },
    set(key, value, ttlMs = limits.ttlMs) {
      values.set(key, value, { ttl: Math.min(ttlMs, limits.ttlMs) });
    },
    delete: (key) => void values.delete(key),
    status: () => ({ name, size: values.size, hits, misses, evictions }),
  };
}

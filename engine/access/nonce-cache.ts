/** Nonces that were used already, for as long as their signatures could be sent again. */
export interface NonceCache {
  /**
   * Remembers a nonce until `expiresAtMs`.
   *
   * @returns `replayed` when it is known, `full` when the owner has too many: then nothing is remembered and the request must be refused
   */
  take(owner: string, nonce: string, expiresAtMs: number, nowMs: number): 'fresh' | 'replayed' | 'full';
  readonly size: number;
}

/** Expiry is rounded up to this: nonces are forgotten a bucket at a time. */
const BUCKET_MS = 5000;

/** @param ownerMax most nonces of one owner, so that nobody takes the room of others (L10); `totalMax`: of all (L8) */
export function createNonceCache({ ownerMax, totalMax }: { ownerMax: number; totalMax: number }): NonceCache {
  /** By the end of the bucket, in the order of insertion. */
  const buckets = new Map<number, Map<string, Set<string>>>();
  const perOwner = new Map<string, number>();
  let size = 0;

  function forgetExpired(nowMs: number): void {
    for (const [end, owners] of buckets) {
      if (end > nowMs) continue;
      buckets.delete(end);
      for (const [owner, nonces] of owners) {
        size -= nonces.size;
        const left = perOwner.get(owner)! - nonces.size;
        if (left === 0) perOwner.delete(owner);
        else perOwner.set(owner, left);
      }
    }
  }

  return {
    take(owner, nonce, expiresAtMs, nowMs) {
      forgetExpired(nowMs);
      for (const owners of buckets.values()) if (owners.get(owner)?.has(nonce)) return 'replayed';
      const held = perOwner.get(owner) ?? 0;
      if (held >= ownerMax || size >= totalMax) return 'full';
      const end = (Math.floor(expiresAtMs / BUCKET_MS) + 1) * BUCKET_MS;
      const owners = buckets.get(end) ?? new Map<string, Set<string>>();
      buckets.set(end, owners);
      const nonces = owners.get(owner);
      if (nonces === undefined) owners.set(owner, new Set([nonce]));
      else nonces.add(nonce);
      perOwner.set(owner, held + 1);
      size++;
      return 'fresh';
    },
    get size() {
      return size;
    },
  };
}

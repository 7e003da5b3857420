/**
 * Which tenants may use every verify worker. One of several workers is kept for those with little under way while there are any:
 * their events then wait for no flood's signatures, however many flood (L10). Without them the flood has all workers.
 */
export interface Reserve {
  /**
   * Whether a request has to leave the kept worker free.
   *
   * @param bytes what its tenant has under way, the request included
   * @param now milliseconds of a monotonic clock
   */
  mustLeaveFree(tenant: string, bytes: number, now: number): boolean;
}

/** Who has more under way is heavy: about a request of a hundred events. */
const LIGHT_BYTES_MAX = 64 * 1024;
/** How long a tenant stays heavy, and the worker kept, after the last sign: a closed loop drains between its rounds. */
const MEMORY_MS = 1000;
/** Tenants remembered as heavy before those whose time is over are removed. */
const HEAVY_MAX = 1024;

export function createReserve(): Reserve {
  const heavyUntil = new Map<string, number>();
  let lightUntil = Number.NEGATIVE_INFINITY;

  function isHeavy(tenant: string, bytes: number, now: number): boolean {
    if (bytes <= LIGHT_BYTES_MAX) return (heavyUntil.get(tenant) ?? now) > now;
    heavyUntil.set(tenant, now + MEMORY_MS);
    if (heavyUntil.size > HEAVY_MAX)
      for (const [other, until] of heavyUntil) if (until <= now) heavyUntil.delete(other);
    return true;
  }

  return {
    mustLeaveFree(tenant, bytes, now) {
      if (isHeavy(tenant, bytes, now)) return lightUntil > now;
      lightUntil = now + MEMORY_MS;
      return false;
    },
  };
}

/** A thread's sealers, one per tenant: replaced when the tenant's key is, and when they have sealed much or for long. */
import { LRUCache } from 'lru-cache';
import { ServiceError } from '../errors/index.js';
import type { Sql } from '../store/connection.js';
import { makeDataKey } from './data-keys.js';
import { createSealer, type Sealer } from './sealer.js';
import type { TenantKey, TenantKeys } from './tenant-keys.js';

export interface Sealers {
  /**
   * A sealer for each of the tenants (32 hex digits), to be used at once; an error (ENCRYPTION_ERROR) for those whose keys are not to
   * be had.
   *
   * @throws the database's error
   */
  find(tenants: readonly string[]): Promise<ReadonlyMap<string, Sealer | ServiceError>>;
}

/** How long a sealer is used before the database is asked whether the tenant's key still is the current one. */
export const SEALER_TRUST_MS = 1000;
const TENANTS_MAX = 10_000;
/** Payloads under one data key, and its age: what a leaked data key tells is limited. */
export const SEALED_MAX = 2 ** 24;
const AGE_MS_MAX = 24 * 3600_000;
/** A key is retired between two looks only when somebody rotates keys without end. */
const TRIES_MAX = 5;

interface Held {
  readonly sealer: Sealer;
  readonly madeAt: number;
  trustedUntil: number;
}

export function createSealers(
  sql: Sql,
  tenantKeys: Pick<TenantKeys, 'current'>,
  clock: () => number = () => performance.now(),
): Sealers {
  const held = new LRUCache<string, Held>({ max: TENANTS_MAX });
  const isWorn = ({ sealer, madeAt }: Held, now: number) =>
    sealer.count >= SEALED_MAX || now - madeAt > AGE_MS_MAX;

  async function renew(tenantKey: TenantKey): Promise<Sealer | ServiceError> {
    const { tenant } = tenantKey;
    let key: TenantKey | ServiceError | undefined = tenantKey;
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      if (key === undefined || key instanceof ServiceError) break;
      const now = clock();
      const known = held.get(tenant);
      if (known && known.sealer.keyVersion === key.version && !isWorn(known, now)) {
        known.trustedUntil = now + SEALER_TRUST_MS;
        return known.sealer;
      }
      const made = await makeDataKey(sql, key);
      if (made) {
        const fresh = {
          sealer: createSealer(made),
          madeAt: now,
          trustedUntil: now + SEALER_TRUST_MS,
        };
        held.set(tenant, fresh);
        return fresh.sealer;
      }
      key = (await tenantKeys.current([tenant])).get(tenant);
    }
    return key instanceof ServiceError
      ? key
      : new ServiceError('ENCRYPTION_ERROR', `No key of tenant ${tenant} stays in use`);
  }

  return {
    async find(tenants) {
      const found = new Map<string, Sealer | ServiceError>();
      const asked: string[] = [];
      const now = clock();
      for (const tenant of tenants) {
        const known = held.get(tenant);
        if (known && now < known.trustedUntil && !isWorn(known, now)) found.set(tenant, known.sealer);
        else asked.push(tenant);
      }
      if (asked.length === 0) return found;
      for (const [tenant, key] of await tenantKeys.current(asked))
        found.set(tenant, key instanceof ServiceError ? key : await renew(key));
      return found;
    },
  };
}

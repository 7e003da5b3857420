/** Tenants' keys: made when a tenant first needs one, unwrapped by the holder of the master keys, kept in memory for minutes. */
import { type KeyObject, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { ServiceError } from '../errors/index.js';
import type { Sql } from '../store/connection.js';
import { KEY_BYTES, toKey } from './gcm.js';
import {
  insertTenantKey,
  lastKeyVersion,
  readCurrentKeys,
  readTenantKey,
  type TenantKeyRow,
} from './key-rows.js';
import type { MasterKeys } from './master-keys.js';

/** A tenant's key, ready to be used. */
export interface TenantKey {
  readonly tenant: string;
  readonly version: number;
  readonly key: KeyObject;
}

export interface TenantKeys {
  /**
   * The keys that new data keys are wrapped with, by tenant; those that are missing are made. Where the master key of one tenant fails,
   * the others get theirs.
   */
  current(tenants: readonly string[]): Promise<ReadonlyMap<string, TenantKey | ServiceError>>;
  /**
   * A certain key.
   *
   * @throws ServiceError ENCRYPTION_ERROR when it is unknown, destroyed, or cannot be unwrapped
   */
  get(tenant: string, version: number): Promise<TenantKey>;
  /** Forgets what is in memory of a tenant. */
  forget(tenant: string, version: number): void;
}

const KEPT_MAX = 10_000;
/** Nothing stays longer: the holder of the master keys is asked again, and a destroyed key is gone. */
const KEPT_MS = 10 * 60_000;
const CONTEXT = Buffer.from('STATESET_TENANT_KEY_V1');

/** What a tenant's key is bound to when it is wrapped. */
export function tenantKeyContext(tenant: string, version: number): Buffer {
  const context = Buffer.alloc(CONTEXT.length + 20);
  CONTEXT.copy(context);
  context.write(tenant, CONTEXT.length, 'hex');
  context.writeUInt32BE(version, CONTEXT.length + 16);
  return context;
}

export function createTenantKeys(sql: Sql, masters: MasterKeys): TenantKeys {
  const kept = new LRUCache<string, TenantKey>({ max: KEPT_MAX, ttl: KEPT_MS });
  const nameOf = (tenant: string, version: number) => `${tenant}/${version}`;
  const sweep = setInterval(() => kept.purgeStale(), KEPT_MS / 10);
  sweep.unref();

  async function unwrapped({ tenant, version, masterKey, wrapped }: TenantKeyRow): Promise<TenantKey> {
    const known = kept.get(nameOf(tenant, version));
    if (known) return known;
    if (wrapped === null)
      throw new ServiceError('ENCRYPTION_ERROR', `Key ${version} of tenant ${tenant} was destroyed`);
    const secret = await masters.unwrap(
      tenant,
      { masterKey, bytes: wrapped },
      tenantKeyContext(tenant, version),
    );
    const key = { tenant, version, key: toKey(secret) };
    kept.set(nameOf(tenant, version), key);
    return key;
  }

  return {
    async current(tenants) {
      const keys = new Map<string, TenantKey | ServiceError>();
      const take = async (rows: readonly TenantKeyRow[]) => {
        const own = await Promise.all(rows.map((row) => orRefusal(() => unwrapped(row))));
        rows.forEach(({ tenant }, i) => void keys.set(tenant, own[i]!));
      };
      await take(await readCurrentKeys(sql, tenants));
      const made: string[] = [];
      for (const tenant of tenants) {
        if (keys.has(tenant)) continue;
        const version = await orRefusal(() => makeTenantKey(sql, masters, tenant));
        if (version instanceof ServiceError) keys.set(tenant, version);
        else made.push(tenant);
      }
      if (made.length > 0) await take(await readCurrentKeys(sql, made));
      return keys;
    },
    async get(tenant, version) {
      const known = kept.get(nameOf(tenant, version));
      if (known) return known;
      const row = await readTenantKey(sql, tenant, version);
      if (row) return unwrapped(row);
      throw new ServiceError('ENCRYPTION_ERROR', `There is no key ${version} of tenant ${tenant}`);
    },
    forget: (tenant, version) => void kept.delete(nameOf(tenant, version)),
  };
}

/** Makes a tenant's next key; where several processes do so at once, one of them succeeds. Answers its version. */
export async function makeTenantKey(sql: Sql, masters: MasterKeys, tenant: string): Promise<number> {
  const version = (await lastKeyVersion(sql, tenant)) + 1;
  const secret = randomBytes(KEY_BYTES);
  const { masterKey, bytes } = await masters.wrap(tenant, secret, tenantKeyContext(tenant, version));
  await insertTenantKey(sql, tenant, version, masterKey, bytes);
  return version;
}

/** What the holder of the master keys refuses is one tenant's matter; everything else is thrown. */
export async function orRefusal<T>(work: () => Promise<T>): Promise<T | ServiceError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'ENCRYPTION_ERROR') return error;
    throw error;
  }
}

/** Rotation of keys. Payloads are not touched: that is reencrypt.ts. */
import { randomBytes } from 'node:crypto';
import { ServiceError } from '../errors/index.js';
import type { Sql } from '../store/connection.js';
import { recordAct } from './acts.js';
import { KEY_BYTES } from './gcm.js';
import { insertTenantKey, lastKeyVersion, listTenantKeys } from './key-rows.js';
import type { MasterKeys } from './master-keys.js';
import { tenantKeyContext } from './tenant-keys.js';

/**
 * Wraps the tenants' keys anew that are not wrapped with the current master key. Afterwards the earlier master keys are needed for nothing
 * but SSE1 records. May be run at any time, and again.
 *
 * @returns keys that were wrapped anew
 * @throws ServiceError ENCRYPTION_ERROR when a key's master key is not configured; keys before it are done
 */
export async function rewrapTenantKeys(sql: Sql, masters: MasterKeys, actor: string): Promise<number> {
  let rewrapped = 0;
  for (const { tenant, version, masterKey, wrapped } of await listTenantKeys(sql)) {
    if (wrapped === null || masterKey === masters.current(tenant)) continue;
    const context = tenantKeyContext(tenant, version);
    const secret = await masters.unwrap(tenant, { masterKey, bytes: wrapped }, context);
    const fresh = await masters.wrap(tenant, secret, context);
    // Compare and swap: a key that was destroyed, or wrapped by somebody else, in the meantime stays what it is.
    const { count } = await sql`
      update vault_tenant_keys set master_key = ${fresh.masterKey}, wrapped_key = ${Buffer.from(fresh.bytes)}
      where tenant_id = ${tenant}::uuid and key_version = ${version} and wrapped_key = ${Buffer.from(wrapped)}`;
    rewrapped += count;
  }
  if (rewrapped > 0) await recordAct(sql, 'tenant-keys-rewrapped', actor, null, { keys: rewrapped });
  return rewrapped;
}

/**
 * Gives a tenant a new key. Writers change to it within a second (SEALER_TRUST_MS); what the earlier keys opened stays readable until it is
 * re-encrypted, and afterwards.
 *
 * @param tenant 32 hex digits
 * @returns the new key's version
 */
export async function rotateTenantKey(
  sql: Sql,
  masters: MasterKeys,
  tenant: string,
  actor: string,
): Promise<number> {
  const version = (await lastKeyVersion(sql, tenant)) + 1;
  const { masterKey, bytes } = await masters.wrap(
    tenant,
    randomBytes(KEY_BYTES),
    tenantKeyContext(tenant, version),
  );
  await sql.begin(async (tx) => {
    if (!(await insertTenantKey(tx, tenant, version, masterKey, bytes)))
      throw new ServiceError(
        'INVALID_STATE_TRANSITION',
        `Another process has just given tenant ${tenant} a new key`,
      );
    await tx`update vault_tenant_keys set retired_at = now()
      where tenant_id = ${tenant}::uuid and key_version < ${version} and retired_at is null`;
    await recordAct(tx, 'tenant-key-rotated', actor, tenant, { version, master_key: masterKey });
  });
  return version;
}

/** Keys that are not wrapped with the current master key: how many, and the names of master keys among theirs that are not held. */
export async function listKeysToRewrap(
  sql: Sql,
  masters: MasterKeys,
): Promise<{ readonly waiting: number; readonly lost: readonly string[] }> {
  let waiting = 0;
  const lost = new Set<string>();
  for (const { tenant, masterKey } of await listTenantKeys(sql)) {
    if (!masters.holds(tenant, masterKey)) lost.add(masterKey);
    else if (masterKey !== masters.current(tenant)) waiting++;
  }
  return { waiting, lost: [...lost] };
}

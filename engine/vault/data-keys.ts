/** Data keys, wrapped by a tenant's key. */
import { type KeyObject, randomBytes } from 'node:crypto';
import { ServiceError } from '../errors/index.js';
import type { Sql } from '../store/connection.js';
import { KEY_BYTES, toKey, unwrap, wrap } from './gcm.js';
import { type DataKeyRow, insertDataKey } from './key-rows.js';
import type { TenantKey } from './tenant-keys.js';

const CONTEXT = Buffer.from('STATESET_DATA_KEY_V1');
const ID_BYTES = 16;

/** What a data key is bound to when it is wrapped. */
function contextOf(tenant: string, version: number, id: string): Buffer {
  const context = Buffer.alloc(CONTEXT.length + 20 + ID_BYTES);
  CONTEXT.copy(context);
  context.write(tenant, CONTEXT.length, 'hex');
  context.writeUInt32BE(version, CONTEXT.length + 16);
  context.write(id, CONTEXT.length + 20, 'hex');
  return context;
}

/** A fresh data key, stored before anything is encrypted with it; undefined when the tenant's key was retired meanwhile. */
export async function makeDataKey(
  sql: Sql,
  tenantKey: TenantKey,
): Promise<{ readonly id: Buffer; readonly key: KeyObject; readonly keyVersion: number } | undefined> {
  const { tenant, version } = tenantKey;
  const id = randomBytes(ID_BYTES);
  const secret = randomBytes(KEY_BYTES);
  const name = id.toString('hex');
  const wrapped = wrap(tenantKey.key, contextOf(tenant, version, name), secret);
  const stored = await insertDataKey(sql, { tenant, id: name, version, wrapped });
  return stored ? { id, key: toKey(secret), keyVersion: version } : undefined;
}

/** @throws ServiceError ENCRYPTION_ERROR when the wrapped key does not fit */
export function unwrapDataKey({ tenant, id, version, wrapped }: DataKeyRow, tenantKey: TenantKey): KeyObject {
  const secret = unwrap(tenantKey.key, contextOf(tenant, version, id), wrapped);
  if (secret) return toKey(secret);
  throw new ServiceError(
    'ENCRYPTION_ERROR',
    `Data key ${id} of tenant ${tenant} was changed, or is not its own`,
  );
}

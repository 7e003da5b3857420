import { createHash } from 'node:crypto';
import { copyBytes, utf8Length, writeString, writeUtf8 } from '../protocol/index.js';

/** Length of tenant and store in the preimage. */
const TENANT_STORE_BYTES = 32;

/**
 * Writes what an entity's key is the hash of and returns the offset behind it; allocates nothing.
 *
 * `tenant(16) || store(16) || U32 byte length of entity_type || entity_type || entity_id` (UTF-8). The type's length
 * keeps (`ab`, `c`) apart from (`a`, `bc`). The caller sizes the target: 36 bytes and three per UTF-16 unit.
 *
 * @param tenantStore holds tenant and store, 16 bytes each, side by side at `tsOffset`
 */
export function writeEntityKeyPreimage(
  target: Uint8Array,
  offset: number,
  tenantStore: Uint8Array,
  tsOffset: number,
  entityType: string,
  entityId: string,
): number {
  let at = copyBytes(tenantStore, tsOffset, target, offset, TENANT_STORE_BYTES);
  at = writeString(target, at, entityType);
  return writeUtf8(target, at, entityId);
}

/**
 * The number that stands for an entity in the events' indexes: the first 8 bytes of the SHA-256 of its preimage, read as a
 * signed big-endian integer, as `bigint` columns are. Different entities may share it, so readers compare the real columns
 * as well.
 *
 * @param tenantStore tenant and store, `Uint8Array(32)`
 */
export function entityKey(tenantStore: Uint8Array, entityType: string, entityId: string): bigint {
  const preimage = new Uint8Array(TENANT_STORE_BYTES + 4 + utf8Length(entityType) + utf8Length(entityId));
  writeEntityKeyPreimage(preimage, 0, tenantStore, 0, entityType, entityId);
  return createHash('sha256').update(preimage).digest().readBigInt64BE(0);
}

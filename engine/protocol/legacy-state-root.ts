/**
 * The state root of legacy commitments: a hash over how many events each entity of a store has, in both of its streams.
 *
 * `SHA-256(tenant || store || for each entity: entity_type || entity_id || I64 version, little-endian)`, texts in UTF-8
 * without lengths, entities ordered by the bytes of type, then id. The only little-endian integers of the protocol.
 */
import { concatBytes, encodeUtf8, utf8Length, writeUtf8 } from './bytes.js';
import { portableSha256, type Sha256 } from './sha256.js';

/** An entity and its number of events. */
export type EntityVersion = {
  readonly entityType: string;
  readonly entityId: string;
  readonly version: number | bigint;
};

/** Upper bound of an entity's bytes, without scanning the texts. */
export const legacyStateEntryBytesMax = ({ entityType, entityId }: EntityVersion): number =>
  3 * (entityType.length + entityId.length) + 8;

/** Writes an entity's part of the preimage and returns the offset behind it. The caller sizes the target. */
export function writeLegacyStateEntry(entity: EntityVersion, target: Uint8Array, offset: number): number {
  const at = writeUtf8(target, writeUtf8(target, offset, entity.entityType), entity.entityId);
  let rest = BigInt.asUintN(64, BigInt(entity.version));
  for (let i = 0; i < 8; i++, rest >>= 8n) target[at + i] = Number(rest & 0xffn);
  return at + 8;
}

/**
 * The state root of a few entities, in any order, at once; `Uint8Array(32)`. Servers, which may have millions, hash them as
 * they come from the database.
 *
 * @param tenantStore tenant and store, `Uint8Array(32)`
 */
export function legacyStateRoot(
  tenantStore: Uint8Array,
  entities: readonly EntityVersion[],
  sha256: Sha256 = portableSha256,
): Uint8Array {
  const parts = entities.map((entity) => ({
    type: encodeUtf8(entity.entityType),
    id: encodeUtf8(entity.entityId),
    entry: encodeEntry(entity),
  }));
  parts.sort((a, b) => compareBytes(a.type, b.type) || compareBytes(a.id, b.id));
  return sha256(concatBytes(tenantStore, ...parts.map((part) => part.entry)));
}

function encodeEntry(entity: EntityVersion): Uint8Array {
  const bytes = new Uint8Array(utf8Length(entity.entityType) + utf8Length(entity.entityId) + 8);
  writeLegacyStateEntry(entity, bytes, 0);
  return bytes;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

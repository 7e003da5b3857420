import { copyBytes, utf8Length, writeString, writeU32, writeU64 } from './bytes.js';
import { DOMAIN } from './domains.js';
import { FIXED } from './fixed-fields.js';
import { portableSha256, type Sha256 } from './sha256.js';

/**
 * What an agent signs. A parsed envelope has this shape. Ids and hashes are read from the block `fixed` (layout
 * `FIXED`) at `fixedOffset`; producers make one with `packFixedFields`.
 */
export type EventSigningFields = {
  /** 1 or 2; version 2 also signs the command id and the base version. */
  vesVersion: number;
  agentKeyId: number;
  entityType: string;
  entityId: string;
  eventType: string;
  /** RFC 3339, the exact characters. */
  createdAt: string;
  payloadKind: 0 | 1;
  hasCommandId: boolean;
  baseVersion: number | bigint | undefined;
  fixed: Uint8Array;
  fixedOffset: number;
};

/** Bytes of the version 1 preimage besides the four strings: label 15, ids 64, integers 12, prefixes 16, hashes 64. */
export const EVENT_SIGNING_FIXED_BYTES = 171;

/** Greatest size of the version 2 preimage: label 15, hash 32, flag and command id 17, flag and base version 9. */
export const EVENT_SIGNING_V2_BYTES_MAX = 73;

/** Upper bound of the version 1 preimage, without scanning the strings (a UTF-16 unit takes three bytes at most). */
export function eventSigningPreimageBytesMax(fields: EventSigningFields): number {
  const units =
    fields.entityType.length + fields.entityId.length + fields.eventType.length + fields.createdAt.length;
  return EVENT_SIGNING_FIXED_BYTES + 3 * units;
}

/**
 * Writes the version 1 preimage at `offset` and returns the offset behind it; allocates nothing. For a version 2
 * event its hash goes into `writeEventSigningV2Preimage`.
 *
 * `"VES_EVENTSIG_V1" || U32 ves_version || tenant || store || event || agent || U32 key || STR entity_type ||
 * STR entity_id || STR event_type || STR created_at || U32 payload_kind || plain hash || cipher hash`
 */
export function writeEventSigningPreimage(
  fields: EventSigningFields,
  target: Uint8Array,
  offset: number,
): number {
  const { fixed, fixedOffset } = fields;
  let at = copyBytes(DOMAIN.eventSigV1, 0, target, offset, DOMAIN.eventSigV1.length);
  at = writeU32(target, at, fields.vesVersion);
  // tenant, store, event, agent lie next to each other in the block
  at = copyBytes(fixed, fixedOffset + FIXED.tenantId, target, at, 64);
  at = writeU32(target, at, fields.agentKeyId);
  at = writeString(target, at, fields.entityType);
  at = writeString(target, at, fields.entityId);
  at = writeString(target, at, fields.eventType);
  at = writeString(target, at, fields.createdAt);
  at = writeU32(target, at, fields.payloadKind);
  return copyBytes(fixed, fixedOffset + FIXED.payloadPlainHash, target, at, 64);
}

/**
 * Writes the version 2 preimage over the version 1 hash `h1` (computed with version number 2); allocates nothing.
 *
 * `"VES_EVENTSIG_V2" || h1 || U8 command present [|| command id] || U8 base version present [|| U64 base version]`
 */
export function writeEventSigningV2Preimage(
  h1: Uint8Array,
  fields: EventSigningFields,
  target: Uint8Array,
  offset: number,
): number {
  let at = copyBytes(DOMAIN.eventSigV2, 0, target, offset, DOMAIN.eventSigV2.length);
  at = copyBytes(h1, 0, target, at, 32);
  target[at++] = fields.hasCommandId ? 1 : 0;
  if (fields.hasCommandId) {
    at = copyBytes(fields.fixed, fields.fixedOffset + FIXED.commandId, target, at, 16);
  }
  target[at++] = fields.baseVersion === undefined ? 0 : 1;
  return fields.baseVersion === undefined ? at : writeU64(target, at, fields.baseVersion);
}

/** The 32-byte hash an agent signs, by the rule of the envelope's version. */
export function eventSigningHash(fields: EventSigningFields, sha256: Sha256 = portableSha256): Uint8Array {
  const strings = [fields.entityType, fields.entityId, fields.eventType, fields.createdAt];
  const preimage = new Uint8Array(
    strings.reduce((sum, text) => sum + utf8Length(text), EVENT_SIGNING_FIXED_BYTES),
  );
  writeEventSigningPreimage(fields, preimage, 0);
  const h1 = sha256(preimage);
  if (fields.vesVersion !== 2) return h1;
  const second = new Uint8Array(EVENT_SIGNING_V2_BYTES_MAX);
  return sha256(second.subarray(0, writeEventSigningV2Preimage(h1, fields, second, 0)));
}

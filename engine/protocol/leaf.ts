import { copyBytes, writeU64 } from './bytes.js';
import { DOMAIN } from './domains.js';
import { FIXED } from './fixed-fields.js';

/** Size of a leaf entry: label 11, tenant and store 32, sequence number 8, signing hash 32, signature 64. */
export const VES_LEAF_BYTES = 147;

/** Where the sequence number stands inside a leaf entry, for writers that number it later. */
export const VES_LEAF_SEQUENCE_OFFSET = 43;

/**
 * Writes an event's leaf entry at `offset` and returns the offset behind it; allocates nothing.
 *
 * `"VES_LEAF_V1" || tenant || store || U64 sequence_number || event signing hash || agent signature`
 *
 * Its SHA-256 is the leaf of the VES tree; the SHA-256 of `0x00` and these bytes is the leaf of the RFC 6962 tree.
 */
export function writeVesLeaf(
  fields: { fixed: Uint8Array; fixedOffset: number },
  sequenceNumber: number | bigint,
  eventSigningHash: Uint8Array,
  target: Uint8Array,
  offset: number,
): number {
  const { fixed, fixedOffset } = fields;
  let at = copyBytes(DOMAIN.leaf, 0, target, offset, DOMAIN.leaf.length);
  at = copyBytes(fixed, fixedOffset + FIXED.tenantId, target, at, 32);
  at = writeU64(target, at, sequenceNumber);
  at = copyBytes(eventSigningHash, 0, target, at, 32);
  return copyBytes(fixed, fixedOffset + FIXED.agentSignature, target, at, 64);
}

/** The leaf entry in a new `Uint8Array(147)`. */
export function vesLeaf(
  fields: { fixed: Uint8Array; fixedOffset: number },
  sequenceNumber: number | bigint,
  eventSigningHash: Uint8Array,
): Uint8Array {
  const leaf = new Uint8Array(VES_LEAF_BYTES);
  writeVesLeaf(fields, sequenceNumber, eventSigningHash, leaf, 0);
  return leaf;
}

/**
 * RFC 6962 / RFC 9162 section 2.1 Merkle tree hashing: leaf = SHA-256(0x00 ‖ entry), node = SHA-256(0x01 ‖ left ‖ right).
 *
 * Hash functions write into a target instead of returning a fresh array, because the hot path hashes one leaf and about
 * one node per event.
 */

/** Writes SHA-256(bytes) (32 bytes) into `target` at `offset`. */
export type Sha256Into = (bytes: Uint8Array, target: Uint8Array, offset: number) => void;

/** Bytes in a hash. */
export const HASH_BYTES = 32;
/** First byte of a leaf's preimage (RFC 6962 section 2.1). */
export const LEAF_PREFIX = 0x00;
/** First byte of an inner node's preimage (RFC 6962 section 2.1). */
export const NODE_PREFIX = 0x01;

/** A reusable node hasher: `hash(left, leftOffset, right, rightOffset, target, targetOffset)`. Not re-entrant. */
export type NodeHasher = (
  left: Uint8Array,
  leftOffset: number,
  right: Uint8Array,
  rightOffset: number,
  target: Uint8Array,
  targetOffset: number,
) => void;

/** Makes a node hasher with a preimage buffer of its own. */
export function createNodeHasher(sha256: Sha256Into, scratch: Uint8Array = new Uint8Array(65)): NodeHasher {
  scratch[0] = NODE_PREFIX;
  return (left, leftOffset, right, rightOffset, target, targetOffset) => {
    for (let i = 0; i < HASH_BYTES; i++) {
      scratch[1 + i] = left[leftOffset + i]!;
      scratch[33 + i] = right[rightOffset + i]!;
    }
    sha256(scratch, target, targetOffset);
  };
}

/** Hash of one log entry: SHA-256(0x00 ‖ entry). */
export function leafHash(entry: Uint8Array, sha256: Sha256Into): Uint8Array {
  const preimage = new Uint8Array(1 + entry.length);
  preimage[0] = LEAF_PREFIX;
  preimage.set(entry, 1);
  const hash = new Uint8Array(HASH_BYTES);
  sha256(preimage, hash, 0);
  return hash;
}

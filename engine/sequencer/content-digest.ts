/**
 * When are two envelopes with one event id "the same"? When their signing hashes (all ids, types, time, hashes), their
 * signatures, command ids, base versions and, for encrypted payloads, the text of the encryption envelope agree. The digest
 * folds these into 32 bytes, computed by the verify worker for what arrives and from the stored row for what is known.
 */
import type { Sha256Into } from '../log/index.js';

/** Longest preimage: proof 96 ‖ 1 ‖ 16 ‖ 1 ‖ 8 ‖ 32. */
const PREIMAGE_BYTES = 154;

export type ContentDigest = (
  /** VES: signing hash ‖ signature (96 bytes). Legacy: the payload hash (32 bytes). */
  proof: Uint8Array,
  proofOffset: number,
  proofLength: number,
  command: Uint8Array | undefined,
  commandOffset: number,
  baseVersion: number | undefined,
  /** SHA-256 of the stored encryption envelope's text; undefined for plaintext. */
  envelopeHash: Uint8Array | undefined,
  target: Uint8Array,
  targetOffset: number,
) => void;

/** Makes a digest function with a scratch buffer of its own. Not re-entrant. */
export function createContentDigest(sha256: Sha256Into): ContentDigest {
  const scratch = Buffer.allocUnsafeSlow(PREIMAGE_BYTES);
  return (
    proof,
    proofOffset,
    proofLength,
    command,
    commandOffset,
    baseVersion,
    envelopeHash,
    target,
    targetOffset,
  ) => {
    let at = 0;
    for (let i = 0; i < proofLength; i++) scratch[at++] = proof[proofOffset + i]!;
    scratch[at++] = command ? 1 : 0;
    if (command) for (let i = 0; i < 16; i++) scratch[at++] = command[commandOffset + i]!;
    scratch[at++] = baseVersion === undefined ? 0 : 1;
    if (baseVersion !== undefined) at = scratch.writeDoubleBE(baseVersion, at);
    if (envelopeHash) {
      scratch.set(envelopeHash, at);
      at += 32;
    }
    sha256(scratch.subarray(0, at), target, targetOffset);
  };
}

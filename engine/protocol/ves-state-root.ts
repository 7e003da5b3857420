/** The chain of VES commitments: who a stream is, and what each commitment makes of the state root before it. */
import { concatBytes, copyBytes, readU64, writeU32, writeU64 } from './bytes.js';
import { DOMAIN } from './domains.js';
import { portableSha256, type Sha256 } from './sha256.js';

/** Size of the preimage: label 17, three hashes 96, two numbers 16, leaf count 4. */
const STATE_ROOT_PREIMAGE_BYTES = 133;

/**
 * The id of a stream, `Uint8Array(32)`: SHA-256("VES_STREAM_V1" || tenant || store).
 *
 * @param tenantStore tenant and store, `Uint8Array(32)`
 */
export function vesStreamId(tenantStore: Uint8Array, sha256: Sha256 = portableSha256): Uint8Array {
  return sha256(concatBytes(DOMAIN.stream, tenantStore));
}

/** Key of the advisory lock under which a stream's commitments are made: its id's first 8 bytes as a signed big-endian integer. */
export function vesCommitLockKey(streamId: Uint8Array): bigint {
  return BigInt.asIntN(64, readU64(streamId, 0));
}

/**
 * The state root after a commitment, `Uint8Array(32)`:
 *
 * `SHA-256("VES_STATE_ROOT_V1" || stream id || previous root || merkle root || U64 first || U64 last || U32 leaf count)`
 *
 * The previous root of a stream's first commitment is 32 zero bytes.
 */
export function vesStateRoot(
  commitment: {
    readonly streamId: Uint8Array;
    readonly prevStateRoot: Uint8Array;
    readonly merkleRoot: Uint8Array;
    readonly sequenceStart: number | bigint;
    readonly sequenceEnd: number | bigint;
    readonly leafCount: number;
  },
  sha256: Sha256 = portableSha256,
): Uint8Array {
  const preimage = new Uint8Array(STATE_ROOT_PREIMAGE_BYTES);
  let at = copyBytes(DOMAIN.stateRoot, 0, preimage, 0, DOMAIN.stateRoot.length);
  at = copyBytes(commitment.streamId, 0, preimage, at, 32);
  at = copyBytes(commitment.prevStateRoot, 0, preimage, at, 32);
  at = copyBytes(commitment.merkleRoot, 0, preimage, at, 32);
  at = writeU64(preimage, at, commitment.sequenceStart);
  at = writeU64(preimage, at, commitment.sequenceEnd);
  writeU32(preimage, at, commitment.leafCount);
  return sha256(preimage);
}

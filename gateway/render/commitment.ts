import type { InclusionProof, LegacyCommitment, VesCommitment } from '../../engine/commitments/index.js';
import { encodeHex, formatMicros } from '../../engine/protocol/index.js';

const hexOrNull = (bytes: Uint8Array | null): string | null => (bytes === null ? null : encodeHex(bytes));
const numberOrNull = (value: bigint | null): number | null => (value === null ? null : Number(value));
const instantOrNull = (micros: bigint | null): string | null =>
  micros === null ? null : formatMicros(micros);

/** A VES commitment as it is answered where it is made. Hashes are lower-case hex without `0x`. */
export const vesCommitmentJson = (commitment: VesCommitment) => ({
  batch_id: commitment.batchId,
  tenant_id: commitment.tenantId,
  store_id: commitment.storeId,
  ves_version: commitment.vesVersion,
  tree_depth: commitment.treeDepth,
  leaf_count: commitment.leafCount,
  padded_leaf_count: commitment.paddedLeafCount,
  merkle_root: encodeHex(commitment.merkleRoot),
  prev_state_root: encodeHex(commitment.prevStateRoot),
  new_state_root: encodeHex(commitment.newStateRoot),
  sequence_start: Number(commitment.sequenceStart),
  sequence_end: Number(commitment.sequenceEnd),
  committed_at: formatMicros(commitment.committedAtMicros),
});

/** The same with what is known of its anchoring. */
export const anchoredVesCommitmentJson = (commitment: VesCommitment) => ({
  ...vesCommitmentJson(commitment),
  chain_id: commitment.chainId,
  chain_tx_hash: hexOrNull(commitment.chainTxHash),
  chain_block_number: numberOrNull(commitment.chainBlockNumber),
  anchored_at: instantOrNull(commitment.anchoredAtMicros),
  is_anchored: commitment.anchoredAtMicros !== null,
});

/** A VES commitment for programs that anchor: other names, hashes with `0x`. */
export const pendingCommitmentJson = (commitment: VesCommitment) => ({
  batch_id: commitment.batchId,
  tenant_id: commitment.tenantId,
  store_id: commitment.storeId,
  prev_state_root: `0x${encodeHex(commitment.prevStateRoot)}`,
  new_state_root: `0x${encodeHex(commitment.newStateRoot)}`,
  events_root: `0x${encodeHex(commitment.merkleRoot)}`,
  sequence_start: Number(commitment.sequenceStart),
  sequence_end: Number(commitment.sequenceEnd),
  event_count: commitment.leafCount,
  committed_at: formatMicros(commitment.committedAtMicros),
  chain_tx_hash: commitment.chainTxHash === null ? null : `0x${encodeHex(commitment.chainTxHash)}`,
});

/** A legacy commitment as it is answered where it is made. */
export const legacyCommitmentJson = (commitment: LegacyCommitment) => ({
  batch_id: commitment.batchId,
  tenant_id: commitment.tenantId,
  store_id: commitment.storeId,
  prev_state_root: encodeHex(commitment.prevStateRoot),
  new_state_root: encodeHex(commitment.newStateRoot),
  events_root: encodeHex(commitment.eventsRoot),
  event_count: commitment.eventCount,
  sequence_start: Number(commitment.sequenceStart),
  sequence_end: Number(commitment.sequenceEnd),
  committed_at: formatMicros(commitment.committedAtMicros),
});

/** The same with all that is stored of it. */
export const storedLegacyCommitmentJson = (commitment: LegacyCommitment) => ({
  ...legacyCommitmentJson(commitment),
  sequence_range: [Number(commitment.sequenceStart), Number(commitment.sequenceEnd)],
  ves_head: Number(commitment.vesHead),
  legacy_head: Number(commitment.legacyHead),
  chain_tx_hash: hexOrNull(commitment.chainTxHash),
  is_anchored: commitment.chainTxHash !== null,
});

/** A proof of inclusion; the two kinds of commitments call their root differently. */
export const inclusionProofJson = (proof: InclusionProof, root: 'merkle_root' | 'events_root') => ({
  sequence_number: Number(proof.sequence),
  batch_id: proof.batchId,
  [root]: encodeHex(proof.root),
  leaf_hash: encodeHex(proof.leafHash),
  leaf_index: proof.leafIndex,
  proof_path: proof.path.map((hash) => encodeHex(hash)),
  directions: proof.directions,
});

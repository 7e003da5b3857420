import { encodeHex } from '../../engine/protocol/index.js';
import type { CertifiedLeaf } from '../transparency.js';

/** The group receipt of one event: what the group's checkpoint says, and the way from the event's leaf to its root. */
export const groupReceiptJson = ({ leafIndex, proof, checkpoint }: CertifiedLeaf) => ({
  checkpoint: checkpoint.note,
  tree_size: checkpoint.size,
  root_hash: encodeHex(checkpoint.root),
  leaf_index: leafIndex,
  leaf_hash: encodeHex(proof.leafHash),
  hashes: proof.hashes.map((hash) => encodeHex(hash)),
});

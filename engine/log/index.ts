/** Merkle log: pure, browser-safe. Sequence number of a stream = leaf index + 1. */
export { decodeBase64, encodeBase64 } from './base64.js';
export { type Checkpoint, formatCheckpoint, parseCheckpoint } from './checkpoint.js';
export {
  COSE_RECEIPT_BYTES_MAX,
  type ConsistencyEvidence,
  type CoseReceipt,
  consistencyReceipt,
  type InclusionEvidence,
  inclusionReceipt,
  parseCoseReceipt,
  type ReceiptSigner,
  verifyConsistencyReceipt,
  verifyInclusionReceipt,
  verifyReceiptSignature,
} from './cose-receipt.js';
export { cosign, cosignatureMessage, readCosignature, verifyCosignature } from './cosignature.js';
export {
  appendLeaf,
  decodeFrontier,
  emptyFrontier,
  encodeFrontier,
  type Frontier,
  frontierRoot,
} from './frontier.js';
export {
  type GroupPaths,
  type GroupTree,
  nodePlace,
  nodesKnown,
  type OpenGroupTree,
  openGroupTree,
} from './group-tree.js';
export { type HashList, pushHash } from './hash-list.js';
export { notaryEntry } from './notary-entry.js';
export {
  formatNote,
  NOTE_BYTES_MAX,
  NOTE_SIGNATURES_MAX,
  type NoteSignature,
  type Problem,
  parseNote,
  parseSignatureLine,
  signNote,
  type VerifiedNote,
  verifyNote,
} from './note.js';
export {
  emptyRoot,
  foldNodes,
  type NodeRef,
  type ProofPlan,
  planConsistency,
  planInclusion,
  planRoot,
  rootFromInclusion,
  verifyConsistency,
  verifyInclusion,
} from './proof.js';
export {
  formatTilePath,
  nodeInTile,
  parseTilePath,
  TILE_HEIGHT,
  TILE_WIDTH,
  type TileRef,
  tileOfNode,
  tileWidth,
} from './tiles.js';
export {
  formatTlogProof,
  PROOF_HASHES_MAX,
  parseTlogProof,
  TLOG_PROOF_BYTES_MAX,
  type TlogProof,
} from './tlog-proof.js';
export {
  createNodeHasher,
  HASH_BYTES,
  LEAF_PREFIX,
  leafHash,
  NODE_PREFIX,
  type NodeHasher,
  type Sha256Into,
} from './tree.js';
export {
  formatVerifierKey,
  isKeyName,
  NOTE_COSIGNATURE,
  NOTE_ED25519,
  noteKeyId,
  parseVerifierKey,
  type VerifierKey,
  verifierKey,
} from './verifier-key.js';

/** Merkle log: pure, browser-safe. Sequence number of a stream = leaf index + 1. */
export {
  appendLeaf,
  decodeFrontier,
  emptyFrontier,
  encodeFrontier,
  type Frontier,
  frontierRoot,
} from './frontier.js';
export {
  createNodeHasher,
  HASH_BYTES,
  LEAF_PREFIX,
  leafHash,
  NODE_PREFIX,
  type NodeHasher,
  type Sha256Into,
} from './tree.js';

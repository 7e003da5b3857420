/**
 * What the two trees of commitments have in common: a binary tree over any number of leaves, kept level by level, one packed
 * array per level. They differ only in how two nodes are hashed and in what becomes of a last node without a neighbour.
 */
import type { RowHasher } from './row-hashing.js';
import { portableSha256 } from './sha256.js';

/** Writes SHA-256(bytes) (32 bytes) into `target` at `offset`: large trees hash a node without allocating. */
export type HashInto = (bytes: Uint8Array, target: Uint8Array, offset: number) => void;

/** The portable implementation; servers pass their native one. */
export const portableHashInto: HashInto = (bytes, target, offset) => {
  target.set(portableSha256(bytes), offset);
};

/** Bytes of a node. */
const NODE_BYTES = 32;
/** Longest path of a proof: a tree of 2^64 leaves. */
export const MERKLE_PATH_MAX = 64;
/** Nodes that are hashed between two chances to pause. */
const NODES_PER_STEP = 256;

/** `levels[k]` holds ceil(leafCount / 2^k) nodes, 32 bytes each, side by side; the last level is the root alone. */
export interface MerkleLevels {
  readonly leafCount: number;
  readonly levels: readonly Uint8Array[];
}

/** How a level becomes the next one. Neither function is re-entrant. */
export interface LevelRule {
  /** The parents of pairs of nodes: rows of 64 bytes. */
  readonly pairs: RowHasher;
  /** The parent of the last node of level `level`, which has no right neighbour. */
  lone(level: number, nodes: Uint8Array, offset: number, target: Uint8Array, targetOffset: number): void;
}

/** A proof of inclusion: the hashes beside the way from a leaf to the root, bottom-up, and on which side each stands. */
export interface MerklePath {
  readonly path: readonly Uint8Array[];
  /** One per hash. What `true` means differs: see the two trees. */
  readonly directions: readonly boolean[];
}

/** The leaves of a tree, as many as fill `leaves` with 32 bytes each. Throws `RangeError` when they do not. */
export function countLeaves(leaves: Uint8Array): number {
  if (leaves.length % NODE_BYTES !== 0)
    throw new RangeError('leaves must be hashes of 32 bytes, side by side');
  return leaves.length / NODE_BYTES;
}

/** Builds all levels over packed leaf hashes, in steps: whoever drives it may let others work in between. */
export function* growLevels(leaves: Uint8Array, rule: LevelRule): Generator<void, MerkleLevels, void> {
  const leafCount = countLeaves(leaves);
  const levels = [leaves];
  let hashed = 0;
  for (let nodes = leaves, count = leafCount, level = 0; count > 1; level++) {
    const pairs = Math.floor(count / 2);
    const above = new Uint8Array(Math.ceil(count / 2) * NODE_BYTES);
    for (let done = 0; done < pairs; ) {
      const count = Math.min(pairs - done, NODES_PER_STEP - hashed);
      rule.pairs(nodes, done * 2 * NODE_BYTES, count, above, done * NODE_BYTES);
      done += count;
      hashed = (hashed + count) % NODES_PER_STEP;
      if (hashed === 0) yield;
    }
    if (count % 2 === 1) rule.lone(level, nodes, (count - 1) * NODE_BYTES, above, pairs * NODE_BYTES);
    levels.push(above);
    nodes = above;
    count = Math.ceil(count / 2);
  }
  return { leafCount, levels };
}

/** Drives a tree's growth to its end without a pause. */
export function finishTree(growth: Generator<void, MerkleLevels, void>): MerkleLevels {
  for (;;) {
    const step = growth.next();
    if (step.done === true) return step.value;
  }
}

/** A copy of node `index` of a level, or `undefined` when the level ends before it. */
export function nodeAt(tree: MerkleLevels, level: number, index: number): Uint8Array | undefined {
  const nodes = tree.levels[level]!;
  const offset = index * NODE_BYTES;
  // Not slice(): of a Buffer that would be a view.
  return offset < nodes.length ? new Uint8Array(nodes.subarray(offset, offset + NODE_BYTES)) : undefined;
}

/** The root, `Uint8Array(32)`; of the empty tree 32 zero bytes. */
export function treeRoot(tree: MerkleLevels): Uint8Array {
  return nodeAt(tree, tree.levels.length - 1, 0) ?? new Uint8Array(NODE_BYTES);
}

/** Throws `RangeError` unless the tree has a leaf of this index. */
export function requireLeaf(tree: MerkleLevels, leafIndex: number): void {
  if (!Number.isInteger(leafIndex) || leafIndex < 0 || leafIndex >= tree.leafCount)
    throw new RangeError(`leaf ${leafIndex} is not one of the ${tree.leafCount} leaves`);
}

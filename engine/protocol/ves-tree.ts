/**
 * The Merkle tree of VES v1.0 commitments.
 *
 *     leaf = SHA-256("VES_LEAF_V1" || tenant || store || U64 sequence number || event signing hash || agent signature)
 *     node = SHA-256("VES_NODE_V1" || left || right)
 *     pad  = SHA-256("VES_PAD_LEAF_V1")
 *
 * Leaves stand in the order of their numbers and are filled up with `pad` to the next power of two; one leaf alone is its own
 * root. The padding is never stored: a subtree of nothing but padding depends on its height only.
 */
import { concatBytes, copyBytes, equalBytes, writeU64 } from './bytes.js';
import { DOMAIN } from './domains.js';
import { VES_LEAF_BYTES, VES_LEAF_SEQUENCE_OFFSET } from './leaf.js';
import {
  finishTree,
  growLevels,
  type HashInto,
  type LevelRule,
  MERKLE_PATH_MAX,
  type MerkleLevels,
  type MerklePath,
  nodeAt,
  portableHashInto,
  requireLeaf,
} from './merkle-levels.js';
import { type RowHashing, rowHashingOf } from './row-hashing.js';
import { portableSha256, type Sha256 } from './sha256.js';

/** Signing hash and signature of an event, side by side: the end of its leaf entry. */
export const VES_LEAF_PROOF_BYTES = 96;

/** The leaf that fills a tree up, `Uint8Array(32)`. */
export function vesPadLeaf(sha256: Sha256 = portableSha256): Uint8Array {
  return sha256(DOMAIN.padLeaf);
}

/** The parent of two nodes, `Uint8Array(32)`. */
export function vesNode(left: Uint8Array, right: Uint8Array, sha256: Sha256 = portableSha256): Uint8Array {
  return sha256(concatBytes(DOMAIN.node, left, right));
}

/**
 * The preimages of the leaves of successive events of a stream, {@link VES_LEAF_BYTES} each, side by side.
 *
 * @param tenantStore tenant and store, `Uint8Array(32)`
 * @param proofs signing hash and signature of each event, {@link VES_LEAF_PROOF_BYTES} each, side by side
 */
export function vesLeafEntries(
  tenantStore: Uint8Array,
  firstSequence: number,
  proofs: Uint8Array,
): Uint8Array {
  const count = proofs.length / VES_LEAF_PROOF_BYTES;
  const head = concatBytes(DOMAIN.leaf, tenantStore);
  const entries = new Uint8Array(count * VES_LEAF_BYTES);
  for (let i = 0; i < count; i++) {
    const start = i * VES_LEAF_BYTES;
    copyBytes(head, 0, entries, start, head.length);
    const at = writeU64(entries, start + VES_LEAF_SEQUENCE_OFFSET, firstSequence + i);
    copyBytes(proofs, i * VES_LEAF_PROOF_BYTES, entries, at, VES_LEAF_PROOF_BYTES);
  }
  return entries;
}

/** Builds the tree over packed leaf hashes in steps; see {@link growLevels}. The levels hold no padding. */
export function growVesTree(
  leaves: Uint8Array,
  hash: HashInto = portableHashInto,
  hashing: RowHashing = rowHashingOf(hash),
): Generator<void, MerkleLevels, void> {
  return growLevels(leaves, vesRule(hash, hashing));
}

/** Builds the tree over packed leaf hashes at once. */
export const buildVesTree = (leaves: Uint8Array, hash: HashInto = portableHashInto): MerkleLevels =>
  finishTree(growVesTree(leaves, hash));

function vesRule(hash: HashInto, hashing: RowHashing): LevelRule {
  const preimage = concatBytes(DOMAIN.node, new Uint8Array(64));
  const left = DOMAIN.node.length;
  const padding = paddingOf(hash);
  return {
    pairs: hashing(DOMAIN.node, 64),
    lone(level, nodes, offset, target, targetOffset) {
      copyBytes(nodes, offset, preimage, left, 32);
      preimage.set(padding(level), left + 32);
      hash(preimage, target, targetOffset);
    },
  };
}

/** The root of 2^level padding leaves. */
function paddingOf(hash: HashInto): (level: number) => Uint8Array {
  const sha256: Sha256 = (bytes) => {
    const digest = new Uint8Array(32);
    hash(bytes, digest, 0);
    return digest;
  };
  const roots = [vesPadLeaf(sha256)];
  return (level) => {
    while (roots.length <= level) roots.push(vesNode(roots.at(-1)!, roots.at(-1)!, sha256));
    return roots[level]!;
  };
}

/** Levels above the leaves: log2 of {@link vesPaddedLeafCount}. */
export function vesTreeDepth(leafCount: number): number {
  let depth = 0;
  for (let width = 1; width < leafCount; width *= 2) depth++;
  return depth;
}

/** The next power of two. */
export const vesPaddedLeafCount = (leafCount: number): number => 2 ** vesTreeDepth(leafCount);

/**
 * The proof that a leaf is in the tree. `directions[i]` is true where the node is a left child, so that `path[i]` stands to
 * its right. Throws `RangeError` when there is no such leaf.
 */
export function proveVesInclusion(
  tree: MerkleLevels,
  leafIndex: number,
  hash: HashInto = portableHashInto,
): MerklePath {
  requireLeaf(tree, leafIndex);
  const padding = paddingOf(hash);
  const path: Uint8Array[] = [];
  const directions: boolean[] = [];
  for (
    let level = 0, index = leafIndex;
    level < tree.levels.length - 1;
    level++, index = Math.floor(index / 2)
  ) {
    const isLeft = index % 2 === 0;
    path.push(nodeAt(tree, level, isLeft ? index + 1 : index - 1) ?? padding(level).slice());
    directions.push(isLeft);
  }
  return { path, directions };
}

/**
 * Whether the path leads from the leaf to the root. The sides follow from the bits of `leafIndex`; an index that the path is
 * too short for is refused, and so is a path longer than {@link MERKLE_PATH_MAX}.
 */
export function verifyVesInclusion(
  leaf: Uint8Array,
  leafIndex: number,
  path: readonly Uint8Array[],
  root: Uint8Array,
  sha256: Sha256 = portableSha256,
): boolean {
  if (path.length > MERKLE_PATH_MAX || !Number.isSafeInteger(leafIndex) || leafIndex < 0) return false;
  let node = leaf;
  let index = leafIndex;
  for (const sibling of path) {
    node = index % 2 === 0 ? vesNode(node, sibling, sha256) : vesNode(sibling, node, sha256);
    index = Math.floor(index / 2);
  }
  return index === 0 && equalBytes(node, root);
}

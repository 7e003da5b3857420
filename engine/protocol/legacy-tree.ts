/**
 * The Merkle tree of legacy commitments.
 *
 *     leaf = SHA-256("STATESET_COMMITMENT_LEAF_V1" || tenant || store || U64 sequence number || payload hash ||
 *                    STR entity_type || STR entity_id)
 *     node = SHA-256(left || right)
 *
 * A last node without a neighbour is promoted: it becomes its own parent. A path has no hash for a level on which its node was
 * promoted, so it may be shorter than the tree is high.
 */
import { copyBytes, equalBytes, utf8Length, writeString, writeU64 } from './bytes.js';
import { DOMAIN } from './domains.js';
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

/** Bytes of a leaf's preimage besides the two strings: label 27, tenant and store 32, number 8, hash 32, prefixes 8. */
const LEGACY_LEAF_FIXED_BYTES = 107;

/** What a legacy leaf covers of an event. */
export type LegacyLeafFields = {
  /** Tenant and store, `Uint8Array(32)`. */
  readonly tenantStore: Uint8Array;
  readonly sequenceNumber: number | bigint;
  readonly payloadHash: Uint8Array;
  readonly entityType: string;
  readonly entityId: string;
};

/** Hashes an event's leaf into `target` at `offset`. */
export function legacyLeafInto(
  fields: LegacyLeafFields,
  target: Uint8Array,
  offset: number,
  hash: HashInto = portableHashInto,
): void {
  const { tenantStore, sequenceNumber, payloadHash, entityType, entityId } = fields;
  const preimage = new Uint8Array(LEGACY_LEAF_FIXED_BYTES + utf8Length(entityType) + utf8Length(entityId));
  let at = copyBytes(DOMAIN.legacyLeaf, 0, preimage, 0, DOMAIN.legacyLeaf.length);
  at = copyBytes(tenantStore, 0, preimage, at, 32);
  at = writeU64(preimage, at, sequenceNumber);
  at = copyBytes(payloadHash, 0, preimage, at, 32);
  at = writeString(preimage, at, entityType);
  writeString(preimage, at, entityId);
  hash(preimage, target, offset);
}

/** An event's leaf in a new `Uint8Array(32)`. */
export function legacyLeaf(fields: LegacyLeafFields, hash: HashInto = portableHashInto): Uint8Array {
  const leaf = new Uint8Array(32);
  legacyLeafInto(fields, leaf, 0, hash);
  return leaf;
}

/** Builds the tree over packed leaf hashes in steps; see {@link growLevels}. */
export function growLegacyTree(leaves: Uint8Array, hashing: RowHashing): Generator<void, MerkleLevels, void> {
  return growLevels(leaves, legacyRule(hashing));
}

/** Builds the tree over packed leaf hashes at once. */
export const buildLegacyTree = (leaves: Uint8Array, hash: HashInto = portableHashInto): MerkleLevels =>
  finishTree(growLegacyTree(leaves, rowHashingOf(hash)));

const legacyRule = (hashing: RowHashing): LevelRule => ({
  pairs: hashing(new Uint8Array(0), 64),
  lone: (_, nodes, offset, target, targetOffset) => {
    copyBytes(nodes, offset, target, targetOffset, 32);
  },
});

/**
 * The proof that a leaf is in the tree. `directions[i]` is true where `path[i]` stands to the left of the node: the opposite
 * of what it says in the VES tree. Throws `RangeError` when there is no such leaf.
 */
export function proveLegacyInclusion(tree: MerkleLevels, leafIndex: number): MerklePath {
  requireLeaf(tree, leafIndex);
  const path: Uint8Array[] = [];
  const directions: boolean[] = [];
  for (
    let level = 0, index = leafIndex;
    level < tree.levels.length - 1;
    level++, index = Math.floor(index / 2)
  ) {
    const isRight = index % 2 === 1;
    const sibling = nodeAt(tree, level, isRight ? index - 1 : index + 1);
    if (sibling === undefined) continue; // promoted
    path.push(sibling);
    directions.push(isRight);
  }
  return { path, directions };
}

/**
 * On which side each hash of a path stands (true: left of the node), found without knowing how many leaves the tree has;
 * `undefined` when no tree gives the leaf `leafIndex` a path of `length` hashes.
 *
 * The ancestors of a leaf are the last node of their level from some level t on: half of a last index is the last index above.
 * Below t a node has a neighbour on either side, so every level takes a hash, and the index bit tells the side. From t on an
 * odd node has a left neighbour and takes a hash, an even one is promoted and takes none. So length = t + popcount(index >> t).
 * Adding one to t adds 1 to the right-hand side where bit t is 0 and nothing where it is 1, so t exists if length is at least
 * popcount(index), and where several t fit, they differ in levels with bit 1 only, which take a left hash either way.
 */
export function legacyPathSides(leafIndex: number, length: number): boolean[] | undefined {
  if (!Number.isSafeInteger(leafIndex) || leafIndex < 0) return undefined;
  let rest = leafIndex;
  /** The length of the path, if all levels from the present one on promote even nodes. */
  let promoting = 0;
  for (let bits = leafIndex; bits > 0; bits = Math.floor(bits / 2)) promoting += bits % 2;
  if (length < promoting) return undefined;
  const sides: boolean[] = [];
  while (sides.length < length) {
    const isRight = rest % 2 === 1;
    if (isRight || promoting < length) sides.push(isRight);
    if (!isRight && promoting < length) promoting++;
    rest = Math.floor(rest / 2);
  }
  return sides;
}

/**
 * Whether the path leads from the leaf to the root. It shows that the leaf is in the tree; where it is follows only from the
 * number that the leaf itself covers, because trees of different sizes give different leaves paths of the same shape. A path
 * longer than {@link MERKLE_PATH_MAX} is refused.
 */
export function verifyLegacyInclusion(
  leaf: Uint8Array,
  leafIndex: number,
  path: readonly Uint8Array[],
  root: Uint8Array,
  sha256: Sha256 = portableSha256,
): boolean {
  const sides = path.length > MERKLE_PATH_MAX ? undefined : legacyPathSides(leafIndex, path.length);
  if (sides === undefined) return false;
  const pair = new Uint8Array(64);
  let node = leaf;
  for (const [i, sibling] of path.entries()) {
    copyBytes(sides[i] ? sibling : node, 0, pair, 0, 32);
    copyBytes(sides[i] ? node : sibling, 0, pair, 32, 32);
    node = sha256(pair);
  }
  return equalBytes(node, root);
}

/**
 * Inclusion and consistency proofs of an RFC 6962 / RFC 9162 Merkle log: which nodes a proof consists of (plans), and their
 * verification. The whole is one auditable unit: plans and verification walk the same way, {@link siblingsOf}.
 *
 * Tree sizes and leaf indexes are safe integers; every function takes O(log size) steps.
 */
import { equalBytes } from '../protocol/bytes.js';
import { HASH_BYTES, type NodeHasher } from './tree.js';

/** A perfect subtree: the one over the leaves `index·2^level` up to, but not including, `(index + 1)·2^level`. */
export interface NodeRef {
  readonly level: number;
  readonly index: number;
}

/**
 * What a proof is made of, in the order of the proof: for each of its hashes the perfect subtrees, left to right, that
 * {@link foldNodes} folds into it. Only the hash that covers the tree's right edge takes more than one.
 */
export type ProofPlan = readonly (readonly NodeRef[])[];

/** Root of the empty log: SHA-256 of the empty string (RFC 9162 section 2.1.1). */
const EMPTY_ROOT = Uint8Array.of(
  ...[0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24],
  ...[0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55],
);

/** The root of the empty log in a new `Uint8Array(32)`. */
export function emptyRoot(): Uint8Array {
  return copyOf(EMPTY_ROOT);
}

/** The perfect subtrees a tree consists of, left to right; folded they are its root. None for size 0. */
export function planRoot(size: number): readonly NodeRef[] {
  requireSize('size', size);
  return perfectSubtrees(0, size);
}

/**
 * The inclusion proof of a leaf in the tree of the given size (RFC 9162 section 2.1.3.1).
 *
 * @throws RangeError unless `leafIndex < size`
 */
export function planInclusion(leafIndex: number, size: number): ProofPlan {
  requireSize('size', size);
  requireSize('leafIndex', leafIndex);
  if (leafIndex >= size)
    throw new RangeError(`leafIndex must be below the size: ${leafIndex} is not below ${size}`);
  return siblingsOf({ level: 0, index: leafIndex }, size).map((sibling) => subtreesOf(sibling, size));
}

/**
 * The consistency proof between two sizes (RFC 9162 section 2.1.4.1). Empty when `from` is 0 or equal to `to`.
 *
 * @throws RangeError when `from > to`
 */
export function planConsistency(from: number, to: number): ProofPlan {
  requireSize('from', from);
  requireSize('to', to);
  if (from > to) throw new RangeError(`from must not be above to: ${from} is above ${to}`);
  if (from === 0 || from === to) return [];
  const last = lastPerfectSubtree(from);
  const way = siblingsOf(last, to).map((sibling) => subtreesOf(sibling, to));
  // A tree that is one perfect subtree is known to the verifier by its root.
  return last.index === 0 ? way : [[last], ...way];
}

/**
 * Folds the hashes of adjacent subtrees, given left to right, into the hash of all: from the right, as RFC 9162 section 2.1.1
 * splits.
 *
 * @throws RangeError when there are none
 */
export function foldNodes(nodes: readonly Uint8Array[], hashNode: NodeHasher): Uint8Array {
  const last = nodes.at(-1);
  if (last === undefined) throw new RangeError('there is nothing to fold');
  const hash = copyOf(last);
  for (let i = nodes.length - 2; i >= 0; i--) hashNode(nodes[i]!, 0, hash, 0, hash, 0);
  return hash;
}

/** The root a proof leads to (RFC 9162 section 2.1.3.2); undefined when the proof does not fit index and size. Never throws. */
export function rootFromInclusion(
  leafHash: Uint8Array,
  leafIndex: number,
  size: number,
  hashes: readonly Uint8Array[],
  hashNode: NodeHasher,
): Uint8Array | undefined {
  if (!isSize(leafIndex) || !isSize(size) || leafIndex >= size) return undefined;
  if (!isHash(leafHash) || !areHashes(hashes)) return undefined;
  const way = siblingsOf({ level: 0, index: leafIndex }, size);
  if (hashes.length !== way.length) return undefined;
  const root = copyOf(leafHash);
  way.forEach(({ left }, i) => {
    if (left) hashNode(hashes[i]!, 0, root, 0, root, 0);
    else hashNode(root, 0, hashes[i]!, 0, root, 0);
  });
  return root;
}

/** Whether the leaf stands at this index in the tree with this size and root (RFC 9162 section 2.1.3.2). Never throws. */
export function verifyInclusion(
  leafHash: Uint8Array,
  leafIndex: number,
  size: number,
  hashes: readonly Uint8Array[],
  root: Uint8Array,
  hashNode: NodeHasher,
): boolean {
  const derived = rootFromInclusion(leafHash, leafIndex, size, hashes, hashNode);
  return derived !== undefined && isHash(root) && equalBytes(derived, root);
}

/**
 * Whether the tree of size `to` begins with the tree of size `from` (RFC 9162 section 2.1.4.2). Every tree begins with the
 * empty one: from 0 the proof is empty and `fromRoot` the empty log's root. Never throws.
 */
export function verifyConsistency(
  from: number,
  fromRoot: Uint8Array,
  to: number,
  toRoot: Uint8Array,
  hashes: readonly Uint8Array[],
  hashNode: NodeHasher,
): boolean {
  if (!isSize(from) || !isSize(to) || from > to) return false;
  if (!isHash(fromRoot) || !isHash(toRoot) || !areHashes(hashes)) return false;
  if (from === 0 && !equalBytes(fromRoot, EMPTY_ROOT)) return false;
  if (from === to) return hashes.length === 0 && equalBytes(fromRoot, toRoot);
  if (from === 0) return hashes.length === 0;
  const last = lastPerfectSubtree(from);
  const way = siblingsOf(last, to);
  const seeded = last.index === 0 ? 0 : 1;
  if (hashes.length !== way.length + seeded) return false;
  const older = copyOf(seeded === 0 ? fromRoot : hashes[0]!);
  const newer = copyOf(older);
  way.forEach(({ left }, i) => {
    const sibling = hashes[i + seeded]!;
    // What lies to the left belongs to both trees, what lies to the right only to the newer one.
    if (left) {
      hashNode(sibling, 0, older, 0, older, 0);
      hashNode(sibling, 0, newer, 0, newer, 0);
    } else hashNode(newer, 0, sibling, 0, newer, 0);
  });
  return equalBytes(older, fromRoot) && equalBytes(newer, toRoot);
}

/** A node beside the way to the root; `left`: it goes to the left of what was folded so far. */
interface Sibling extends NodeRef {
  readonly left: boolean;
}

/** The siblings on the way from a perfect subtree to the root, bottom up. The last one of a level may be imperfect. */
function siblingsOf(node: NodeRef, size: number): Sibling[] {
  const siblings: Sibling[] = [];
  let { level, index } = node;
  // Index of the level's last node. A last node without a sibling moves up as it is.
  for (let last = Math.floor((size - 1) / 2 ** level); last > 0; last = Math.floor(last / 2)) {
    if (index % 2 === 1) siblings.push({ level, index: index - 1, left: true });
    else if (index < last) siblings.push({ level, index: index + 1, left: false });
    index = Math.floor(index / 2);
    level++;
  }
  return siblings;
}

/** The perfect subtrees of a node that ends where the tree ends, if not before. */
function subtreesOf({ level, index }: NodeRef, size: number): NodeRef[] {
  const leaves = 2 ** level;
  return perfectSubtrees(index * leaves, Math.min((index + 1) * leaves, size));
}

/** The perfect subtrees over the leaves `start` to `end` (exclusive), where no subtree of that many leaves crosses `start`. */
function perfectSubtrees(start: number, end: number): NodeRef[] {
  const subtrees: NodeRef[] = [];
  for (let at = start; at < end; ) {
    const level = floorLog2(end - at);
    const leaves = 2 ** level;
    subtrees.push({ level, index: at / leaves });
    at += leaves;
  }
  return subtrees;
}

/** The rightmost perfect subtree of a tree that is not empty; its index is 0 when it is the whole tree. */
function lastPerfectSubtree(size: number): NodeRef {
  let level = 0;
  let count = size;
  for (; count % 2 === 0; count /= 2) level++;
  return { level, index: count - 1 };
}

/** Exact where Math.log2 rounds: large values next to a power of two. */
function floorLog2(value: number): number {
  const high = Math.floor(value / 2 ** 32);
  return high > 0 ? 63 - Math.clz32(high) : 31 - Math.clz32(value);
}

/** A copy whatever it is: `slice` of Node's Buffer, which is a Uint8Array too, shares the bytes. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function requireSize(name: string, value: number): void {
  if (!isSize(value)) throw new RangeError(`${name} must be a whole number from 0 to 2^53 - 1: ${value}`);
}

function isHash(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === HASH_BYTES;
}

function areHashes(values: unknown): values is readonly Uint8Array[] {
  if (!Array.isArray(values)) return false;
  for (const value of values) if (!isHash(value)) return false; // unlike `every`, does not skip holes
  return true;
}

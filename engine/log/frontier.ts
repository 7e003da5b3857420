/**
 * The right edge of an RFC 6962 tree: the roots of the perfect subtrees that a log of `size` leaves decomposes into, one
 * per set bit of `size`. Enough to append a leaf and to compute the root, in O(log n) space (RFC 9162 section 2.1.2).
 */
import { type HashList, pushHash } from './hash-list.js';
import { HASH_BYTES, type NodeHasher, type Sha256Into } from './tree.js';

/** Levels kept: sequence numbers stay below 2^53. */
const LEVELS = 53;
/** Offset of the slot that holds the subtree being merged while a leaf is appended. */
const CARRY = LEVELS * HASH_BYTES;

/** `nodes` holds one 32-byte slot per level; the slot of level i is meaningful when bit i of `size` is set. */
export interface Frontier {
  size: number;
  readonly nodes: Uint8Array;
}

/** The frontier of the empty log. */
export function emptyFrontier(): Frontier {
  return { size: 0, nodes: new Uint8Array(CARRY + HASH_BYTES) };
}

/**
 * Appends the leaf hash at `leaf[offset..offset+32]`. Mutates the frontier. `completed` receives the leaf's hash and that of
 * every subtree it completes, smallest first (see group-tree.ts).
 */
export function appendLeaf(
  frontier: Frontier,
  leaf: Uint8Array,
  offset: number,
  hashNode: NodeHasher,
  completed?: HashList,
): void {
  const { nodes } = frontier;
  nodes.set(leaf.subarray(offset, offset + HASH_BYTES), CARRY);
  if (completed) pushHash(completed, nodes, CARRY);
  let slot = 0;
  for (let rest = frontier.size; rest % 2 === 1; rest = (rest - 1) / 2) {
    hashNode(nodes, slot, nodes, CARRY, nodes, CARRY);
    if (completed) pushHash(completed, nodes, CARRY);
    slot += HASH_BYTES;
  }
  nodes.copyWithin(slot, CARRY, CARRY + HASH_BYTES);
  frontier.size++;
}

/** The root of the tree (32 bytes); the empty log's root is SHA-256 of the empty string (RFC 6962 section 2.1). */
export function frontierRoot(frontier: Frontier, hashNode: NodeHasher, sha256: Sha256Into): Uint8Array {
  const root = new Uint8Array(HASH_BYTES);
  if (frontier.size === 0) {
    sha256(new Uint8Array(0), root, 0);
    return root;
  }
  let found = false;
  let level = 0;
  for (let rest = frontier.size; rest > 0; rest = Math.floor(rest / 2), level++) {
    if (rest % 2 === 0) continue;
    const slot = level * HASH_BYTES;
    if (found) hashNode(frontier.nodes, slot, root, 0, root, 0);
    else root.set(frontier.nodes.subarray(slot, slot + HASH_BYTES));
    found = true;
  }
  return root;
}

/** Stored form: the hashes of the perfect subtrees, largest first. Length = 32 × number of set bits of `size`. */
export function encodeFrontier(frontier: Frontier): Uint8Array {
  const slots: number[] = [];
  let level = 0;
  for (let rest = frontier.size; rest > 0; rest = Math.floor(rest / 2), level++)
    if (rest % 2 === 1) slots.unshift(level);
  const bytes = new Uint8Array(slots.length * HASH_BYTES);
  slots.forEach((slot, i) => {
    bytes.set(frontier.nodes.subarray(slot * HASH_BYTES, (slot + 1) * HASH_BYTES), i * HASH_BYTES);
  });
  return bytes;
}

/** Inverse of {@link encodeFrontier}; undefined when the length does not fit the size. */
export function decodeFrontier(size: number, bytes: Uint8Array): Frontier | undefined {
  const frontier = emptyFrontier();
  frontier.size = size;
  const slots: number[] = [];
  let level = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2), level++)
    if (rest % 2 === 1) slots.unshift(level);
  if (bytes.length !== slots.length * HASH_BYTES) return undefined;
  slots.forEach((slot, i) => {
    frontier.nodes.set(bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES), slot * HASH_BYTES);
  });
  return frontier;
}

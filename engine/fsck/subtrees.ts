/**
 * Merkle trees in pieces: a worker hashes the part of a tree that lies in its range of events down to a few perfect subtrees, the
 * coordinator puts the pieces of all ranges together. All trees here (RFC 6962, VES commitments, legacy commitments) have the same
 * perfect subtrees and differ in how a node is hashed and what is done at their right edge.
 */
import { type Frontier, HASH_BYTES, type NodeHasher, type Sha256Into } from '../log/index.js';
import type { RowHasher } from '../protocol/index.js';

/** Bytes of two nodes side by side: the rows that are hashed. */
export const PAIR_BYTES = 2 * HASH_BYTES;

/** The levels of a tree over some leaves: level i+1 has the parents of whole pairs of level i, nothing for a last one without a pair. */
export function buildLevels(leaves: Uint8Array, hashPairs: RowHasher): Uint8Array[] {
  const levels = [leaves];
  for (let below = leaves; below.length >= PAIR_BYTES; ) {
    const count = Math.floor(below.length / PAIR_BYTES);
    const above = new Uint8Array(count * HASH_BYTES);
    hashPairs(below, 0, count, above, 0);
    levels.push(above);
    below = above;
  }
  return levels;
}

/** The perfect subtrees that the first `size` leaves consist of, folded from the right (RFC 6962 section 2.1), into `target`. */
export function foldFirst(
  levels: readonly Uint8Array[],
  size: number,
  hashNode: NodeHasher,
  target: Uint8Array,
  offset: number,
): void {
  let found = false;
  for (let level = 0, rest = size; rest > 0; level++, rest >>>= 1) {
    if ((rest & 1) === 0) continue;
    const nodes = levels[level]!;
    const at = (rest - 1) * HASH_BYTES;
    if (found) hashNode(nodes, at, target, offset, target, offset);
    else for (let i = 0; i < HASH_BYTES; i++) target[offset + i] = nodes[at + i]!;
    found = true;
  }
}

/** Perfect subtrees next to each other: `levels[i]` is the height of the i-th, `hashes` has 32 bytes for each. */
export interface Pieces {
  readonly levels: Uint8Array;
  readonly hashes: Uint8Array;
}

/**
 * The fewest perfect subtrees over the leaves that stand at `first`, `first + 1`, … of a tree; each one begins at a multiple of its
 * size. `leaves` is used up.
 */
export function piecesOf(leaves: Uint8Array, first: number, hashPairs: RowHasher): Pieces {
  const heights: number[] = [];
  const kept: Uint8Array[] = [];
  let at = 0;
  let left = leaves.length / HASH_BYTES;
  for (let position = first; left > 0; ) {
    let level = 0;
    while (position % 2 ** (level + 1) === 0 && 2 ** (level + 1) <= left) level++;
    const width = 2 ** level;
    for (let count = width; count > 1; count /= 2) hashPairs(leaves, at, count / 2, leaves, at);
    heights.push(level);
    kept.push(leaves.slice(at, at + HASH_BYTES));
    at += width * HASH_BYTES;
    position += width;
    left -= width;
  }
  const hashes = new Uint8Array(kept.length * HASH_BYTES);
  kept.forEach((hash, i) => {
    hashes.set(hash, i * HASH_BYTES);
  });
  return { levels: Uint8Array.from(heights), hashes };
}

/** Appends pieces whose first leaf is the frontier's next one. */
export function appendPieces(frontier: Frontier, { levels, hashes }: Pieces, hashNode: NodeHasher): void {
  const carry = new Uint8Array(HASH_BYTES);
  levels.forEach((height, i) => {
    let level = height;
    carry.set(hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES));
    for (let rest = Math.floor(frontier.size / 2 ** level); rest % 2 === 1; rest = (rest - 1) / 2, level++)
      hashNode(frontier.nodes, level * HASH_BYTES, carry, 0, carry, 0);
    frontier.nodes.set(carry, level * HASH_BYTES);
    frontier.size += 2 ** height;
  });
}

/** The root of a tree that begins with the frontier's leaves and ends with leaves whose own fold is `tail`, into `tail`. */
export function foldOnto(frontier: Frontier, tail: Uint8Array, offset: number, hashNode: NodeHasher): void {
  for (let level = 0, rest = frontier.size; rest > 0; level++, rest = Math.floor(rest / 2))
    if (rest % 2 === 1) hashNode(frontier.nodes, level * HASH_BYTES, tail, offset, tail, offset);
}

/** The root of a frontier whose tree is filled up with padding to a power of two. `padding(level)`: root of 2^level padding leaves. */
export function paddedRoot(
  frontier: Frontier,
  padding: (level: number) => Uint8Array,
  hashNode: NodeHasher,
): Uint8Array {
  let root: Uint8Array | undefined;
  let level = 0;
  for (let rest = frontier.size; rest > 0; level++, rest = Math.floor(rest / 2)) {
    const slot = level * HASH_BYTES;
    if (root === undefined) {
      if (rest % 2 === 0) continue;
      root = frontier.nodes.slice(slot, slot + HASH_BYTES);
      if (rest > 1) hashNode(root, 0, padding(level), 0, root, 0);
    } else if (rest % 2 === 1) hashNode(frontier.nodes, slot, root, 0, root, 0);
    else hashNode(root, 0, padding(level), 0, root, 0);
  }
  if (root === undefined) throw new RangeError('there is nothing to fold');
  return root;
}

/** Hashes nodes as SHA-256(prefix ‖ left ‖ right). Not re-entrant. */
export function createPrefixedNodeHasher(sha256: Sha256Into, prefix: Uint8Array): NodeHasher {
  const preimage = Buffer.alloc(prefix.length + 2 * HASH_BYTES);
  preimage.set(prefix);
  const left = prefix.length;
  const right = left + HASH_BYTES;
  return (a, aOffset, b, bOffset, target, offset) => {
    for (let i = 0; i < HASH_BYTES; i++) {
      preimage[left + i] = a[aOffset + i]!;
      preimage[right + i] = b[bOffset + i]!;
    }
    sha256(preimage, target, offset);
  };
}

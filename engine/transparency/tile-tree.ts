/** A full tile together with all nodes above its hashes, so that each of them is hashed once however many proofs need it. */
import { HASH_BYTES, TILE_WIDTH } from '../log/index.js';
import type { RowHasher } from '../protocol/index.js';
import type { TileKey } from './log-source.js';

/** Nodes in a tile: 256 hashes, 128 nodes above them, ... and the root. */
const NODES = 2 * TILE_WIDTH - 1;
export const TILE_TREE_BYTES = NODES * HASH_BYTES;

export interface TileTree extends TileKey {
  /** Level by level, from the tile's hashes to its root. */
  readonly nodes: Uint8Array;
}

/** Leaves of the log under a full tile. */
export const leavesUnder = (level: number): number => TILE_WIDTH ** (level + 1);

/** @param hashes the tile's 256 hashes, 8192 bytes */
export function growTile({ level, index }: TileKey, hashes: Uint8Array, hashPairs: RowHasher): TileTree {
  const nodes = new Uint8Array(TILE_TREE_BYTES);
  nodes.set(hashes);
  for (let child = 0, width = TILE_WIDTH; width > 1; child += width, width /= 2)
    hashPairs(nodes, child * HASH_BYTES, width / 2, nodes, (child + width) * HASH_BYTES);
  return { level, index, nodes };
}

/** The first `width` hashes of the tile, in an array of their own. */
export function tileHashes({ nodes }: TileTree, width = TILE_WIDTH): Uint8Array {
  return nodes.slice(0, width * HASH_BYTES);
}

/** The root of the `count` hashes (a power of two) from position `from`, which is a multiple of `count`. */
export function nodeOfTile({ nodes }: TileTree, from: number, count: number): Uint8Array {
  const levelStart = 2 * TILE_WIDTH - (2 * TILE_WIDTH) / count;
  const at = (levelStart + from / count) * HASH_BYTES;
  return nodes.slice(at, at + HASH_BYTES);
}

/** The tile's root, which is its hash in the tile above. */
export function tileRoot(tree: TileTree): Uint8Array {
  return nodeOfTile(tree, 0, TILE_WIDTH);
}

/** Stored tiles: those of level 0 against a range's leaves; those above are handed on, because they span several ranges. */
import { HASH_BYTES, type NodeHasher, nodeInTile, TILE_WIDTH } from '../log/index.js';
import { type Fault, type FindingList, findingOf, type StreamId } from './finding.js';
import type { UpperTile } from './task.js';

/** Highest level that the tables hold. */
const LEVEL_MAX = 6;
const TILE_BYTES = TILE_WIDTH * HASH_BYTES;

/** Leaves under a tile. */
export const tileLeaves = (level: number): number => TILE_WIDTH ** (level + 1);

/** A condition for the tiles whose last leaf is one of leaves `before + 1 … size` (counted from 1). */
export const tilesEndingIn = (before: string, size: string): string =>
  Array.from({ length: LEVEL_MAX + 1 }, (_, level) => {
    const leaves = `${tileLeaves(level)}::bigint`;
    return `(level = ${level} and tile_index between (${before}) / ${leaves} and (${size}) / ${leaves} - 1)`;
  }).join(' or ');

/** A tile as stored. */
export interface StoredTile extends UpperTile {
  /** Of the tile's last leaf, counted from 1. */
  readonly end: number;
}

/**
 * What is wrong with a tile, compared with the nodes it should hold; undefined when nothing is, or when `isSuspect` says of every
 * differing hash that it had to be expected.
 *
 * @param nodes the 256 hashes the tile should hold
 * @param root their root
 */
export function tileFault(
  tile: Pick<UpperTile, 'root' | 'hashes'>,
  nodes: Uint8Array,
  root: Uint8Array,
  isSuspect: (position: number) => boolean,
  hashNode: NodeHasher,
): Fault | undefined {
  if (tile.hashes.length !== TILE_BYTES)
    return { check: 'tile', column: 'hashes', message: `the tile has ${tile.hashes.length} bytes` };
  let differs = false;
  for (let position = 0; position < TILE_WIDTH; position++) {
    if (sameHash(tile.hashes, nodes, position * HASH_BYTES)) continue;
    differs = true;
    if (isSuspect(position)) continue;
    const message = `hash ${position} of the tile is not that of the log`;
    return { check: 'tile', column: 'hashes', message };
  }
  const expected = differs ? nodeInTile(tile.hashes, 0, TILE_WIDTH, hashNode) : root;
  if (Buffer.compare(tile.root, expected) === 0) return undefined;
  return { check: 'tile', column: 'root_hash', message: "root_hash is not the root of the tile's hashes" };
}

function sameHash(a: Uint8Array, b: Uint8Array, at: number): boolean {
  for (let i = at; i < at + HASH_BYTES; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Reports a tile. */
export function addTileFinding(
  findings: FindingList,
  table: string,
  stream: StreamId | null,
  tile: Pick<StoredTile, 'level' | 'index' | 'end'>,
  fault: Fault,
): void {
  const row = `level ${tile.level}, tile_index ${tile.index}`;
  findings.add(findingOf({ table, stream, row, position: tile.end }, [fault]));
}

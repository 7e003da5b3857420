/**
 * Tiles of a Merkle log (c2sp.org/tlog-tiles): a tile holds up to 256 adjacent hashes of every eighth level of the tree. Tile
 * `index` of tile level `level` holds the roots of the perfect subtrees of `256^level` leaves, from the `256·index`-th on.
 */
import type { NodeRef } from './proof.js';
import { HASH_BYTES, type NodeHasher } from './tree.js';

/** Levels of the tree between two levels of tiles. */
export const TILE_HEIGHT = 8;
/** Hashes in a full tile. */
export const TILE_WIDTH = 256;
/** Highest level a path may name. */
const TILE_LEVEL_MAX = 63;

/** A tile; `width` 256 is a full one, 1 to 255 a partial one. */
export interface TileRef {
  readonly level: number;
  readonly index: number;
  readonly width: number;
}

/** Where a node's hash comes from: it is the root of the `count` hashes (a power of two) from position `from` of this tile. */
export function tileOfNode(node: NodeRef): { level: number; index: number; from: number; count: number } {
  const level = Math.floor(node.level / TILE_HEIGHT);
  const count = 2 ** (node.level % TILE_HEIGHT);
  const nodesPerTile = TILE_WIDTH / count;
  return {
    level,
    index: Math.floor(node.index / nodesPerTile),
    from: (node.index % nodesPerTile) * count,
    count,
  };
}

/**
 * The root of `count` hashes of a tile from position `from`, in a new `Uint8Array(32)`. Hashes `count - 1` times.
 *
 * @param hashes the tile, 32 bytes a hash
 * @throws RangeError when the tile does not hold them or `count` is no power of two
 */
export function nodeInTile(
  hashes: Uint8Array,
  from: number,
  count: number,
  hashNode: NodeHasher,
): Uint8Array {
  const end = (from + count) * HASH_BYTES;
  if (!(from >= 0 && count >= 1 && end <= hashes.length && Number.isInteger(Math.log2(count))))
    throw new RangeError(`no node of ${count} hashes at ${from} in a tile of ${hashes.length / HASH_BYTES}`);
  // Copied by the constructor: `slice` of Node's Buffer, which is a Uint8Array too, shares the bytes.
  const nodes = new Uint8Array(hashes.subarray(from * HASH_BYTES, end));
  for (let left = count; left > 1; left /= 2)
    for (let i = 0; i < left; i += 2)
      hashNode(nodes, i * HASH_BYTES, nodes, (i + 1) * HASH_BYTES, nodes, (i / 2) * HASH_BYTES);
  return nodes.slice(0, HASH_BYTES);
}

/** Hashes in a tile of the tree with this size: 0 (there is no such tile) to 256 (it is full). */
export function tileWidth(level: number, index: number, size: number): number {
  const nodes = Math.floor(size / TILE_WIDTH ** level);
  return Math.min(Math.max(nodes - index * TILE_WIDTH, 0), TILE_WIDTH);
}

/**
 * The path of a tile or entry bundle below the log's prefix, for example `tile/0/x001/067.p/12`.
 *
 * @throws RangeError when there is no such tile
 */
export function formatTilePath(level: number | 'entries', index: number, width: number): string {
  if (!isLevel(level) || !isWithin(index, 0, Number.MAX_SAFE_INTEGER) || !isWithin(width, 1, TILE_WIDTH))
    throw new RangeError(`no tile has level ${level}, index ${index} and width ${width}`);
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g)!;
  const last = groups.pop()!;
  const place = [...groups.map((group) => `x${group}`), last].join('/');
  return `tile/${level}/${place}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

const TILE_PATH = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** The tile a path names; undefined unless the path is exactly what {@link formatTilePath} writes. */
export function parseTilePath(
  path: string,
): { level: number | 'entries'; index: number; width: number } | undefined {
  const [, levelText, place, widthText] = TILE_PATH.exec(path) ?? [];
  if (levelText === undefined || place === undefined || place.startsWith('x000')) return undefined;
  const level = levelText === 'entries' ? levelText : Number(levelText);
  const index = Number(place.replaceAll(/[x/]/g, ''));
  if (!isLevel(level) || !Number.isSafeInteger(index)) return undefined;
  if (widthText === undefined) return { level, index, width: TILE_WIDTH };
  const width = Number(widthText);
  return width < TILE_WIDTH ? { level, index, width } : undefined;
}

const isWithin = (value: number, min: number, max: number) =>
  Number.isSafeInteger(value) && value >= min && value <= max;

const isLevel = (level: number | 'entries') => level === 'entries' || isWithin(level, 0, TILE_LEVEL_MAX);

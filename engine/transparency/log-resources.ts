/** Tiles and entry bundles of a stored log as c2sp.org/tlog-tiles serves them. Those that do not exist are undefined. */
import { TILE_WIDTH, tileWidth } from '../log/index.js';
import type { LogSource } from './log-source.js';
import type { NodeReader } from './node-reader.js';
import { tileHashes } from './tile-tree.js';

/** Highest level at which a log of 2^53 entries has a tile. */
const LEVEL_MAX = 6;

/** `width` hashes of a tile, 32 bytes each. */
export async function readTile(
  reader: NodeReader,
  source: LogSource,
  level: number,
  index: number,
  width: number,
): Promise<Uint8Array | undefined> {
  if (!isWithin(level, 0, LEVEL_MAX) || !isPlace(index, width)) return undefined;
  const stored = await reader.storedTile(source, { level, index });
  if (stored) return tileHashes(stored, width);
  const { size } = await source.state([]);
  if (width > tileWidth(level, index, size)) return undefined;
  if (width === TILE_WIDTH) {
    const [tile] = await reader.deriveTiles(source, [{ level, index }]);
    return tileHashes(tile!);
  }
  const from = index * TILE_WIDTH;
  const [hashes] = await reader.hashes(source, [{ level, from, to: from + width }]);
  return hashes;
}

/** `width` entries from the `256·index`-th on, each with its length in front (u16, big-endian). */
export async function readEntryBundle(
  source: LogSource,
  index: number,
  width: number,
): Promise<Uint8Array | undefined> {
  if (!isPlace(index, width)) return undefined;
  const { size } = await source.state([]);
  if (width > tileWidth(0, index, size)) return undefined;
  const from = index * TILE_WIDTH;
  const [entries] = await source.entries([{ from, to: from + width }]);
  const bundle = new Uint8Array(entries!.reduce((length, entry) => length + 2 + entry.length, 0));
  let at = 0;
  for (const entry of entries!) {
    bundle[at] = entry.length >>> 8;
    bundle[at + 1] = entry.length;
    bundle.set(entry, at + 2);
    at += 2 + entry.length;
  }
  return bundle;
}

const isWithin = (value: number, min: number, max: number) =>
  Number.isSafeInteger(value) && value >= min && value <= max;

const isPlace = (index: number, width: number) =>
  isWithin(index, 0, Math.floor(Number.MAX_SAFE_INTEGER / TILE_WIDTH)) && isWithin(width, 1, TILE_WIDTH);

/** From a range's leaves to what the coordinator needs of it; checks the tiles that lie in the range. */
import { createNodeHasher, HASH_BYTES, NODE_PREFIX, TILE_HEIGHT, TILE_WIDTH } from '../log/index.js';
import type { ClaimList } from './claims.js';
import type { FsckCrypto } from './crypto.js';
import type { FindingList, StreamId } from './finding.js';
import { buildLevels, PAIR_BYTES, type Pieces } from './subtrees.js';
import type { LogPart } from './task.js';
import { addTileFinding, type StoredTile, tileFault } from './tiles.js';

/** Leaves of a range that begins at a multiple of the chunk size. */
export interface LeafRange {
  readonly stream: StreamId | null;
  /** Leaves of the log before the range. */
  readonly before: number;
  /** Leaf hashes, 32 bytes each. */
  readonly leaves: Uint8Array;
  /** Whether the leaf at a place is missing or not to be trusted. */
  isSuspect(place: number): boolean;
  readonly claims: ClaimList;
  /** Tiles that end in the range. */
  readonly tiles: readonly StoredTile[];
}

export type TreePart = Pick<LogPart, 'suspects' | 'pieces' | 'tileRoots' | 'claims' | 'upperTiles'>;

/** Makes the function. @param tileTable for findings */
export function createLogPartMaker(
  { sha256, hashing }: Pick<FsckCrypto, 'sha256' | 'hashing'>,
  tileTable: string,
): (range: LeafRange, findings: FindingList) => TreePart {
  const hashNode = createNodeHasher(sha256);
  const hashPairs = hashing(Uint8Array.of(NODE_PREFIX), PAIR_BYTES);
  return (range, findings) => {
    const { before, leaves, isSuspect } = range;
    const count = leaves.length / HASH_BYTES;
    const levels = buildLevels(leaves, hashPairs);
    const suspects: number[] = [];
    for (let place = 0; place < count; place++) if (isSuspect(place)) suspects.push(before + place + 1);
    const tileRoots = levels[TILE_HEIGHT]?.slice() ?? new Uint8Array(0);
    for (const tile of range.tiles) {
      if (tile.level > 0) continue;
      const place = tile.index * TILE_WIDTH - before;
      const at = place * HASH_BYTES;
      const nodes = leaves.subarray(at, at + TILE_WIDTH * HASH_BYTES);
      const rootAt = (place / TILE_WIDTH) * HASH_BYTES;
      const root = tileRoots.subarray(rootAt, rootAt + HASH_BYTES);
      const fault = tileFault(tile, nodes, root, (position) => isSuspect(place + position), hashNode);
      if (fault) addTileFinding(findings, tileTable, range.stream, tile, fault);
    }
    return {
      suspects,
      pieces: peaksOf(levels, count),
      tileRoots,
      claims: range.claims.finish(levels, before, hashNode),
      upperTiles: range.tiles.filter(({ level }) => level > 0),
    };
  };
}

/** The perfect subtrees that the leaves consist of, largest first. */
function peaksOf(levels: readonly Uint8Array[], count: number): Pieces {
  const heights: number[] = [];
  for (let level = 0; 2 ** level <= count; level++)
    if (Math.floor(count / 2 ** level) % 2 === 1) heights.unshift(level);
  const hashes = new Uint8Array(heights.length * HASH_BYTES);
  heights.forEach((level, i) => {
    const at = (Math.floor(count / 2 ** level) - 1) * HASH_BYTES;
    hashes.set(levels[level]!.subarray(at, at + HASH_BYTES), i * HASH_BYTES);
  });
  return { levels: Uint8Array.from(heights), hashes };
}

/**
 * Integration: writing full tiles that are not stored yet, from the lowest level up. Nothing depends on it but speed, so it may be
 * done by several processes at once and stop at any point; what is there stays as it is, what is missing is found again.
 */
import { LRUCache } from 'lru-cache';
import { TILE_WIDTH } from '../log/index.js';
import type { LogProofs } from './log-proofs.js';
import type { FullTile, LogSource } from './log-source.js';
import type { NodeReader } from './node-reader.js';

/** Tiles written with one statement. */
const TILES_PER_WRITE = 16;
/** Logs whose progress is remembered. */
const LOGS_MAX = 10_000;

export interface Tiler {
  /** Writes at most `tilesMax` tiles; `done`: all full tiles of the log's present size are stored. */
  integrate(source: LogSource, tilesMax: number): Promise<{ written: number; done: boolean }>;
}

export function createTiler(reader: NodeReader, proofs: LogProofs): Tiler {
  // Per log, how many tiles of each level are known to be stored without a hole. Only saves looking from the beginning.
  const progress = new LRUCache<string, number[]>({ max: LOGS_MAX });

  async function integrate(source: LogSource, tilesMax: number) {
    const { size } = await source.state([]);
    const stored = progress.get(source.name) ?? [];
    progress.set(source.name, stored);
    let written = 0;
    let budget = tilesMax;
    for (let level = 0; fullTiles(level, size) > 0; level++) {
      const full = fullTiles(level, size);
      while ((stored[level] ?? 0) < full) {
        const limit = Math.min(TILES_PER_WRITE, Math.max(budget, 1));
        const missing = await source.tiles.missing(level, stored[level] ?? 0, full, limit);
        stored[level] = missing[0] ?? full;
        if (missing.length === 0) break;
        if (budget <= 0) return { written, done: false };
        written += await write(source, level, missing);
        budget -= missing.length;
      }
    }
    return { written, done: true };
  }

  async function write(source: LogSource, level: number, indexes: readonly number[]): Promise<number> {
    const tiles: FullTile[] = [];
    for (const index of indexes) tiles.push(await reader.deriveTile(source, { level, index }));
    // A stored tile can never be corrected, so the tree that ends with it must lead to the recorded roots.
    await proofs.check(source, leavesBelow(level) * (indexes.at(-1)! + 1));
    return source.tiles.insert(tiles);
  }

  return { integrate };
}

/** Leaves under a full tile. */
const leavesBelow = (level: number) => TILE_WIDTH ** (level + 1);

const fullTiles = (level: number, size: number) => Math.floor(size / leavesBelow(level));

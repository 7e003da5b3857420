/**
 * Integration: writing full tiles that are not stored yet, from the lowest level up. Nothing depends on it but speed, so it may be
 * done by several processes at once and stop at any point; what is there stays as it is, what is missing is found again.
 */
import { LRUCache } from 'lru-cache';
import type { LogProofs } from './log-proofs.js';
import type { LogSource } from './log-source.js';
import type { NodeReader } from './node-reader.js';
import { leavesUnder, tileHashes, tileRoot } from './tile-tree.js';

/** Tiles written with one statement. */
const TILES_PER_WRITE = 16;
/** Tiles among which those that are missing are looked for at once. */
const TILES_PER_LOOK = 4096;
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
      for (let from = stored[level] ?? 0; from < full; from = stored[level]!) {
        const limit = Math.min(TILES_PER_WRITE, Math.max(budget, 1));
        const to = Math.min(full, from + TILES_PER_LOOK);
        const missing = await source.tiles.missing(level, from, to, limit);
        stored[level] = missing[0] ?? to;
        if (missing.length === 0) continue;
        if (budget <= 0) return { written, done: false };
        written += await write(source, level, missing);
        budget -= missing.length;
      }
    }
    return { written, done: true };
  }

  async function write(source: LogSource, level: number, indexes: readonly number[]): Promise<number> {
    const keys = indexes.map((index) => ({ level, index }));
    const tiles = await reader.deriveTiles(source, keys);
    // A stored tile can never be corrected: it must belong to what the log's writer recorded.
    await proofs.checkTiles(source, tiles);
    const rows = tiles.map((tile) => ({
      level,
      index: tile.index,
      root: tileRoot(tile),
      hashes: tileHashes(tile),
    }));
    return source.tiles.insert(rows);
  }

  return { integrate };
}

const fullTiles = (level: number, size: number) => Math.floor(size / leavesUnder(level));

import { LRUCache } from 'lru-cache';
import type { FullTile } from './log-source.js';

/** Memory for tiles, roughly: each takes 8 KiB and some bookkeeping. */
const CACHE_BYTES_MAX = 32 * 1024 * 1024;
const TILE_BYTES = 8 * 1024 + 384;

/** Full tiles of all logs that were read lately. They never change. */
export interface TileCache {
  get(log: string, level: number, index: number): FullTile | undefined;
  put(log: string, tile: FullTile): void;
  /** Drops all tiles of a log, after one of them turned out to be wrong. */
  forget(log: string): void;
}

export function createTileCache(): TileCache {
  const tiles = new LRUCache<string, FullTile>({ max: Math.floor(CACHE_BYTES_MAX / TILE_BYTES) });
  const keyOf = (log: string, level: number, index: number) => `${log}:${level}/${index}`;
  return {
    get: (log, level, index) => tiles.get(keyOf(log, level, index)),
    put(log, tile) {
      tiles.set(keyOf(log, tile.level, tile.index), tile);
    },
    forget(log) {
      for (const key of tiles.keys()) if (key.startsWith(`${log}:`)) tiles.delete(key);
    },
  };
}

import { LRUCache } from 'lru-cache';
import { TILE_TREE_BYTES, type TileTree } from './tile-tree.js';

/** Memory for tiles. */
const CACHE_BYTES_MAX = 32 * 1024 * 1024;
/** A tile with its key and the bookkeeping, roughly. */
const TILE_BYTES = TILE_TREE_BYTES + 384;

/** Full tiles of all logs that were read lately. They never change. */
export interface TileCache {
  get(log: string, level: number, index: number): TileTree | undefined;
  put(log: string, tile: TileTree): void;
  /** Drops all tiles of a log, after one of them turned out to be wrong. */
  forget(log: string): void;
}

export function createTileCache(): TileCache {
  const tiles = new LRUCache<string, TileTree>({
    maxSize: CACHE_BYTES_MAX,
    sizeCalculation: () => TILE_BYTES,
  });
  const keyOf = (log: string, level: number, index: number) => `${log}:${level}/${index}`;
  return {
    get: (log, level, index) => tiles.get(keyOf(log, level, index)),
    put(log, tile) {
      tiles.set(keyOf(log, tile.level, tile.index), tile);
    },
    forget(log) {
      for (const key of [...tiles.keys()]) if (key.startsWith(`${log}:`)) tiles.delete(key);
    },
  };
}

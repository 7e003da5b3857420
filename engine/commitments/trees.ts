import { LRUCache } from 'lru-cache';
import { ServiceError } from '../errors/index.js';
import type { MerkleLevels } from '../protocol/index.js';

/** Bytes of trees that are kept, so that many proofs of one commitment cost one tree. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024;
/** Trees that are built at the same time; each may take 64 MB. */
const BUILDING_MAX = 2;
/** Builds that wait for their turn (L8). */
const WAITING_MAX = 256;

/** The trees of commitments: built within bounds, the latest ones kept. */
export interface Trees {
  /**
   * Builds a tree when it is its turn.
   *
   * @throws ServiceError OVERLOADED
   */
  build(work: () => Promise<MerkleLevels>): Promise<MerkleLevels>;
  /** The kept tree of a commitment, or the one that `work` builds; callers who ask at the same time share it. */
  get(batchId: string, work: () => Promise<MerkleLevels>): Promise<MerkleLevels>;
  keep(batchId: string, tree: MerkleLevels): void;
}

export function createTrees(): Trees {
  const kept = new LRUCache<string, MerkleLevels>({ maxSize: KEPT_BYTES_MAX, sizeCalculation: bytesOf });
  const underWay = new Map<string, Promise<MerkleLevels>>();
  const waiting: (() => void)[] = [];
  let building = 0;

  async function build(work: () => Promise<MerkleLevels>): Promise<MerkleLevels> {
    if (building === BUILDING_MAX) {
      if (waiting.length === WAITING_MAX)
        throw new ServiceError('OVERLOADED', 'Too many commitments and proofs are being computed');
      await new Promise<void>((resolve) => waiting.push(resolve)); // takes over the turn of one that ends
    } else building++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else building--;
    }
  }

  return {
    build,
    get(batchId, work) {
      const tree = kept.get(batchId);
      if (tree !== undefined) return Promise.resolve(tree);
      let promise = underWay.get(batchId);
      if (promise === undefined) {
        promise = build(work).finally(() => underWay.delete(batchId));
        promise.then(
          (built) => kept.set(batchId, built),
          () => {},
        );
        underWay.set(batchId, promise);
      }
      return promise;
    },
    keep: (batchId, tree) => void kept.set(batchId, tree),
  };
}

/** At least 1: the cache takes no entry of size 0. */
const bytesOf = (tree: MerkleLevels): number => tree.levels.reduce((sum, level) => sum + level.length, 1);

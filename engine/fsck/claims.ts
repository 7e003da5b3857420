import type { NodeHasher } from '../log/index.js';
import { HASH_BYTES } from '../log/index.js';
import { foldFirst } from './subtrees.js';
import type { Claims } from './task.js';

/** Gathers the roots that are recorded at sizes of a range. */
export interface ClaimList {
  add(size: number, source: number, root: Uint8Array): void;
  /** Sorts them and folds the range's leaves up to each size. `before`: leaves of the log before the range. */
  finish(levels: readonly Uint8Array[], before: number, hashNode: NodeHasher): Claims;
}

export function createClaimList(): ClaimList {
  const list: { size: number; source: number; root: Uint8Array }[] = [];
  return {
    add: (size, source, root) => void list.push({ size, source, root }),
    finish(levels, before, hashNode) {
      list.sort((a, b) => a.size - b.size || a.source - b.source);
      const claims: Claims = {
        sizes: new Float64Array(list.length),
        sources: new Uint8Array(list.length),
        folds: new Uint8Array(list.length * HASH_BYTES),
        roots: new Uint8Array(list.length * HASH_BYTES),
      };
      list.forEach(({ size, source, root }, i) => {
        const offset = i * HASH_BYTES;
        claims.sizes[i] = size;
        claims.sources[i] = source;
        claims.roots.set(root, offset);
        foldFirst(levels, size - before, hashNode, claims.folds, offset);
      });
      return claims;
    },
  };
}

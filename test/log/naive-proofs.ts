import { sha256 } from './naive-tree.js';

/** MTH(D[start:end]). */
export type RangeRoot = (start: number, end: number) => Buffer;

/** MTH of any range of the leaves by the recursive definition, each range hashed once. */
export function rangeRoots(leaves: readonly Uint8Array[]): RangeRoot {
  const known = new Map<number, Buffer>();
  const mth: RangeRoot = (start, end) => {
    if (start === end) return sha256();
    if (end - start === 1) return Buffer.from(leaves[start]!);
    const key = start * 2 ** 20 + end;
    let root = known.get(key);
    if (!root) {
      const split = start + largestPowerBelow(end - start);
      root = sha256(Buffer.of(0x01), mth(start, split), mth(split, end));
      known.set(key, root);
    }
    return root;
  };
  return mth;
}

/** PATH(m, D[start:end]), word for word from RFC 9162 section 2.1.3.1; `index` counts from `start`. */
export function naiveInclusion(index: number, start: number, end: number, mth: RangeRoot): Buffer[] {
  if (end - start === 1) return [];
  const k = largestPowerBelow(end - start);
  return index < k
    ? [...naiveInclusion(index, start, start + k, mth), mth(start + k, end)]
    : [...naiveInclusion(index - k, start + k, end, mth), mth(start, start + k)];
}

/** PROOF(m, D_n), word for word from RFC 9162 section 2.1.4.1; empty where that is not defined (m = 0). */
export function naiveConsistency(m: number, n: number, mth: RangeRoot): Buffer[] {
  return m === 0 ? [] : subproof(m, 0, n, true, mth);
}

function subproof(m: number, start: number, end: number, known: boolean, mth: RangeRoot): Buffer[] {
  const n = end - start;
  if (m === n) return known ? [] : [mth(start, end)];
  const k = largestPowerBelow(n);
  return m <= k
    ? [...subproof(m, start, start + k, known, mth), mth(start + k, end)]
    : [...subproof(m - k, start + k, end, false, mth), mth(start, start + k)];
}

/** The largest power of two smaller than n. */
function largestPowerBelow(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

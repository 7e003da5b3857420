import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createNodeHasher,
  emptyRoot,
  foldNodes,
  leafHash,
  type NodeRef,
  type ProofPlan,
  planConsistency,
  planInclusion,
  planRoot,
  rootFromInclusion,
  verifyConsistency,
  verifyInclusion,
} from '../../engine/log/index.js';
import { sha256Into } from '../../workers/native-crypto.js';
import { CT_CONSISTENCY, CT_ENTRIES, CT_INCLUSION, CT_ROOTS } from './ct-tree.js';
import { naiveConsistency, naiveInclusion, rangeRoots } from './naive-proofs.js';
import { naiveRoot, sha256 } from './naive-tree.js';

const hashNode = createNodeHasher(sha256Into);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const hexes = (hashes: readonly Uint8Array[]) => hashes.map(hex);

/** A tree whose nodes are looked up as a stored log would: perfect subtrees only. */
function makeTree(leaves: readonly Uint8Array[]) {
  const mth = rangeRoots(leaves);
  const node = ({ level, index }: NodeRef) => {
    const end = (index + 1) * 2 ** level;
    if (end > leaves.length) throw new Error(`no perfect subtree ends at ${end}`);
    return mth(index * 2 ** level, end);
  };
  const fold = (nodes: readonly NodeRef[]) => foldNodes(nodes.map(node), hashNode);
  return {
    leaves,
    mth,
    root: (size: number) => mth(0, size),
    carryOut: (plan: ProofPlan) => plan.map(fold),
    planned: (size: number) => (size === 0 ? emptyRoot() : fold(planRoot(size))),
  };
}

const SIZE_MAX = 1025;
const tree = makeTree(Array.from({ length: SIZE_MAX }, (_, i) => sha256(Buffer.from(`leaf ${i}`))));
const sizes = Array.from({ length: SIZE_MAX + 1 }, (_, size) => size);

describe('the published tree of the Certificate Transparency implementations', () => {
  const ct = makeTree(CT_ENTRIES.map((entry) => leafHash(Buffer.from(entry, 'hex'), sha256Into)));

  test('has the published roots', () => {
    expect(CT_ROOTS.map((_, size) => hex(ct.planned(size)))).toEqual(CT_ROOTS);
  });

  test.each(CT_INCLUSION)('has the published inclusion proof of leaf $index at size $size', (published) => {
    const { index, size, hashes } = published;
    const proof = ct.carryOut(planInclusion(index, size));
    expect(hexes(proof)).toEqual(hashes);
    const root = Buffer.from(CT_ROOTS[size]!, 'hex');
    expect(verifyInclusion(ct.leaves[index]!, index, size, proof, root, hashNode)).toBe(true);
  });

  test.each(CT_CONSISTENCY)('has the published consistency proof from $from to $to', (published) => {
    const { from, to, hashes } = published;
    const proof = ct.carryOut(planConsistency(from, to));
    expect(hexes(proof)).toEqual(hashes);
    const [older, newer] = [from, to].map((size) => Buffer.from(CT_ROOTS[size]!, 'hex'));
    expect(verifyConsistency(from, older!, to, newer!, proof, hashNode)).toBe(true);
  });
});

describe('proofs by the recursive definition of RFC 9162', () => {
  test('the root, for every size up to 1025', () => {
    for (const size of sizes)
      expect(hex(tree.planned(size))).toBe(hex(naiveRoot(tree.leaves.slice(0, size))));
  });

  test('inclusion, for every leaf of every size up to 1025', () => {
    for (const size of sizes)
      for (let index = 0; index < size; index++) {
        const proof = tree.carryOut(planInclusion(index, size));
        if (!same(proof, naiveInclusion(index, 0, size, tree.mth))) expect.fail(`leaf ${index} of ${size}`);
        if (!verifyInclusion(tree.leaves[index]!, index, size, proof, tree.root(size), hashNode))
          expect.fail(`leaf ${index} of ${size} does not verify`);
      }
  }, 120_000); // half a million proofs

  test('consistency, for every pair of sizes up to 200 and every size up to 1025 with sizes around powers of two', () => {
    const edges = sizes.filter((size) => [0, 1, 2].includes(distanceToPowerOfTwo(size)));
    for (const to of sizes)
      for (const from of to <= 200 ? sizes.slice(0, to + 1) : [...edges, to - 1, to]) {
        if (from > to) continue;
        const proof = tree.carryOut(planConsistency(from, to));
        if (!same(proof, naiveConsistency(from, to, tree.mth))) expect.fail(`from ${from} to ${to}`);
        if (!verifyConsistency(from, tree.root(from), to, tree.root(to), proof, hashNode))
          expect.fail(`from ${from} to ${to} does not verify`);
      }
  });

  test('consistency, for any pair of sizes', () => {
    fc.assert(
      fc.property(fc.nat(SIZE_MAX), fc.nat(SIZE_MAX), (a, b) => {
        const [from, to] = a < b ? [a, b] : [b, a];
        const proof = tree.carryOut(planConsistency(from, to));
        expect(hexes(proof)).toEqual(hexes(naiveConsistency(from, to, tree.mth)));
        expect(verifyConsistency(from, tree.root(from), to, tree.root(to), proof, hashNode)).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  const same = (a: readonly Uint8Array[], b: readonly Uint8Array[]) =>
    a.length === b.length && a.every((hash, i) => Buffer.compare(hash, b[i]!) === 0);
  const distanceToPowerOfTwo = (size: number) =>
    Math.min(...[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024].map((power) => Math.abs(power - size)));
});

describe('plans', () => {
  test('of the smallest trees', () => {
    expect(planRoot(0)).toEqual([]);
    expect(planRoot(1)).toEqual([{ level: 0, index: 0 }]);
    expect(planInclusion(0, 1)).toEqual([]);
    expect(planConsistency(0, 0)).toEqual([]);
    expect(planConsistency(0, 7)).toEqual([]);
    expect(planConsistency(7, 7)).toEqual([]);
    expect(planConsistency(1, 2)).toEqual([[{ level: 0, index: 1 }]]);
  });

  test('cover the leaves without gap or overlap and stay logarithmic, at any size', () => {
    fc.assert(
      fc.property(largeSize, largeSize, (a, b) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        expect(coverage(planRoot(high))).toEqual([{ start: 0n, end: BigInt(high) }]);
        const covered = coverage([...planInclusion(low, high + 1).flat(), { level: 0, index: low }]);
        expect(covered).toEqual([{ start: 0n, end: BigInt(high + 1) }]);
        if (low === 0 || low === high) return;
        const plan = planConsistency(low, high);
        expect(plan.flat().length).toBeLessThan(4 * 53);
        const last = planRoot(low).at(-1)!;
        const known = last.index === 0 ? [last] : [];
        expect(coverage([...plan.flat(), ...known])).toEqual([{ start: 0n, end: BigInt(high) }]);
      }),
    );
  });

  test('are refused for leaves outside the tree, for shrinking trees and for anything but whole numbers', () => {
    for (const [index, size] of [
      [0, 0],
      [1, 1],
      [8, 8],
      [9, 8],
      [-1, 8],
      [0.5, 8],
      [Number.NaN, 8],
      [0, 2 ** 53],
    ] as const)
      expect(() => planInclusion(index, size), `${index} of ${size}`).toThrow(RangeError);
    for (const [from, to] of [
      [2, 1],
      [-1, 1],
      [0, -1],
      [1.5, 2],
      [1, Number.POSITIVE_INFINITY],
    ] as const)
      expect(() => planConsistency(from, to), `${from} to ${to}`).toThrow(RangeError);
    expect(() => planRoot(-1)).toThrow(RangeError);
    expect(() => foldNodes([], hashNode)).toThrow(RangeError);
  });

  test('do not alter the hashes they are carried out with', () => {
    const nodes = [1, 2, 3].map((n) => sha256(Buffer.of(n)));
    const before = hexes(nodes);
    const whole = foldNodes(nodes, hashNode);
    expect(hexes(nodes)).toEqual(before);
    expect(hex(whole)).toBe(hex(hash2(nodes[0]!, hash2(nodes[1]!, nodes[2]!))));
    const single = foldNodes([nodes[0]!], hashNode);
    single.fill(0);
    expect(hexes(nodes)).toEqual(before);
  });

  const hash2 = (left: Uint8Array, right: Uint8Array) => sha256(Buffer.of(0x01), left, right);
  const largeSize = fc.oneof(
    fc.nat(5000),
    fc.maxSafeNat().filter((size) => size < Number.MAX_SAFE_INTEGER),
    fc.tuple(fc.integer({ min: 1, max: 52 }), fc.constantFrom(-1, 0, 1)).map(([k, d]) => 2 ** k + d),
  );
});

describe('verification', () => {
  const size = 13;
  const leaves = tree.leaves.slice(0, size);
  const small = makeTree(leaves);
  const root = small.root(size);

  test('of inclusion rejects every altered part', () => {
    for (let index = 0; index < size; index++) {
      const proof = small.carryOut(planInclusion(index, size));
      const check = (leaf: Uint8Array, i: number, n: number, hashes: readonly Uint8Array[], r: Uint8Array) =>
        verifyInclusion(leaf, i, n, hashes, r, hashNode);
      expect(check(leaves[index]!, index, size, proof, root)).toBe(true);
      for (let bit = 0; bit < 256; bit += 37) {
        expect(check(flip(leaves[index]!, bit), index, size, proof, root)).toBe(false);
        expect(check(leaves[index]!, index, size, proof, flip(root, bit))).toBe(false);
        proof.forEach((hash, at) => {
          expect(check(leaves[index]!, index, size, proof.with(at, flip(hash, bit)), root)).toBe(false);
        });
      }
      for (let other = 0; other < size; other++)
        if (other !== index) expect(check(leaves[index]!, other, size, proof, root)).toBe(false);
      for (const changed of misshapen(proof))
        expect(check(leaves[index]!, index, size, changed, root)).toBe(false);
    }
  });

  test('of consistency rejects every altered part', () => {
    for (let from = 1; from < size; from++) {
      const older = small.root(from);
      const proof = small.carryOut(planConsistency(from, size));
      const check = (m: number, a: Uint8Array, n: number, b: Uint8Array, hashes: readonly Uint8Array[]) =>
        verifyConsistency(m, a, n, b, hashes, hashNode);
      expect(check(from, older, size, root, proof)).toBe(true);
      for (let bit = 0; bit < 256; bit += 37) {
        expect(check(from, flip(older, bit), size, root, proof)).toBe(false);
        expect(check(from, older, size, flip(root, bit), proof)).toBe(false);
        proof.forEach((hash, at) => {
          expect(check(from, older, size, root, proof.with(at, flip(hash, bit)))).toBe(false);
        });
      }
      for (let other = 0; other <= size; other++)
        if (other !== from) expect(check(other, older, size, root, proof)).toBe(false);
      for (const changed of misshapen(proof)) expect(check(from, older, size, root, changed)).toBe(false);
    }
  });

  test('of equal sizes asks for equal roots and an empty proof', () => {
    for (const same of [1, 2, 7, size]) {
      const its = small.root(same);
      expect(verifyConsistency(same, its, same, its, [], hashNode)).toBe(true);
      expect(verifyConsistency(same, its, same, flip(its, 3), [], hashNode)).toBe(false);
      expect(verifyConsistency(same, its, same, its, [its], hashNode)).toBe(false);
    }
  });

  test('from the empty log asks for its root and an empty proof', () => {
    expect(verifyConsistency(0, emptyRoot(), 0, emptyRoot(), [], hashNode)).toBe(true);
    expect(verifyConsistency(0, emptyRoot(), size, root, [], hashNode)).toBe(true);
    expect(verifyConsistency(0, root, size, root, [], hashNode)).toBe(false);
    expect(verifyConsistency(0, emptyRoot(), 0, root, [], hashNode)).toBe(false);
    expect(verifyConsistency(0, emptyRoot(), size, root, [root], hashNode)).toBe(false);
    expect(verifyConsistency(size, root, 0, emptyRoot(), [], hashNode)).toBe(false);
  });

  test('knows a tree of one leaf', () => {
    expect(hex(rootFromInclusion(leaves[0]!, 0, 1, [], hashNode)!)).toBe(hex(leaves[0]!));
    expect(rootFromInclusion(leaves[0]!, 0, 0, [], hashNode)).toBeUndefined();
    expect(rootFromInclusion(leaves[0]!, 1, 1, [], hashNode)).toBeUndefined();
  });

  test('answers false, and throws nothing, whatever it is given', () => {
    const short = new Uint8Array(31);
    const proof = small.carryOut(planInclusion(3, size));
    for (const n of [
      -1,
      0.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      2 ** 53,
      '3',
      null,
      undefined,
      {},
    ] as number[]) {
      expect(verifyInclusion(leaves[3]!, n, size, proof, root, hashNode)).toBe(false);
      expect(verifyInclusion(leaves[3]!, 3, n, proof, root, hashNode)).toBe(false);
      expect(verifyConsistency(n, root, size, root, proof, hashNode)).toBe(false);
      expect(verifyConsistency(3, root, n, root, proof, hashNode)).toBe(false);
    }
    const huge = Number.MAX_SAFE_INTEGER;
    expect(verifyInclusion(leaves[3]!, huge - 1, huge, proof, root, hashNode)).toBe(false);
    expect(verifyConsistency(huge - 1, root, huge, root, proof, hashNode)).toBe(false);
    for (const bad of [
      short,
      new Uint8Array(33),
      new Uint8Array(0),
      null,
      undefined,
      'x'.repeat(32),
    ] as Uint8Array[]) {
      expect(verifyInclusion(bad, 3, size, proof, root, hashNode)).toBe(false);
      expect(verifyInclusion(leaves[3]!, 3, size, proof, bad, hashNode)).toBe(false);
      expect(verifyInclusion(leaves[3]!, 3, size, proof.with(1, bad), root, hashNode)).toBe(false);
      expect(verifyConsistency(0, bad, size, root, [], hashNode)).toBe(false);
      expect(verifyConsistency(0, emptyRoot(), size, bad, [], hashNode)).toBe(false);
    }
    for (const bad of [null, undefined, 'proof', new Array(4), { length: 4 }] as unknown as Uint8Array[][]) {
      expect(verifyInclusion(leaves[3]!, 3, size, bad, root, hashNode)).toBe(false);
      expect(verifyConsistency(3, small.root(3), size, root, bad, hashNode)).toBe(false);
    }
  });

  test('answers false to random proofs', () => {
    const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        fc.maxSafeNat(),
        fc.array(hash, { maxLength: 60 }),
        hash,
        hash,
        (a, b, proof, x, y) => {
          const [low, high] = a < b ? [a, b] : [b, a];
          expect(verifyInclusion(x, low, high, proof, y, hashNode)).toBe(false);
          expect(verifyConsistency(low + 1, x, high, y, proof, hashNode)).toBe(false);
        },
      ),
    );
  });

  const flip = (hash: Uint8Array, bit: number) => {
    const flipped = Uint8Array.from(hash);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    return flipped;
  };
  const misshapen = (proof: readonly Uint8Array[]) => [
    [...proof, root],
    [root, ...proof],
    ...(proof.length > 0 ? [proof.slice(1), proof.slice(0, -1)] : []),
    ...(proof.length > 1 ? [proof.toReversed()] : []),
  ];
});

/** The ranges of leaves the subtrees cover, adjacent ones joined; overlaps stay apart. */
function coverage(nodes: readonly NodeRef[]): { start: bigint; end: bigint }[] {
  const ranges = nodes
    .map(({ level, index }) => ({
      start: BigInt(index) * 2n ** BigInt(level),
      end: BigInt(index + 1) * 2n ** BigInt(level),
    }))
    .sort((a, b) => (a.start < b.start ? -1 : 1));
  const joined: { start: bigint; end: bigint }[] = [];
  for (const range of ranges) {
    const before = joined.at(-1);
    if (before?.end === range.start) before.end = range.end;
    else joined.push({ ...range });
  }
  return joined;
}

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  appendLeaf,
  createNodeHasher,
  emptyFrontier,
  encodeFrontier,
  frontierRoot,
  type HashList,
  nodePlace,
  nodesKnown,
  openGroupTree,
  verifyInclusion,
} from '../../engine/log/index.js';
import { sha256Into } from '../../workers/native-crypto.js';

const hashNode = createNodeHasher(sha256Into);
const leaf = (index: number) => {
  const hash = Buffer.alloc(32);
  sha256Into(Buffer.from(`leaf ${index}`), hash, 0);
  return hash;
};
const LEAVES = Array.from({ length: 2100 }, (_, i) => leaf(i));

/** The group [before, after) of the log of LEAVES, and the root behind it. */
function groupOf(before: number, after: number) {
  const frontier = emptyFrontier();
  for (let i = 0; i < before; i++) appendLeaf(frontier, LEAVES[i]!, 0, hashNode);
  const encoded = encodeFrontier(frontier);
  const list: HashList = { bytes: new Uint8Array(0), count: 0 };
  for (let i = before; i < after; i++) appendLeaf(frontier, LEAVES[i]!, 0, hashNode, list);
  const tree = { before, after, frontier: encoded, nodes: list.bytes.subarray(0, list.count * 32) };
  return { tree, root: frontierRoot(frontier, hashNode, sha256Into) };
}

function expectPaths(before: number, after: number): void {
  const { tree, root } = groupOf(before, after);
  const opened = openGroupTree(tree, hashNode);
  const paths = opened.paths();
  expect(opened.root).toEqual(root);
  for (let i = before; i < after; i++) {
    const path = paths.pathOf(i).map((step) => paths.hashes[step]!);
    expect(
      verifyInclusion(LEAVES[i]!, i, after, path, root, hashNode),
      `leaf ${i} of ${before}..${after}`,
    ).toBe(true);
  }
}

describe("a group's tree", () => {
  test('proves every leaf of every group of a small log', () => {
    for (let after = 1; after <= 40; after++)
      for (let before = 0; before < after; before++) expectPaths(before, after);
  });

  test('proves every leaf of groups around powers of two', () => {
    for (const size of [63, 64, 65, 127, 128, 129, 255, 256, 257, 1023, 1024, 1025, 2047, 2049])
      for (const before of [0, 1, size >> 1, size - 2, size - 1]) expectPaths(before, size);
  });

  test('proves every leaf of groups drawn at random, whatever the order of asking', () => {
    fc.assert(
      fc.property(fc.nat(2000), fc.integer({ min: 1, max: 90 }), (before, count) => {
        const { tree, root } = groupOf(before, before + count);
        const paths = openGroupTree(tree, hashNode).paths();
        for (let i = before + count - 1; i >= before; i--) {
          const path = paths.pathOf(i).map((step) => paths.hashes[step]!);
          expect(verifyInclusion(LEAVES[i]!, i, before + count, path, root, hashNode)).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('neighbours share hashes: a group of n leaves needs about 2n of them, not n log n', () => {
    const { tree } = groupOf(1000, 1100);
    const paths = openGroupTree(tree, hashNode).paths();
    for (let i = 1000; i < 1100; i++) paths.pathOf(i);
    expect(paths.hashes.length).toBeLessThan(230);
  });

  test('knows only its own leaves', () => {
    const paths = openGroupTree(groupOf(10, 20).tree, hashNode).paths();
    for (const index of [-1, 0, 9, 20, 2.5 + 20, Number.NaN])
      expect(() => paths.pathOf(index)).toThrow(RangeError);
  });

  test('refuses parts that do not fit together', () => {
    const { tree } = groupOf(10, 20);
    const wrong = [
      { ...tree, after: 21 },
      { ...tree, before: 11 },
      { ...tree, nodes: tree.nodes.subarray(32) },
      { ...tree, frontier: tree.frontier.subarray(32) },
    ];
    for (const each of wrong) expect(() => openGroupTree(each, hashNode)).toThrow(RangeError);
  });
});

describe('places in the list of subtree hashes', () => {
  test('are consecutive in the order in which hashes become known', () => {
    let place = 0;
    for (let leafIndex = 0; leafIndex < 600; leafIndex++) {
      expect(nodesKnown(leafIndex)).toBe(place);
      expect(nodePlace(0, leafIndex)).toBe(place++);
      for (let level = 1; (leafIndex + 1) % 2 ** level === 0; level++)
        expect(nodePlace(level, (leafIndex + 1) / 2 ** level - 1)).toBe(place++);
    }
  });

  test('hold beyond 32 bits', () => {
    const size = 2 ** 40 + 5;
    expect(nodesKnown(size)).toBe(2 * size - 3);
    expect(nodePlace(0, size)).toBe(nodesKnown(size));
  });
});

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { legacyCommitmentRules, vesCommitmentRules } from '../../engine/fsck/commitment-audit.js';
import { appendPieces, buildLevels, foldFirst, foldOnto, piecesOf } from '../../engine/fsck/subtrees.js';
import { createNodeHasher, emptyFrontier, frontierRoot, NODE_PREFIX } from '../../engine/log/index.js';
import {
  buildLegacyTree,
  buildVesTree,
  DOMAIN,
  rowHashingOf,
  treeRoot,
} from '../../engine/protocol/index.js';
import { sha256Into } from '../../workers/native-crypto.js';
import { naiveRoot } from '../log/naive-tree.js';

const hashNode = createNodeHasher(sha256Into);
const pairHasher = (prefix: Uint8Array) => rowHashingOf(sha256Into)(prefix, 64);
const hashPairs = pairHasher(Uint8Array.of(NODE_PREFIX));
const leaf = (n: number) => createHash('sha256').update(`leaf ${n}`).digest();
const leavesOf = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => leaf(from + i));
const packed = (from: number, to: number) => Uint8Array.from(Buffer.concat(leavesOf(from, to)));

/** Borders of the ranges that a tree of `size` leaves is cut into. */
const cuts = (size: number) =>
  fc
    .uniqueArray(fc.integer({ min: 1, max: Math.max(1, size - 1) }), { maxLength: 6 })
    .map((inner) => [...new Set([0, ...inner.filter((at) => at < size).sort((a, b) => a - b), size])]);
const cutTree = fc.integer({ min: 1, max: 600 }).chain((size) => fc.tuple(fc.constant(size), cuts(size)));

const TREES = {
  'the log': {
    hashNode,
    hashPairs,
    root: (frontier: ReturnType<typeof emptyFrontier>) => frontierRoot(frontier, hashNode, sha256Into),
    expected: (size: number) => naiveRoot(leavesOf(0, size)),
  },
  'a VES commitment': {
    ...vesRules(),
    expected: (size: number) => treeRoot(buildVesTree(packed(0, size), sha256Into)),
  },
  'a legacy commitment': {
    ...legacyRules(),
    expected: (size: number) => treeRoot(buildLegacyTree(packed(0, size), sha256Into)),
  },
};

function vesRules() {
  const rules = vesCommitmentRules(sha256Into);
  return { hashNode: rules.hashNode, hashPairs: pairHasher(DOMAIN.node), root: rules.rootOf };
}

function legacyRules() {
  const rules = legacyCommitmentRules(sha256Into);
  return { hashNode: rules.hashNode, hashPairs: pairHasher(new Uint8Array(0)), root: rules.rootOf };
}

describe.each(Object.entries(TREES))('%s', (_, tree) => {
  test('has the same root in pieces as in one, wherever it is cut', () => {
    fc.assert(
      fc.property(cutTree, ([size, borders]) => {
        const frontier = emptyFrontier();
        for (let i = 1; i < borders.length; i++) {
          const from = borders[i - 1]!;
          appendPieces(frontier, piecesOf(packed(from, borders[i]!), from, tree.hashPairs), tree.hashNode);
        }
        expect(frontier.size).toBe(size);
        expect(Buffer.from(tree.root(frontier)).toString('hex')).toBe(
          Buffer.from(tree.expected(size)).toString('hex'),
        );
      }),
      { numRuns: 150 },
    );
  });
});

test('a root inside a range is the fold of its leaves onto what lies before it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 64 }), (chunks, size) => {
      // Ranges begin at multiples of their greatest size.
      const before = chunks * 64;
      const frontier = emptyFrontier();
      appendPieces(frontier, piecesOf(packed(0, before), 0, hashPairs), hashNode);
      const root = new Uint8Array(32);
      foldFirst(buildLevels(packed(before, before + 64), hashPairs), size, hashNode, root, 0);
      foldOnto(frontier, root, 0, hashNode);
      expect(Buffer.from(root).toString('hex')).toBe(naiveRoot(leavesOf(0, before + size)).toString('hex'));
    }),
    { numRuns: 100 },
  );
});

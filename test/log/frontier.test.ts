import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  appendLeaf,
  createNodeHasher,
  decodeFrontier,
  emptyFrontier,
  encodeFrontier,
  frontierRoot,
  leafHash,
} from '../../engine/log/index.js';
import { naiveRoot, sha256, sha256Into } from './naive-tree.js';

const hashNode = createNodeHasher(sha256Into);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const rootOf = (frontier: ReturnType<typeof emptyFrontier>) =>
  hex(frontierRoot(frontier, hashNode, sha256Into));
const countBits = (size: number) => size.toString(2).replaceAll('0', '').length;

/** The eight entries that Certificate Transparency implementations test their trees with. */
const ENTRIES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
];
/** Roots of the first 0, 1, ... 8 entries, as published with those implementations. */
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

describe('the frontier of a Merkle log', () => {
  test('gives the published roots of the Certificate Transparency entries', () => {
    const frontier = emptyFrontier();
    const leaves: Uint8Array[] = [];
    expect(rootOf(frontier)).toBe(ROOTS[0]);
    ENTRIES.forEach((entry, i) => {
      const leaf = leafHash(Buffer.from(entry, 'hex'), sha256Into);
      expect(hex(leaf)).toBe(hex(sha256(Buffer.of(0x00), Buffer.from(entry, 'hex'))));
      leaves.push(leaf);
      appendLeaf(frontier, leaf, 0, hashNode);
      expect(rootOf(frontier)).toBe(ROOTS[i + 1]);
      expect(hex(naiveRoot(leaves))).toBe(ROOTS[i + 1]);
    });
  });

  test('has the root of the whole tree at every size from 0 to 1025, also after being stored and read', () => {
    let frontier = emptyFrontier();
    const leaves: Uint8Array[] = [];
    for (let size = 0; size <= 1025; size++) {
      if (size > 0) {
        const leaf = sha256(Buffer.from(`leaf ${size}`));
        leaves.push(leaf);
        // The leaf may lie anywhere in a larger buffer.
        appendLeaf(frontier, Buffer.concat([Buffer.alloc(7), leaf, Buffer.alloc(3, 0xff)]), 7, hashNode);
      }
      expect(frontier.size).toBe(size);
      const stored = encodeFrontier(frontier);
      expect(stored.length).toBe(32 * countBits(size));
      const read = decodeFrontier(size, stored)!;
      const root = hex(naiveRoot(leaves));
      expect([rootOf(frontier), rootOf(read)]).toEqual([root, root]);
      frontier = read; // as every group does: read, extend, store
    }
  });

  test('is stored as the roots of its perfect subtrees, largest first', () => {
    const leaves = Array.from({ length: 13 }, (_, i) => sha256(Buffer.of(i)));
    const frontier = emptyFrontier();
    for (const leaf of leaves) appendLeaf(frontier, leaf, 0, hashNode);
    const parts = [leaves.slice(0, 8), leaves.slice(8, 12), leaves.slice(12)].map(naiveRoot);
    expect(hex(encodeFrontier(frontier))).toBe(hex(Buffer.concat(parts)));
  });

  test('survives storing at sizes beyond 32 bits', () => {
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        fc.uint8Array({ minLength: 53 * 32, maxLength: 53 * 32 }),
        (size, noise) => {
          const bytes = noise.subarray(0, 32 * countBits(size));
          const frontier = decodeFrontier(size, bytes)!;
          expect(hex(encodeFrontier(frontier))).toBe(hex(bytes));
        },
      ),
    );
  });

  test('carries through all levels when a large log grows by one leaf', () => {
    const subtrees = Array.from({ length: 40 }, (_, i) => sha256(Buffer.of(i)));
    const frontier = decodeFrontier(2 ** 40 - 1, Buffer.concat(subtrees))!;
    const leaf = sha256(Buffer.from('last'));
    appendLeaf(frontier, leaf, 0, hashNode);
    const root = subtrees.reduceRight((right, left) => sha256(Buffer.of(0x01), left, right), leaf);
    expect(frontier.size).toBe(2 ** 40);
    expect(rootOf(frontier)).toBe(hex(root));
  });

  test('does not accept stored bytes of another length than the size asks for', () => {
    for (let size = 0; size <= 64; size++) {
      const length = 32 * countBits(size);
      for (const wrong of [length - 32, length - 1, length + 1, length + 32])
        if (wrong >= 0) expect(decodeFrontier(size, new Uint8Array(wrong))).toBeUndefined();
      expect(decodeFrontier(size, new Uint8Array(length))?.size).toBe(size);
    }
  });

  test('does not change when its root is computed', () => {
    const frontier = emptyFrontier();
    for (let i = 0; i < 11; i++) appendLeaf(frontier, sha256(Buffer.of(i)), 0, hashNode);
    const before = hex(frontier.nodes);
    expect(rootOf(frontier)).toBe(rootOf(frontier));
    expect(hex(frontier.nodes)).toBe(before);
  });
});

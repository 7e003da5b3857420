import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  buildLegacyTree,
  encodeHex,
  legacyLeaf,
  legacyPathSides,
  legacyStateRoot,
  MERKLE_PATH_MAX,
  proveLegacyInclusion,
  type Sha256,
  treeRoot,
  verifyLegacyInclusion,
} from '../../engine/protocol/index.js';
import { hex } from './support.js';

const sha256: Sha256 = (bytes) => createHash('sha256').update(bytes).digest();
const hashInto = (bytes: Uint8Array, target: Uint8Array, offset: number) => target.set(sha256(bytes), offset);
const node = (left: Uint8Array, right: Uint8Array) => sha256(Buffer.concat([left, right]));
const hexes = (hashes: readonly Uint8Array[]) => hashes.map((hash) => encodeHex(hash));

const TENANT_STORE = hex('00000000000000000000000000000001' + '00000000000000000000000000000002');
/** Compact JSON without a domain. */
const payloadHash = (payload: object) => sha256(Buffer.from(JSON.stringify(payload)));

describe('the worked example of three events', () => {
  const workedLeaf = (n: number) =>
    legacyLeaf({
      tenantStore: TENANT_STORE,
      sequenceNumber: n,
      payloadHash: payloadHash({ delta: 100 * n, reason: 'test' }),
      entityType: 'InventoryItem',
      entityId: `WIDGET-00${n}`,
    });

  it('has the published leaves and root', () => {
    expect(encodeHex(payloadHash({ delta: 100, reason: 'test' }))).toBe(
      '93ca38f6d3bebab4298827964dc8b3dfbdd1df16b32124379642859a7870f8fc',
    );
    const leaves = [1, 2, 3].map(workedLeaf);
    expect(hexes(leaves)).toEqual([
      'f74ffc09375a57faef973bdd983b45f470a111a130ea27cd8451acf812caa78a',
      '5910ef215274c74069f75f3eb50bf469a7f64c5903bf88e14f73ac62626cb858',
      '5883c4618233b4bfcdda7872e383e8786046b9e14e3790bcaa0134b2c45f71d5',
    ]);
    expect(encodeHex(treeRoot(buildLegacyTree(Buffer.concat(leaves))))).toBe(
      'd7d9b0cf73fff73e55865a32246c00fd9ab140ddf6ff846fc8210b49b0c1bef6',
    );
  });
});

describe('the state root', () => {
  it('has the published values', () => {
    const same = '00000000000000000000000000000072';
    expect(encodeHex(legacyStateRoot(hex(same + same), []))).toBe(
      '867d7f3d2d2a73c342342950be62996f14b2805342b45038743c4867ca910b7e',
    );
    const widgets = [3, 1, 2].map((n) => ({
      entityType: 'InventoryItem',
      entityId: `WIDGET-00${n}`,
      version: 1,
    }));
    expect(encodeHex(legacyStateRoot(TENANT_STORE, widgets))).toBe(
      '87736a45c38ea0c5bd6ccc2b5543f65a6d954369431bdd7f80ecd62a96a567d2',
    );
  });

  it('orders by bytes, not by UTF-16, and writes versions little-endian', () => {
    const entities = [
      { entityType: 'é', entityId: '😀', version: 0x0102030405060708n },
      { entityType: 'é', entityId: 'דּ', version: 2 },
      { entityType: 'a', entityId: 'é', version: 1 },
      { entityType: 'a', entityId: 'ab', version: 1 },
      { entityType: 'a', entityId: 'a', version: 1 },
    ];
    const bytes = Buffer.concat([
      TENANT_STORE,
      ...['aa', 'aab', 'aé'].map((text) => Buffer.concat([Buffer.from(text), hex('0100000000000000')])),
      Buffer.from('éדּ'),
      hex('0200000000000000'),
      Buffer.from('é😀'),
      hex('0807060504030201'),
    ]);
    expect(encodeHex(legacyStateRoot(TENANT_STORE, entities))).toBe(encodeHex(sha256(bytes)));
  });
});

const someLeaves = (count: number) =>
  Array.from({ length: count }, (_, i) => sha256(Buffer.from(`leaf ${i}`)));

describe('small trees, written out', () => {
  const [a, b, c, d, e, f, g] = someLeaves(7) as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];
  const proof = (leaves: Buffer[], index: number) =>
    proveLegacyInclusion(buildLegacyTree(Buffer.concat(leaves)), index);
  const root = (leaves: Buffer[]) => Buffer.from(treeRoot(buildLegacyTree(Buffer.concat(leaves), hashInto)));

  it('of 3 leaves promotes the last', () => {
    expect(root([a, b, c])).toEqual(node(node(a, b), c));
    expect(hexes(proof([a, b, c], 2).path)).toEqual(hexes([node(a, b)]));
    expect(proof([a, b, c], 2).directions).toEqual([true]);
    expect(proof([a, b, c], 0).directions).toEqual([false, false]);
    expect(proof([a, b, c], 1).directions).toEqual([true, false]);
  });

  it('of 5 leaves promotes the last twice', () => {
    const four = node(node(a, b), node(c, d));
    expect(root([a, b, c, d, e])).toEqual(node(four, e));
    expect(hexes(proof([a, b, c, d, e], 4).path)).toEqual(hexes([four]));
    expect(proof([a, b, c, d, e], 4).directions).toEqual([true]);
    expect(proof([a, b, c, d, e], 3).directions).toEqual([true, true, false]);
  });

  it('of 7 leaves promotes the last once', () => {
    const four = node(node(a, b), node(c, d));
    const ef = node(e, f);
    expect(root([a, b, c, d, e, f, g])).toEqual(node(four, node(ef, g)));
    expect(hexes(proof([a, b, c, d, e, f, g], 6).path)).toEqual(hexes([ef, four]));
    expect(proof([a, b, c, d, e, f, g], 6).directions).toEqual([true, true]);
    expect(hexes(proof([a, b, c, d, e, f, g], 5).path)).toEqual(hexes([e, g, four]));
    expect(proof([a, b, c, d, e, f, g], 5).directions).toEqual([true, false, true]);
  });

  it('of none is zeros, of one is the leaf', () => {
    expect(treeRoot(buildLegacyTree(new Uint8Array(0)))).toEqual(new Uint8Array(32));
    expect(root([a])).toEqual(a);
    expect(proof([a], 0)).toEqual({ path: [], directions: [] });
    expect(() => proof([a], 1)).toThrow(RangeError);
  });
});

describe('a tree of any size', () => {
  it('has the root of the definition, and every proof verifies from index and path alone (sizes to 130)', () => {
    for (let count = 1; count <= 130; count++) {
      const leaves = someLeaves(count);
      let level = leaves;
      let height = 0;
      while (level.length > 1) {
        const below = level;
        level = Array.from({ length: Math.ceil(below.length / 2) }, (_, i) =>
          below[2 * i + 1] === undefined ? below[2 * i]! : node(below[2 * i]!, below[2 * i + 1]!),
        );
        height++;
      }
      const root = level[0]!;
      const tree = buildLegacyTree(Buffer.concat(leaves), hashInto);
      expect(encodeHex(treeRoot(tree))).toBe(encodeHex(root));
      for (let index = 0; index < count; index++) {
        const { path, directions } = proveLegacyInclusion(tree, index);
        expect(path.length).toBeLessThanOrEqual(height);
        expect(legacyPathSides(index, path.length), `${index} of ${count}`).toEqual(directions);
        expect(verifyLegacyInclusion(leaves[index]!, index, path, root, sha256)).toBe(true);
      }
    }
  });

  it('refuses a proof in which a leaf, a hash or the root was changed, or a hash is missing or added', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 130 }),
        fc.nat(),
        fc.nat(255),
        fc.nat(),
        (count, at, position, where) => {
          const leaves = someLeaves(count);
          const tree = buildLegacyTree(Buffer.concat(leaves), hashInto);
          const index = at % count;
          const { path } = proveLegacyInclusion(tree, index);
          const root = treeRoot(tree);
          const bit = (bytes: Uint8Array) => {
            const changed = bytes.slice();
            changed[position >> 3]! ^= 1 << (position & 7);
            return changed;
          };
          const verify = (leaf: Uint8Array, hashes: readonly Uint8Array[], against = root) =>
            verifyLegacyInclusion(leaf, index, hashes, against, sha256);
          expect(verify(leaves[index]!, path)).toBe(true);
          expect(verify(bit(leaves[index]!), path)).toBe(false);
          expect(verify(leaves[index]!, path, bit(root))).toBe(false);
          const one = where % path.length;
          expect(
            verify(
              leaves[index]!,
              path.map((hash, i) => (i === one ? bit(hash) : hash)),
            ),
          ).toBe(false);
          expect(verify(leaves[index]!, path.slice(1))).toBe(false);
          expect(verify(leaves[index]!, [...path, root])).toBe(false);
          expect(verify(leaves[(index + 1) % count]!, path)).toBe(false);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('the sides of a path exist exactly when some tree gives the leaf a path of this length', () => {
    const known = new Map<string, readonly boolean[]>();
    for (let count = 1; count <= 70; count++) {
      const tree = buildLegacyTree(new Uint8Array(32 * count), hashInto);
      for (let index = 0; index < count; index++) {
        const { directions } = proveLegacyInclusion(tree, index);
        const key = `${index}/${directions.length}`;
        expect(known.get(key) ?? directions, key).toEqual(directions);
        known.set(key, directions);
      }
    }
    // Trees of up to 64 leaves have paths of up to six hashes.
    for (let index = 0; index < 64; index++)
      for (let length = 0; length <= 6; length++) {
        const sides = legacyPathSides(index, length);
        if (sides === undefined) expect(known.has(`${index}/${length}`), `${index}/${length}`).toBe(false);
        else if (index < 2 ** length)
          expect(sides, `${index}/${length}`).toEqual(known.get(`${index}/${length}`));
      }
  });

  it('refuses indexes that are none and paths longer than 64', () => {
    for (const index of [-1, 0.5, Number.NaN, 2 ** 53]) expect(legacyPathSides(index, 3)).toBeUndefined();
    expect(legacyPathSides(7, 2)).toBeUndefined();
    const leaf = sha256(Buffer.from('leaf'));
    const path = Array.from({ length: MERKLE_PATH_MAX + 1 }, () => leaf);
    const upTo = (length: number) =>
      path.slice(0, length).reduce((below, sibling) => node(below, sibling), leaf);
    expect(verifyLegacyInclusion(leaf, 0, path.slice(1), upTo(64), sha256)).toBe(true);
    expect(verifyLegacyInclusion(leaf, 0, path, upTo(65), sha256)).toBe(false);
  });

  it('the portable hash gives the same tree and verdict', () => {
    const leaves = someLeaves(45);
    const tree = buildLegacyTree(Buffer.concat(leaves));
    expect(treeRoot(tree)).toEqual(treeRoot(buildLegacyTree(Buffer.concat(leaves), hashInto)));
    expect(verifyLegacyInclusion(leaves[44]!, 44, proveLegacyInclusion(tree, 44).path, treeRoot(tree))).toBe(
      true,
    );
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createNodeHasher,
  formatTilePath,
  nodeInTile,
  parseTilePath,
  TILE_HEIGHT,
  TILE_WIDTH,
  tileOfNode,
  tileWidth,
} from '../../engine/log/index.js';
import { naiveRoot, sha256, sha256Into } from './naive-tree.js';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('tiles', () => {
  test('of a tree of 70,000 entries are those of the published example', () => {
    const widths = (level: number) => {
      const found: number[] = [];
      for (let index = 0; tileWidth(level, index, 70_000) > 0; index++)
        found.push(tileWidth(level, index, 70_000));
      return found;
    };
    expect(widths(0)).toEqual([...Array(273).fill(256), 112]);
    expect(widths(1)).toEqual([256, 17]);
    expect(widths(2)).toEqual([1]);
    expect(widths(3)).toEqual([]);
  });

  test('of small trees and of trees at powers of 256', () => {
    expect(tileWidth(0, 0, 0)).toBe(0);
    expect(tileWidth(0, 0, 1)).toBe(1);
    expect([tileWidth(0, 0, 255), tileWidth(1, 0, 255)]).toEqual([255, 0]);
    expect([tileWidth(0, 0, 256), tileWidth(0, 1, 256), tileWidth(1, 0, 256)]).toEqual([256, 0, 1]);
    expect([tileWidth(0, 1, 257), tileWidth(1, 0, 257)]).toEqual([1, 1]);
    expect([tileWidth(1, 0, 65_535), tileWidth(2, 0, 65_535)]).toEqual([255, 0]);
    expect([tileWidth(1, 0, 65_536), tileWidth(2, 0, 65_536)]).toEqual([256, 1]);
    expect(tileWidth(6, 0, Number.MAX_SAFE_INTEGER)).toBe(31);
    expect(tileWidth(63, 0, Number.MAX_SAFE_INTEGER)).toBe(0);
  });

  test('hold every node at the place of its leaves', () => {
    const level = fc.nat(52);
    fc.assert(
      fc.property(level, fc.maxSafeNat(), (nodeLevel, noise) => {
        const index = Math.floor(noise / 2 ** nodeLevel);
        const tile = tileOfNode({ level: nodeLevel, index });
        const leavesPerHash = 256n ** BigInt(tile.level);
        const start = (BigInt(tile.index) * 256n + BigInt(tile.from)) * leavesPerHash;
        expect(start).toBe(BigInt(index) * 2n ** BigInt(nodeLevel));
        expect(BigInt(tile.count) * leavesPerHash).toBe(2n ** BigInt(nodeLevel));
        expect(tile.from + tile.count).toBeLessThanOrEqual(TILE_WIDTH);
        expect(tile.level).toBe(Math.floor(nodeLevel / TILE_HEIGHT));
      }),
    );
  });

  test('give the roots of the subtrees within them, with one hash less than there are leaves', () => {
    const hashes = Array.from({ length: 256 }, (_, i) => sha256(Buffer.of(i)));
    const tile = Buffer.concat(hashes);
    const before = hex(tile);
    let hashed = 0;
    const hashNode = createNodeHasher((bytes, target, offset) => {
      hashed++;
      sha256Into(bytes, target, offset);
    });
    for (let count = 1; count <= 256; count *= 2)
      for (let from = 0; from < 256; from += count) {
        hashed = 0;
        expect(hex(nodeInTile(tile, from, count, hashNode))).toBe(
          hex(naiveRoot(hashes.slice(from, from + count))),
        );
        expect(hashed).toBe(count - 1);
      }
    expect(hex(tile)).toBe(before);
  });

  test('give no node they do not hold', () => {
    const hashNode = createNodeHasher(sha256Into);
    const tile = new Uint8Array(12 * 32);
    for (const [from, count] of [
      [8, 8],
      [12, 1],
      [0, 16],
      [0, 3],
      [0, 0],
      [-1, 1],
      [0, Number.NaN],
      [Number.NaN, 1],
    ] as const)
      expect(() => nodeInTile(tile, from, count, hashNode), `${count} at ${from}`).toThrow(RangeError);
    expect(nodeInTile(tile, 8, 4, hashNode)).toHaveLength(32);
  });
});

describe('tile paths', () => {
  test.each([
    ['tile/0/000', { level: 0, index: 0, width: 256 }],
    ['tile/0/x001/x234/067', { level: 0, index: 1_234_067, width: 256 }],
    ['tile/0/x001/067.p/12', { level: 0, index: 1067, width: 12 }],
    ['tile/0/273.p/112', { level: 0, index: 273, width: 112 }],
    ['tile/1/001.p/17', { level: 1, index: 1, width: 17 }],
    ['tile/2/000.p/1', { level: 2, index: 0, width: 1 }],
    ['tile/63/999.p/255', { level: 63, index: 999, width: 255 }],
    ['tile/entries/x001/000', { level: 'entries', index: 1000, width: 256 }],
    ['tile/entries/x123/x456/078.p/9', { level: 'entries', index: 123_456_078, width: 9 }],
    ['tile/0/x009/x007/x199/x254/x740/991', { level: 0, index: Number.MAX_SAFE_INTEGER, width: 256 }],
  ] as const)('%s', (path, tile) => {
    expect(formatTilePath(tile.level, tile.index, tile.width)).toBe(path);
    expect(parseTilePath(path)).toEqual(tile);
  });

  test('are read in their one form only', () => {
    const wrong = [
      '',
      'tile',
      'tile/0',
      'tile/0/',
      'tile/0/0',
      'tile/0/00',
      'tile/0/0000',
      'tile/0/1234',
      'tile/00/000',
      'tile/01/000',
      'tile/64/000',
      'tile/100/000',
      'tile/-1/000',
      'tile/+1/000',
      'tile/1e1/000',
      'tile/entry/000',
      'tile/Entries/000',
      'tile/0/x000/001',
      'tile/0/x000/x001/067',
      'tile/0/001/067',
      'tile/0/x001',
      'tile/0/x001/x067',
      'tile/0/x001//067',
      'tile/0/X001/067',
      'tile/0/x1/067',
      'tile/0/x001/067/',
      'tile/0/000.p/0',
      'tile/0/000.p/01',
      'tile/0/000.p/256',
      'tile/0/000.p/999',
      'tile/0/000.p/1000',
      'tile/0/000.p/',
      'tile/0/000.p',
      'tile/0/000.p/-1',
      'tile/0/000.p/1/',
      'tile/0/000.P/1',
      'tile/0/000,p/1',
      '/tile/0/000',
      'log/tile/0/000',
      ' tile/0/000',
      'tile/0/000 ',
      'tile/0/000\n',
      'tile/8/0/000',
      'tile/0/٠٠٠',
      'tile/0/x009/x007/x199/x254/x740/992',
      `tile/0/${'x999/'.repeat(100)}999`,
    ];
    for (const path of wrong) expect(parseTilePath(path), path).toBeUndefined();
  });

  test('are not written for what is no tile', () => {
    for (const [level, index, width] of [
      [-1, 0, 1],
      [64, 0, 1],
      [0.5, 0, 1],
      [0, -1, 1],
      [0, 0.5, 1],
      [0, 2 ** 53, 1],
      [0, 0, 0],
      [0, 0, 257],
      [0, 0, 1.5],
    ] as const)
      expect(() => formatTilePath(level, index, width)).toThrow(RangeError);
  });

  test('survive writing and reading, and nothing else that is read is written differently', () => {
    const level = fc.oneof(fc.constant('entries' as const), fc.nat(63));
    const index = fc.oneof(fc.nat(2000), fc.nat(2_000_000), fc.maxSafeNat());
    fc.assert(
      fc.property(level, index, fc.integer({ min: 1, max: 256 }), (l, i, w) => {
        expect(parseTilePath(formatTilePath(l, i, w))).toEqual({ level: l, index: i, width: w });
      }),
      { numRuns: 1000 },
    );
    const piece = fc.constantFrom(
      'tile',
      '/',
      'x',
      '0',
      '000',
      '001',
      '999',
      '12',
      'entries',
      '.p/',
      '.p',
      '255',
      '256',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 9 }), (pieces) => {
        const path = `tile/${pieces.join('')}`;
        const read = parseTilePath(path);
        if (read) expect(formatTilePath(read.level, read.index, read.width)).toBe(path);
      }),
      { numRuns: 5000 },
    );
  });
});

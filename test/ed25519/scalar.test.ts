import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { fromLittleEndian, L, modL, toLittleEndian } from './curve.js';
import { compileInternals, createInternals, type Internals } from './internals.js';
import { SPECIAL_SCALARS } from './material.js';

let engine: Internals;
let out: number;
let a: number;

beforeAll(async () => {
  engine = createInternals(await compileInternals());
  [out, a] = [0, 1].map((index) => engine.place(index)) as [number, number];
}, 60_000);

const below256 = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
  fc.constantFrom(0n, 1n, L - 1n, L, L + 1n, 2n ** 252n, 2n ** 255n, 2n ** 256n - 1n, ...SPECIAL_SCALARS),
  fc.nat(255).map((bit) => 2n ** BigInt(bit)),
  fc.nat(255).map((bit) => 2n ** 256n - 2n ** BigInt(bit)),
);

function putNumber(at: number, value: bigint, length = 32): void {
  engine.putBytes(at, toLittleEndian(value, length));
}

function isBelowOrder(value: bigint): number {
  putNumber(a, value);
  return engine.call('isBelowOrder', a);
}

function reduceWide(value: bigint): bigint {
  putNumber(a, value, 64);
  engine.call('reduceWide', out, a);
  return fromLittleEndian(engine.bytes(out, 32));
}

describe('the comparison with L', () => {
  test('is exact at L and in every word and byte of it', () => {
    expect([0n, 1n, L - 1n, L, L + 1n, 2n * L, 2n ** 256n - 1n].map(isBelowOrder)).toEqual([
      1, 1, 1, 0, 0, 0, 0,
    ]);
    for (let bit = 0n; bit < 256n; bit++) {
      for (const value of [L + 2n ** bit, L - 2n ** bit, 2n ** bit, 2n ** bit - 1n, L ^ (2n ** bit)]) {
        if (value < 0n || value >= 2n ** 256n) continue;
        expect(isBelowOrder(value), value.toString(16)).toBe(value < L ? 1 : 0);
      }
    }
  });

  test('holds for any number', () => {
    fc.assert(
      fc.property(below256, fc.nat(31), fc.integer({ min: 0, max: 255 }), (value, position, byte) => {
        expect(isBelowOrder(value)).toBe(value < L ? 1 : 0);
        const nearly = fromLittleEndian(toLittleEndian(L).with(position, byte));
        expect(isBelowOrder(nearly)).toBe(nearly < L ? 1 : 0);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('the reduction of 64 bytes', () => {
  const most = (2n ** 512n - 1n) / L;

  test('is exact around multiples of L', () => {
    const multiples = fc.oneof(
      fc.bigInt({ min: 0n, max: most }),
      fc.bigInt({ min: 0n, max: 100n }),
      fc.bigInt({ min: most - 100n, max: most }),
      fc.nat(259).map((bit) => 2n ** BigInt(bit)),
    );
    fc.assert(
      fc.property(multiples, fc.bigInt({ min: -3n, max: 3n }), (n, distance) => {
        const value = n * L + distance;
        if (value < 0n || value >= 2n ** 512n) return;
        expect(reduceWide(value)).toBe(modL(distance));
      }),
      { numRuns: 5000 },
    );
  });

  test('is exact for any number, single bits, runs of ones, and all ones', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 512n - 1n }), (value) => {
        expect(reduceWide(value)).toBe(value % L);
      }),
      { numRuns: 5000 },
    );
    for (let high = 0n; high <= 512n; high++) {
      for (const low of [0n, 1n, 28n, 252n, high]) {
        const value = high >= low ? 2n ** high - 2n ** low : 0n;
        expect(reduceWide(value), `2^${high} - 2^${low}`).toBe(value % L);
        if (high < 512n) expect(reduceWide(2n ** high), `2^${high}`).toBe(2n ** high % L);
      }
    }
    for (let byte = 0; byte < 256; byte++) {
      const value = fromLittleEndian(new Uint8Array(64).fill(byte));
      expect(reduceWide(value)).toBe(value % L);
    }
  });
});

describe('digits', () => {
  const scalars = fc.oneof(
    fc.bigInt({ min: 0n, max: L - 1n }),
    fc.constantFrom(0n, 1n, 2n, L - 1n, L - 2n, ...SPECIAL_SCALARS),
    fc.nat(252).map((bit) => modL(2n ** BigInt(bit) - 1n)),
    fc.nat(252).map((bit) => modL(-(2n ** BigInt(bit)))),
  );

  test.each([
    ['key', 'KEY'],
    ['base', 'BASE'],
  ])('of the %s table are odd, in range, and sum up to the scalar', (_name, prefix) => {
    const width = engine.constant(`${prefix}_WIDTH`);
    const windows = engine.constant(`${prefix}_WINDOWS`);
    fc.assert(
      fc.property(scalars, (scalar) => {
        putNumber(a, scalar);
        engine.call('prepareDigits', out, a, windows * width);
        let sum = 0n;
        for (let i = 0; i < windows; i++) {
          const window = engine.call('windowAt', out, i, width) >>> 0;
          const entry = engine.call('entryOf', window, width);
          expect(entry >= 0 && entry < 2 ** (width - 1)).toBe(true);
          const magnitude = BigInt(2 * entry + 1);
          sum += (engine.call('isNegative', window, width) ? -magnitude : magnitude) << BigInt(width * i);
        }
        // L is added to even scalars: the points have that order.
        expect(sum).toBe(scalar % 2n === 0n ? scalar + L : scalar);
      }),
      { numRuns: 2000 },
    );
  });
});

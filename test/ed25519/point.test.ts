import { Point } from '@noble/ed25519';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { SMALL_ORDER_ENCODINGS } from '../../engine/protocol/index.js';
import {
  decodeOrUndefined,
  fromLittleEndian,
  invertModP,
  L,
  modL,
  modP,
  P,
  powModP,
  SQRT_M1,
  TORSION,
  times,
  toLittleEndian,
} from './curve.js';
import { REFUSED_ENCODINGS } from './edge-cases.js';
import { compileInternals, createInternals, type Internals, isReduced } from './internals.js';
import { SPECIAL_SCALARS } from './material.js';

const POINT_BYTES = 144;
const ELEMENT_BYTES = 36;
const MONTGOMERY_BYTES = 72;

let engine: Internals;
/** Places for points and bytes. */
let at: (index: number) => number;

beforeAll(async () => {
  engine = createInternals(await compileInternals());
  at = engine.place;
}, 60_000);

/** Points of all orders: multiples of B, points of small order, sums of both. */
const scalar = fc.oneof(
  fc.bigInt({ min: 0n, max: L - 1n }),
  fc.constantFrom(0n, 1n, 2n, L - 1n, ...SPECIAL_SCALARS),
);
const point: fc.Arbitrary<Point> = fc
  .tuple(scalar, fc.oneof(fc.constant(0), fc.nat(7)))
  .map(([n, torsion]) => times(n, Point.BASE).add(TORSION[torsion]!));
/** The same point with another Z. */
const scale = fc.oneof(fc.constantFrom(1n, 2n, P - 1n, SQRT_M1), fc.bigInt({ min: 1n, max: P - 1n }));

function putPoint(place: number, given: Point, factor = 1n): void {
  const { x, y } = given.toAffine();
  const coordinates = [x * factor, y * factor, factor, x * y * factor];
  for (const [i, value] of coordinates.entries()) engine.putNumber(place + i * ELEMENT_BYTES, modP(value));
}

function readPoint(place: number, withT: boolean): Point {
  const [X, Y, Z, T] = [0, 1, 2, 3].map((i) => engine.value(place + i * ELEMENT_BYTES)) as [
    bigint,
    bigint,
    bigint,
    bigint,
  ];
  expect(Z).not.toBe(0n);
  for (let i = 0; i < (withT ? 4 : 3); i++)
    expect(isReduced(engine.limbs(place + i * ELEMENT_BYTES))).toBe(true);
  if (withT) expect(modP(T * Z)).toBe(modP(X * Y));
  const inverse = invertModP(Z);
  return Point.fromAffine({ x: modP(X * inverse), y: modP(Y * inverse) });
}

function encode(place: number): string {
  engine.call('encodePoint', at(90), place);
  return Buffer.from(engine.bytes(at(90), 32)).toString('hex');
}

/** [n]P for any n, also where P has torsion and n must not be reduced. */
function multiple(n: bigint, of: Point): Point {
  let result = Point.ZERO;
  let power = of;
  for (let rest = n; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = result.add(power);
    power = power.double();
  }
  return result;
}

describe('encodings', () => {
  function decode(bytes: Uint8Array): Point | undefined {
    engine.putBytes(at(91), bytes);
    return engine.call('decodePoint', at(0), at(91)) === 1 ? readPoint(at(0), true) : undefined;
  }

  function expectDecoded(bytes: Uint8Array): void {
    const right = decodeOrUndefined(bytes);
    const found = decode(bytes);
    expect(found?.toHex(), Buffer.from(bytes).toString('hex')).toBe(right?.toHex());
    if (found) {
      expect(encode(at(0))).toBe(Buffer.from(bytes).toString('hex'));
      expect(engine.value(at(0) + 2 * ELEMENT_BYTES)).toBe(1n);
    }
  }

  test('of every y near 0, near p and at powers of 2 decode as in RFC 8032, with both signs', () => {
    const near = Array.from({ length: 300 }, (_, i) => BigInt(i));
    const ys = [
      ...near,
      ...near.map((distance) => P - distance),
      ...Array.from({ length: 19 }, (_, i) => P + BigInt(i)),
      ...Array.from({ length: 255 }, (_, bit) => 2n ** BigInt(bit)),
    ];
    for (const y of ys) for (const sign of [0n, 2n ** 255n]) expectDecoded(toLittleEndian(y + sign));
  });

  test('of any bytes decode as in RFC 8032', () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), expectDecoded), { numRuns: 1000 });
  });

  test('that are not canonical are refused, also x = 0 with a sign', () => {
    for (const bytes of REFUSED_ENCODINGS) expectDecoded(bytes);
    const decoded = SMALL_ORDER_ENCODINGS.filter((bytes) => decode(bytes) !== undefined);
    expect(decoded).toHaveLength(8);
  });

  test('are told apart: canonical, of small order', () => {
    const any = fc.oneof(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc
        .integer({ min: -40, max: 18 })
        .chain((d) => fc.constantFrom(0n, 2n ** 255n).map((sign) => toLittleEndian(P + BigInt(d) + sign))),
      fc.constantFrom(...SMALL_ORDER_ENCODINGS),
      // One byte away from what is refused.
      fc
        .tuple(fc.constantFrom(...REFUSED_ENCODINGS), fc.nat(31), fc.nat(255))
        .map(([bytes, position, byte]) => bytes.with(position, byte)),
    );
    const smallYs = new Set(
      SMALL_ORDER_ENCODINGS.slice(0, 8).map((bytes) => fromLittleEndian(bytes) % 2n ** 255n),
    );
    fc.assert(
      fc.property(any, (bytes) => {
        const y = fromLittleEndian(bytes) % 2n ** 255n;
        engine.putBytes(at(91), bytes);
        expect(engine.call('isCanonicalY', at(91))).toBe(y < P ? 1 : 0);
        if (y < P) expect(engine.call('isSmallOrderY', at(91))).toBe(smallYs.has(y) ? 1 : 0);
      }),
      { numRuns: 5000 },
    );
  });

  test('do not depend on Z', () => {
    fc.assert(
      fc.property(point, scale, (given, factor) => {
        putPoint(at(0), given, factor);
        expect(encode(at(0))).toBe(given.toHex());
      }),
      { numRuns: 200 },
    );
  });
});

describe('sums of extended points', () => {
  test('are complete: any two points, equal, opposite, neutral, of any order, at any Z', () => {
    fc.assert(
      fc.property(
        point,
        point,
        scale,
        scale,
        fc.boolean(),
        fc.constantFrom('other', 'same', 'opposite'),
        (p, q, f, g, withT, how) => {
          const second = how === 'other' ? q : how === 'same' ? p : p.negate();
          putPoint(at(0), p, f);
          putPoint(at(1), second, g);
          engine.call('toCached', at(2), at(1));
          for (const negative of [0, 1]) {
            engine.call('addCached', at(3), at(0), at(2), negative, withT ? 1 : 0);
            const right = negative ? p.subtract(second) : p.add(second);
            expect(readPoint(at(3), withT).equals(right)).toBe(true);
          }
          engine.call('addCached', at(0), at(0), at(2), 0, withT ? 1 : 0);
          expect(readPoint(at(0), withT).equals(p.add(second)), 'in place').toBe(true);
        },
      ),
      { numRuns: 400 },
    );
  });

  test('of all pairs of points of small order, alone and with B', () => {
    const points = TORSION.flatMap((torsion) => [
      torsion,
      torsion.add(Point.BASE),
      torsion.subtract(Point.BASE),
    ]);
    for (const p of points) {
      for (const q of points) {
        putPoint(at(0), p, 3n);
        putPoint(at(1), q, 5n);
        engine.call('toCached', at(2), at(1));
        engine.call('addCached', at(3), at(0), at(2), 0, 1);
        expect(readPoint(at(3), true).equals(p.add(q))).toBe(true);
        engine.call('addCached', at(3), at(0), at(2), 1, 1);
        expect(readPoint(at(3), true).equals(p.subtract(q))).toBe(true);
      }
    }
  });

  test('doubling, negation and the neutral point', () => {
    fc.assert(
      fc.property(point, scale, fc.boolean(), (p, factor, withT) => {
        putPoint(at(0), p, factor);
        engine.call('double', at(1), at(0), withT ? 1 : 0);
        expect(readPoint(at(1), withT).equals(p.double())).toBe(true);
        engine.call('double', at(0), at(0), 1);
        expect(readPoint(at(0), true).equals(p.double())).toBe(true);
        engine.call('negatePoint', at(2), at(0));
        const reduced = [0, 1, 2, 3].map((i) => engine.value(at(2) + i * ELEMENT_BYTES));
        const [X, Y, Z, T] = reduced as [bigint, bigint, bigint, bigint];
        expect(modP(T * Z)).toBe(modP(X * Y));
        const negated = p.double().negate().toAffine();
        expect([modP(X * invertModP(Z)), modP(Y * invertModP(Z))]).toEqual([negated.x, negated.y]);
      }),
      { numRuns: 200 },
    );
    engine.call('setNeutral', at(0));
    expect(readPoint(at(0), true).is0()).toBe(true);
  });

  test('keep the group law through long walks', () => {
    fc.assert(
      fc.property(
        point,
        fc.array(fc.tuple(point, fc.nat(2)), { minLength: 1, maxLength: 20 }),
        (start, steps) => {
          putPoint(at(0), start, 7n);
          let right = start;
          for (const [next, what] of steps) {
            if (what === 2) {
              engine.call('double', at(0), at(0), 1);
              right = right.double();
              continue;
            }
            putPoint(at(1), next, 11n);
            engine.call('toCached', at(2), at(1));
            engine.call('addCached', at(0), at(0), at(2), what, 1);
            right = what === 1 ? right.subtract(next) : right.add(next);
          }
          expect(readPoint(at(0), true).equals(right)).toBe(true);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('[a]P + [b]B', () => {
  const below255 = fc.oneof(
    scalar,
    fc.bigInt({ min: 0n, max: 2n ** 255n - 1n }),
    fc.constantFrom(L, L + 1n, 8n * L, 2n ** 254n, 2n ** 255n - 1n, 2n ** 255n - 19n),
    fc.nat(254).map((bit) => 2n ** BigInt(bit)),
    fc.nat(255).map((bit) => 2n ** BigInt(bit) - 1n),
    fc
      .constantFrom(0x11, 0x55, 0x77, 0x88, 0xaa, 0xee)
      .map((byte) => fromLittleEndian(new Uint8Array(31).fill(byte))),
  );

  test('for any numbers below 2^255 and any point, of small order too', () => {
    fc.assert(
      fc.property(below255, below255, point, (a, b, p) => {
        putPoint(at(0), p);
        engine.putBytes(at(1), toLittleEndian(a));
        engine.putBytes(at(2), toLittleEndian(b));
        engine.call('combine', at(3), at(1), at(0), at(2));
        expect(readPoint(at(3), false).equals(multiple(a, p).add(multiple(b, Point.BASE)))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('with P a small multiple of B, where sums on the way are equal, opposite and neutral', () => {
    const small = [0n, 1n, 2n, 3n, 15n, 16n, 17n, 63n, 64n];
    for (const m of [1n, 2n, 3n, 8n, 63n, L - 1n, L - 2n]) {
      putPoint(at(0), times(m, Point.BASE));
      for (const a of [...small, L - 1n, L, 2n ** 252n]) {
        for (const b of [...small, L - 1n, L, 2n ** 252n, modL(-a * m), modL(a * m), modL(1n - a * m)]) {
          engine.putBytes(at(1), toLittleEndian(a));
          engine.putBytes(at(2), toLittleEndian(b));
          engine.call('combine', at(3), at(1), at(0), at(2));
          expect(encode(at(3)), `m ${m}, a ${a}, b ${b}`).toBe(times(modL(a * m + b), Point.BASE).toHex());
        }
      }
    }
  });
});

/** In Montgomery's form: u = (1 + y) / (1 - y), v = c u / x with c^2 = -486664. */
interface Affine {
  readonly u: bigint;
  readonly v: bigint;
}

/** The root of -486664 that RFC 7748 section 4.1 names; the sign is a convention of the two directions together. */
function rootOfMinusA2(): bigint {
  const square = modP(-486664n);
  let root = powModP(square, (P + 3n) / 8n);
  if (modP(root * root) !== square) root = modP(root * SQRT_M1);
  return root;
}

function montgomery(p: Point, c: bigint): Affine {
  const { x, y } = p.toAffine();
  const u = modP((1n + y) * invertModP(1n - y));
  return { u, v: modP(c * u * invertModP(x)) };
}

describe('points in Montgomery form', () => {
  /** Either root, as the engine chose. */
  let c: bigint;

  function readAffine(place: number): Affine {
    return { u: engine.value(place), v: engine.value(place + ELEMENT_BYTES) };
  }
  function putAffine(place: number, { u, v }: Affine): void {
    engine.putNumber(place, u);
    engine.putNumber(place + ELEMENT_BYTES, v);
  }

  beforeAll(() => {
    putPoint(at(0), Point.BASE);
    engine.call('toMontgomery', at(1), at(0), 1, engine.call('productsAddress'));
    const root = rootOfMinusA2();
    c = [root, P - root].find((each) => montgomery(Point.BASE, each).v === readAffine(at(1)).v)!;
    expect(modP(c * c)).toBe(modP(-486664n));
  });

  const honest = fc.bigInt({ min: 1n, max: L - 1n }).map((n) => times(n, Point.BASE));

  test('are those of RFC 7748, and on the curve', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(honest, scale), { minLength: 1, maxLength: 5 }), (points) => {
        const from = at(0);
        const to = at(10);
        for (const [i, [p, factor]] of points.entries()) putPoint(from + i * POINT_BYTES, p, factor);
        engine.call('toMontgomery', to, from, points.length, engine.call('productsAddress'));
        for (const [i, [p]] of points.entries()) {
          const { u, v } = readAffine(to + i * MONTGOMERY_BYTES);
          expect({ u, v }).toEqual(montgomery(p, c));
          expect(modP(v * v)).toBe(modP(u ** 3n + 486662n * u * u + u));
        }
      }),
      { numRuns: 100 },
    );
  });

  test('become extended points again', () => {
    fc.assert(
      fc.property(honest, (p) => {
        putAffine(at(0), montgomery(p, c));
        engine.call('fromMontgomery', at(1), at(0), at(0) + ELEMENT_BYTES);
        expect(readPoint(at(1), true).equals(p)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  test('double in rows', () => {
    fc.assert(
      fc.property(fc.array(honest, { minLength: 1, maxLength: 6 }), (points) => {
        for (const [i, p] of points.entries()) putAffine(at(0) + i * MONTGOMERY_BYTES, montgomery(p, c));
        engine.call('doubleRow', at(10), at(0), points.length, engine.call('productsAddress'));
        for (const [i, p] of points.entries())
          expect(readAffine(at(10) + i * MONTGOMERY_BYTES)).toEqual(montgomery(p.double(), c));
        engine.call('doubleRow', at(0), at(0), points.length, engine.call('productsAddress'));
        for (const [i, p] of points.entries())
          expect(readAffine(at(0) + i * MONTGOMERY_BYTES)).toEqual(montgomery(p.double(), c));
      }),
      { numRuns: 60 },
    );
  });

  test('add up in rows; columns in which equal or opposite points meet are flagged and do not touch the others', () => {
    const cell = fc.tuple(
      honest,
      honest,
      fc.constantFrom('other', 'other', 'other', 'other', 'same', 'opposite'),
    );
    const grid = fc
      .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 5 }))
      .chain(([rows, columns]) =>
        fc.record({
          columns: fc.constant(columns),
          cells: fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), {
            minLength: rows,
            maxLength: rows,
          }),
          flags: fc.array(fc.constantFrom(0, 0, 0, 1), { minLength: columns, maxLength: columns }),
          sameRight: fc.boolean(),
          inPlace: fc.boolean(),
        }),
      );
    fc.assert(
      fc.property(grid, ({ columns, cells, flags, sameRight, inPlace }) => {
        const [left, right, out, flagsAt] = [at(0), at(20), inPlace ? at(0) : at(40), at(60)];
        const step = sameRight ? 0 : columns * MONTGOMERY_BYTES;
        const operands = cells.map((row, r) =>
          row.map(([p, q, how], i) => {
            const above = sameRight && r > 0 ? cells[0]![i]! : undefined;
            const [, other, otherHow] = above ?? [p, q, how];
            const base = above?.[0] ?? p;
            return { p, q: otherHow === 'other' ? other : otherHow === 'same' ? base : base.negate() };
          }),
        );
        for (const [r, row] of operands.entries()) {
          for (const [i, { p, q }] of row.entries()) {
            const place = (r * columns + i) * MONTGOMERY_BYTES;
            putAffine(left + place, montgomery(p, c));
            putAffine(right + r * step + i * MONTGOMERY_BYTES, montgomery(q, c));
            if (!inPlace) putAffine(out + place, { u: 5n, v: 7n });
          }
        }
        engine.putBytes(flagsAt, Uint8Array.from(flags));
        engine.call(
          'addRows',
          out,
          left,
          right,
          step,
          cells.length,
          columns,
          flagsAt,
          engine.call('productsAddress'),
        );
        const after = engine.bytes(flagsAt, columns);
        for (let i = 0; i < columns; i++) {
          const column = operands.map((row) => row[i]!);
          const meet = column.some(({ p, q }) => p.equals(q) || p.equals(q.negate()));
          // A column may be flagged before; then it is not looked at.
          expect(after[i] !== 0).toBe(flags[i] === 1 || meet);
          if (after[i] !== 0) continue;
          for (const [r, { p, q }] of column.entries())
            expect(readAffine(out + (r * columns + i) * MONTGOMERY_BYTES)).toEqual(montgomery(p.add(q), c));
        }
      }),
      { numRuns: 150 },
    );
  });

  describe('in tables', () => {
    test.each([
      ['key', 'KEY', 1n],
      ['key', 'KEY', L - 1n],
      ['key', 'KEY', 0x123456789abcdefn],
      ['base', 'BASE', 1n],
    ])('of the %s shape are all odd multiples of all windows', (_name, prefix, scalarOfPoint) => {
      const width = engine.constant(`${prefix}_WIDTH`);
      const windows = engine.constant(`${prefix}_WINDOWS`);
      const entries = 2 ** (width - 1);
      const tables = engine.call('keyTablesAddress');
      const missing = tables + windows * entries * 64 - engine.memory.buffer.byteLength;
      if (missing > 0) engine.memory.grow(Math.ceil(missing / 65_536));
      const p = times(scalarOfPoint, Point.BASE);
      // Building uses the scratch room, so the point lies in the product's staging place.
      const pointAt = engine.call('stagingAddress');
      putPoint(pointAt, p, 9n);
      const room = at(0);
      engine.call('buildTable', tables, pointAt, windows, width, room, engine.call('productsAddress'));
      const right: Point[] = [];
      for (let i = 0, first = p; i < windows; i++) {
        const twice = first.double();
        for (let j = 0, next = first; j < entries; j++, next = next.add(twice)) right.push(next);
        first = multiple(2n ** BigInt(width), first);
      }
      const shown = affineAll(right, c);
      for (const [i, { u, v }] of shown.entries()) {
        const entry = engine.bytes(tables + 64 * i, 64);
        expect(fromLittleEndian(entry.subarray(0, 32)), `entry ${i}`).toBe(u);
        expect(fromLittleEndian(entry.subarray(32)), `entry ${i}`).toBe(v);
      }
    });
  });
});

/** Montgomery forms of many points with one inversion. */
function affineAll(points: readonly Point[], c: bigint): Affine[] {
  // u = (Z + Y) / (Z - Y), v = c u Z / X: all denominators are X (Z - Y).
  const denominators = points.map(({ X, Y, Z }) => modP(X * (Z - Y)));
  const products = [1n];
  for (const each of denominators) products.push(modP(products.at(-1)! * each));
  let inverse = invertModP(products.at(-1)!);
  const affine: Affine[] = new Array(points.length);
  for (let i = points.length - 1; i >= 0; i--) {
    const one = modP(inverse * products[i]!);
    inverse = modP(inverse * denominators[i]!);
    const { X, Y, Z } = points[i]!;
    affine[i] = { u: modP((Z + Y) * X * one), v: modP(c * (Z + Y) * Z * one) };
  }
  return affine;
}

import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { fromLittleEndian, invertModP, modP, P, powModP, toLittleEndian } from './curve.js';
import { compileInternals, createInternals, type Internals, isReduced, limbsOf, sumOf } from './internals.js';

const I32_MAX = 2 ** 31 - 1;
const I32_MIN = -(2 ** 31);
/** The largest limbs of a reduced element, of a sum and of a difference of two. */
const REDUCED = 2 ** 29 + 2 ** 16;
const SUM = 2 * REDUCED;
/** Products accept limbs up to A and B with 9 A B below this. */
const PRODUCT_LIMIT = 2n ** 63n - 2n ** 47n;

/** The largest limb that may meet limbs up to `other`, `weight` times. */
function partner(other: number, weight = 1): number {
  const largest = (PRODUCT_LIMIT - 1n) / (9n * BigInt(weight) * BigInt(other));
  return Math.min(Number(largest), I32_MAX);
}

/** The largest A with 9 A A (times weight) below the limit. */
function largestSquare(weight = 1): number {
  let a = Math.floor(Math.sqrt(Number(PRODUCT_LIMIT) / (9 * weight)));
  while (9n * BigInt(weight) * BigInt(a) ** 2n >= PRODUCT_LIMIT) a--;
  return a;
}

let engine: Internals;
let out: number;
let a: number;
let b: number;
let c: number;
let e: number;

beforeAll(async () => {
  engine = createInternals(await compileInternals());
  [out, a, b, c, e] = [0, 1, 2, 3, 4].map((index) => engine.place(index)) as [
    number,
    number,
    number,
    number,
    number,
  ];
}, 60_000);

/** Limbs within a bound: mostly at edges, all alike, alternating, or alone. */
function element(bound: number, low = -bound): fc.Arbitrary<number[]> {
  const edge = fc
    .constantFrom(0, 1, -1, bound, bound - 1, low, low + 1, 2 ** 28, 2 ** 29 - 1)
    .filter((x) => x >= low && x <= bound);
  const limb = fc.oneof(edge, fc.integer({ min: low, max: bound }));
  const nine = fc.array(limb, { minLength: 9, maxLength: 9 });
  const alike = limb.map((x) => Array<number>(9).fill(x));
  const alone = fc
    .tuple(limb, limb, fc.nat(8))
    .map(([x, y, i]) => Array.from({ length: 9 }, (_, k) => (k === i ? x : y)));
  const alternating = fc
    .tuple(limb, limb)
    .map(([x, y]) => Array.from({ length: 9 }, (_, k) => (k % 2 === 0 ? x : y)));
  return fc.oneof({ weight: 4, arbitrary: nine }, alike, alone, alternating);
}

/** What products give: the shape of a reduced element. */
const reduced: fc.Arbitrary<number[]> = fc
  .tuple(
    element(2 ** 29 - 1, 0),
    fc.oneof(fc.constantFrom(-(2 ** 16), REDUCED), fc.integer({ min: -(2 ** 16), max: REDUCED })),
  )
  .map(([limbs, second]) => limbs.with(1, second));

const anyI32 = element(I32_MAX, I32_MIN);

/** Multiples of p and their neighbours, as far as elements reach, and numbers below p. */
const number: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: 0n, max: P - 1n }),
  fc
    .tuple(fc.integer({ min: -64, max: 64 }), fc.integer({ min: -20, max: 20 }))
    .map(([n, d]) => BigInt(n) * P + BigInt(d)),
  fc
    .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: -1, max: 1 }))
    .map(([n, d]) => 2n ** BigInt(n) + BigInt(d)),
);

interface Product {
  readonly name: string;
  /** Largest limbs on both sides, one line for each extreme of the bound. */
  readonly bounds: readonly (readonly [number, number])[];
  run(x: readonly number[], y: readonly number[], z: readonly number[], w: readonly number[]): void;
  expected(x: bigint, y: bigint, z: bigint, w: bigint): bigint;
}

/** x within A, y within B, z and w whatever an i32 holds. */
const PRODUCTS: readonly Product[] = [
  {
    name: 'mul',
    bounds: boundsOf(1),
    run: (x, y) => run('mul', x, y),
    expected: (x, y) => x * y,
  },
  {
    name: 'mulTwice',
    bounds: boundsOf(2),
    run: (x, y) => run('mulTwice', x, y),
    expected: (x, y) => 2n * x * y,
  },
  {
    name: 'mulAdd',
    bounds: boundsOf(1),
    run: (x, y, z) => run('mulAdd', x, y, z),
    expected: (x, y, z) => x * y + z,
  },
  {
    name: 'mulDiff',
    bounds: boundsOf(1),
    run: (x, y, z) => run('mulDiff', x, ...split(y, z)),
    expected: (x, y) => x * y,
  },
  {
    name: 'mulDiffSub',
    bounds: boundsOf(1),
    run: (x, y, z, w) => run('mulDiffSub', x, ...split(y, z), w),
    expected: (x, y, _z, w) => x * y - w,
  },
  {
    name: 'square',
    bounds: [[largestSquare(), 0]],
    run: (x) => run('square', x),
    expected: (x) => x * x,
  },
  {
    name: 'squareTwiceSub',
    bounds: [[largestSquare(2), 0]],
    run: (x, _y, z) => run('squareTwiceSub', x, z),
    expected: (x, _y, z) => 2n * x * x - z,
  },
  {
    name: 'squareSub',
    bounds: [[largestSquare(), 0]],
    run: (x, _y, z, w) => {
      put(x, z, w);
      engine.callWide('squareSub', [out, a, b, c], SQUARE_CONSTANT);
    },
    expected: (x, _y, z, w) => x * x - z - w - SQUARE_CONSTANT,
  },
];

const SQUARE_CONSTANT = 2n ** 32n - 1n;

function boundsOf(weight: number): [number, number][] {
  return [
    [REDUCED, partner(REDUCED, weight)],
    [SUM, Math.min(partner(SUM, weight), I32_MAX)],
    [I32_MAX, partner(I32_MAX, weight)],
    [largestSquare(weight), largestSquare(weight)],
    [partner(I32_MAX, weight), weight === 1 ? I32_MAX : partner(partner(I32_MAX, weight), weight)],
  ];
}

/** y as a difference of two i32 whose first part is y + z where that fits. */
function split(y: readonly number[], z: readonly number[]): [number[], number[]] {
  const right = z.map((limb, i) => {
    const least = Math.max(I32_MIN, I32_MIN - y[i]!);
    const most = Math.min(I32_MAX, I32_MAX - y[i]!);
    return Math.max(least, Math.min(most, limb));
  });
  return [y.map((limb, i) => limb + right[i]!), right];
}

function put(...elements: (readonly number[])[]): void {
  for (const [i, limbs] of elements.entries()) engine.putLimbs([a, b, c, e][i]!, limbs);
}

function run(name: string, ...elements: (readonly number[])[]): void {
  put(...elements);
  engine.call(name, out, ...[a, b, c, e].slice(0, elements.length));
}

function expectProduct(product: Product, x: number[], y: number[], z: number[], w: number[]): void {
  product.run(x, y, z, w);
  const limbs = engine.limbs(out);
  const right = modP(product.expected(sumOf(x), sumOf(y), sumOf(z), sumOf(w)));
  if (modP(sumOf(limbs)) !== right || !isReduced(limbs))
    expect.fail(`${product.name} of ${JSON.stringify({ x, y, z, w })} gives ${JSON.stringify(limbs)}`);
}

describe('products', () => {
  describe.each(PRODUCTS)('$name', (product) => {
    test.each(product.bounds)('is right and reduced up to limbs of %i and %i', (A, B) => {
      fc.assert(
        fc.property(element(A), element(B), anyI32, anyI32, (x, y, z, w) =>
          expectProduct(product, x, y, z, w),
        ),
        { numRuns: 1500 },
      );
    });

    test.each(product.bounds)('is right with every limb at every edge of %i and %i', (A, B) => {
      const patterns = (bound: number) =>
        [0, 1, -1, bound, -bound].flatMap((rest) =>
          [0, 1, -1, bound, -bound].flatMap((one) =>
            Array.from({ length: 9 }, (_, i) => Array<number>(9).fill(rest).with(i, one)),
          ),
        );
      const extremes = [I32_MAX, I32_MIN, 0].map((limb) => Array<number>(9).fill(limb));
      const [xs, ys] = [patterns(A), patterns(B)];
      for (const [i, x] of xs.entries())
        for (let j = i % 17; j < ys.length; j += 17)
          expectProduct(product, x, ys[j]!, extremes[i % 3]!, extremes[j % 3]!);
      for (const x of [A, -A])
        for (const y of [B, -B])
          for (const z of extremes)
            for (const w of extremes)
              expectProduct(product, Array<number>(9).fill(x), Array<number>(9).fill(y), z, w);
    });
  });

  test('may be written to the place of any operand', () => {
    fc.assert(
      fc.property(reduced, reduced, reduced, reduced, (x, y, z, w) => {
        const [X, Y, Z, W] = [x, y, z, w].map(sumOf) as [bigint, bigint, bigint, bigint];
        const operands = [a, b, c, e];
        const check = (name: string, count: number, right: bigint) => {
          for (let target = 0; target < count; target++) {
            put(x, y, z, w);
            engine.call(name, operands[target]!, ...operands.slice(0, count));
            expect(engine.value(operands[target]!), `${name}, operand ${target}`).toBe(modP(right));
          }
        };
        check('mul', 2, X * Y);
        check('mulTwice', 2, 2n * X * Y);
        check('mulAdd', 3, X * Y + Z);
        check('mulDiff', 3, X * (Y - Z));
        check('mulDiffSub', 4, X * (Y - Z) - W);
        check('square', 1, X * X);
        check('squareTwiceSub', 2, 2n * X * X - Y);
        put(x);
        engine.call('mul', a, a, a);
        expect(engine.value(a)).toBe(modP(X * X));
      }),
      { numRuns: 300 },
    );
  });

  test('are associative, commutative and distributive, and square is the product with itself', () => {
    const result = (name: string, x: number[], y: number[]) => {
      run(name, x, y);
      return engine.limbs(out);
    };
    const times = (x: number[], y: number[]) => result('mul', x, y);
    const same = (x: number[], y: number[]) => {
      put(x, y);
      return engine.call('isEqual', a, b) === 1;
    };
    fc.assert(
      fc.property(reduced, reduced, reduced, (x, y, z) => {
        expect(same(times(x, y), times(y, x))).toBe(true);
        expect(same(times(times(x, y), z), times(x, times(y, z)))).toBe(true);
        const left = times(result('add', x, y), z);
        expect(same(left, result('add', times(x, z), times(y, z)))).toBe(true);
        run('square', x);
        expect(same(engine.limbs(out), times(x, x))).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test('keep the bounds through long chains', () => {
    fc.assert(
      fc.property(anyI32, (x) => {
        run('reduce', x);
        let right = modP(sumOf(x));
        for (let i = 0; i < 40; i++) {
          engine.call(i % 3 === 0 ? 'mul' : 'square', out, ...(i % 3 === 0 ? [out, out] : [out]));
          right = (right * right) % P;
          expect(isReduced(engine.limbs(out))).toBe(true);
        }
        expect(engine.value(out)).toBe(right);
      }),
      { numRuns: 200 },
    );
  });
});

describe('sums', () => {
  const half = element(2 ** 30 - 1);
  const quarter = element(2 ** 29 - 1);

  test('and differences are exact, limb by limb', () => {
    fc.assert(
      fc.property(half, half, quarter, (x, y, z) => {
        run('add', x, y);
        expect(engine.sum(out)).toBe(sumOf(x) + sumOf(y));
        run('sub', x, y);
        expect(engine.sum(out)).toBe(sumOf(x) - sumOf(y));
        run('subTwice', x, z);
        expect(engine.sum(out)).toBe(sumOf(x) - 2n * sumOf(z));
        run('negate', x);
        expect(engine.sum(out)).toBe(-sumOf(x));
        run('copy', x);
        expect(engine.limbs(out)).toEqual(x);
      }),
    );
  });

  test('may be written to the place of an operand', () => {
    fc.assert(
      fc.property(half, quarter, (x, y) => {
        for (const [name, right] of [
          ['add', sumOf(x) + sumOf(y)],
          ['sub', sumOf(x) - sumOf(y)],
          ['subTwice', sumOf(x) - 2n * sumOf(y)],
        ] as const) {
          for (const target of [a, b]) {
            put(x, y);
            engine.call(name, target, a, b);
            expect(engine.sum(target), name).toBe(right);
          }
        }
      }),
    );
  });

  test('setSmall gives the number', () => {
    for (const small of [0, 1, 2, 19, 486_662, 2 ** 29 - 1]) {
      put(Array<number>(9).fill(-1));
      engine.call('setSmall', a, small);
      expect(engine.sum(a)).toBe(BigInt(small));
    }
  });
});

describe('the unique value', () => {
  test('is that of any limbs', () => {
    fc.assert(
      fc.property(anyI32, (x) => {
        put(x);
        engine.call('toBytes', out, a);
        expect(fromLittleEndian(engine.bytes(out, 32))).toBe(modP(sumOf(x)));
        expect(engine.call('isZero', a)).toBe(modP(sumOf(x)) === 0n ? 1 : 0);
        expect(engine.call('isOdd', a)).toBe(Number(modP(sumOf(x)) & 1n));
        run('reduce', x);
        expect(isReduced(engine.limbs(out))).toBe(true);
        expect(engine.value(out)).toBe(modP(sumOf(x)));
      }),
      { numRuns: 5000 },
    );
  });

  test('is below p around every multiple of p that limbs can hold', () => {
    for (let multiple = -66n; multiple <= 66n; multiple++) {
      for (let distance = -25n; distance <= 25n; distance++) {
        const value = multiple * P + distance;
        engine.putNumber(a, value);
        engine.call('toBytes', out, a);
        expect(fromLittleEndian(engine.bytes(out, 32)), `${multiple} p + ${distance}`).toBe(modP(distance));
        expect(engine.call('isZero', a)).toBe(distance === 0n ? 1 : 0);
        expect(engine.call('isOdd', a)).toBe(Number(modP(distance) & 1n));
      }
    }
  });

  test('decides equality', () => {
    fc.assert(
      fc.property(
        number,
        fc.integer({ min: -32, max: 32 }),
        fc.constantFrom(0n, 0n, 1n, -1n, 19n, 2n ** 254n),
        (x, n, d) => {
          engine.putNumber(a, modP(x));
          engine.putNumber(b, modP(x) + BigInt(n) * P + d);
          expect(engine.call('isEqual', a, b)).toBe(modP(d) === 0n ? 1 : 0);
          expect(engine.call('isEqual', b, a)).toBe(modP(d) === 0n ? 1 : 0);
        },
      ),
    );
  });

  test('is zero only if every bit is', () => {
    for (let bit = 0n; bit < 255n; bit++) {
      engine.putNumber(a, 2n ** bit);
      expect(engine.call('isZero', a), `2^${bit}`).toBe(0);
      engine.putNumber(b, 0n);
      expect(engine.call('isEqual', a, b), `2^${bit}`).toBe(0);
    }
  });

  test('is read from bytes without the highest bit, with either sign', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      number.map((x) => toLittleEndian(modP(x))),
      fc.constantFrom(0, 1, 0x7f, 0x80, 0xff).map((byte) => new Uint8Array(32).fill(byte)),
      fc.integer({ min: 0, max: 40 }).map((i) => toLittleEndian(P - 20n + BigInt(i))),
    );
    fc.assert(
      fc.property(bytes, (given) => {
        const right = fromLittleEndian(given) & (2n ** 255n - 1n);
        engine.putBytes(b, given);
        engine.call('fromBytes', a, b);
        expect(engine.sum(a)).toBe(right);
        expect(engine.limbs(a)).toEqual(limbsOf(right));
        engine.callWide('fromBytesSigned', [a, b], -1n);
        expect(engine.sum(a)).toBe(-right);
        engine.callWide('fromBytesSigned', [a, b], 1n);
        expect(engine.sum(a)).toBe(right);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('powers', () => {
  test('an element times its inverse is 1; the inverse of 0 is 0', () => {
    const edges = [
      0n,
      1n,
      2n,
      19n,
      P - 1n,
      P - 2n,
      (P - 1n) / 2n,
      (P + 1n) / 2n,
      P,
      P + 1n,
      2n * P,
      63n * P,
      2n ** 255n - 1n,
    ];
    fc.assert(
      fc.property(fc.oneof(fc.constantFrom(...edges.map(limbsOf)), reduced), (x) => {
        put(x);
        engine.call('invert', out, a);
        expect(engine.value(out)).toBe(invertModP(sumOf(x)));
        expect(isReduced(engine.limbs(out))).toBe(true);
        engine.call('invert', a, a);
        expect(engine.value(a)).toBe(invertModP(sumOf(x)));
      }),
      { numRuns: 300 },
    );
  });

  test('inverses of public values are the same, and end, for any limbs', () => {
    fc.assert(
      fc.property(fc.oneof(anyI32, reduced, number.map(limbsOf)), (x) => {
        put(x);
        engine.call('invertPublic', out, a);
        expect(engine.value(out)).toBe(invertModP(sumOf(x)));
        expect(isReduced(engine.limbs(out))).toBe(true);
        engine.call('invertPublic', a, a);
        expect(engine.value(a)).toBe(invertModP(sumOf(x)));
      }),
      { numRuns: 1000 },
    );
  });

  test('inverses of public values: powers of 2, their sums and quotients, and very many others', () => {
    engine.putNumber(c, 1n);
    const check = (value: bigint) => {
      engine.putNumber(a, value);
      engine.call('invertPublic', b, a);
      engine.call('mul', out, a, b);
      if (engine.call('isEqual', out, c) !== 1) expect.fail(`the inverse of ${value}`);
    };
    for (let i = 0n; i < 255n; i++) {
      for (const value of [2n ** i, P - 2n ** i, powModP((P + 1n) / 2n, i), 2n ** 255n - 2n ** i])
        check(modP(value));
      for (let j = 0n; j < i; j += 5n) for (const sign of [1n, -1n]) check(2n ** i + sign * 2n ** j);
    }
    for (let n = 1n; n < 40n; n++)
      for (let d = 1n; d < 40n; d++) for (const sign of [1n, -1n]) check(modP(sign * n * invertModP(d)));
    // A walk through the field: each value is made from the inverse before.
    engine.putNumber(a, 3n);
    engine.putNumber(e, 7n);
    for (let i = 0; i < 200_000; i++) {
      engine.call('invertPublic', b, a);
      engine.call('mul', out, a, b);
      if (engine.call('isEqual', out, c) !== 1) expect.fail(`the inverse of ${engine.value(a)}`);
      engine.call('add', a, b, e);
      engine.call('reduce', a, a);
    }
  });

  test('square roots of ratios exist for half of all, and all four cases of the exponentiation occur', () => {
    const seen = new Set<bigint>();
    const minusOne = P - 1n;
    fc.assert(
      fc.property(reduced, reduced, (x, y) => {
        const [u, v] = [modP(sumOf(x)), modP(sumOf(y))];
        if (v === 0n) return;
        const ratio = modP(u * invertModP(v));
        seen.add(powModP(ratio, (P - 1n) / 4n));
        const exists = u === 0n || powModP(ratio, (P - 1n) / 2n) === 1n;
        put(x, y);
        expect(engine.call('squareRootOfRatio', out, a, b)).toBe(exists ? 1 : 0);
        if (exists) expect(modP(engine.value(out) ** 2n * v)).toBe(u);
      }),
      { numRuns: 400 },
    );
    expect(seen.has(1n)).toBe(true);
    expect(seen.has(minusOne)).toBe(true);
    expect([...seen].filter((power) => power > 1n && power !== minusOne)).toHaveLength(2);
  });

  test('roots of squares, of -1 and of 0, in representations at and above p', () => {
    for (const u of [0n, P, 2n * P, 1n, P + 1n, 4n, 9n, P - 1n, P - 4n, 2n, P - 2n, 2n ** 255n - 1n]) {
      for (const v of [1n, P + 1n, 4n, P - 1n, 2n, 8n, 486_662n]) {
        engine.putNumber(a, u);
        engine.putNumber(b, v);
        const ratio = modP(u * invertModP(v));
        const exists = powModP(ratio, (P - 1n) / 2n) !== P - 1n;
        expect(engine.call('squareRootOfRatio', out, a, b), `${u} / ${v}`).toBe(exists ? 1 : 0);
        if (exists) expect(modP(engine.value(out) ** 2n * v)).toBe(modP(u));
      }
    }
  });
});

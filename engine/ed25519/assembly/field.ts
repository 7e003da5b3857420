/**
 * The field of the integers modulo p = 2^255 - 19 (RFC 8032 section 5.1), multiplication and its relatives.
 *
 * An element is nine limbs of 29 bits, x = sum of limb[i] * 2^(29 i), kept in memory as nine i32 (36 bytes). Limbs are signed
 * and may stand outside of 29 bits, so that sums and differences need no carrying:
 *
 * - *reduced*: limb[1] within [-2^16, 2^29 + 2^16], all others within [0, 2^29). What every product is. The value may
 *   still be p or more, up to 2^261; only `toBytes` makes it unique.
 * - a product accepts limbs up to A in magnitude on one side and B on the other if 9 * A * B < 2^63 - 2^47. So a
 *   difference or a sum of two reduced elements may be multiplied with a reduced one or with a difference, but not a sum
 *   with a sum. Operands may be the same place as the result.
 *
 * Why 29 bits: nine products of two such limbs just fit into the 64 bits that WebAssembly multiplies to, and nine limbs
 * need fewer multiplications than the usual ten. No routine here branches on values.
 */

/** Bytes of an element in memory. */
export const FIELD_BYTES: usize = 36;

const MASK: i64 = (1 << 29) - 1;
/** 2^261 = 64 * 2^255 = 64 * 19 modulo p: what a carry out of the last limb is worth in the first. */
const FOLD: i64 = 1216;

// @ts-ignore: decorator
@inline
function limb(at: usize, index: usize): i64 {
  return i64.load32_s(at + 4 * index);
}

/**
 * out = carried sum of c[k] * 2^(29 k), k = 0 ... 16, |c[k]| < 2^63 - 2^46. First the upper eight columns are brought to
 * 29 bits and folded into the lower nine, then these are carried.
 */
// @ts-ignore: decorator
@inline
function carryColumns(
  out: usize,
  c0: i64, c1: i64, c2: i64, c3: i64, c4: i64, c5: i64, c6: i64, c7: i64, c8: i64, c9: i64, c10: i64,
  c11: i64, c12: i64, c13: i64, c14: i64, c15: i64, c16: i64,
): void {
  c10 += c9 >> 29;
  c0 += FOLD * (c9 & MASK);
  c11 += c10 >> 29;
  c1 += FOLD * (c10 & MASK);
  c12 += c11 >> 29;
  c2 += FOLD * (c11 & MASK);
  c13 += c12 >> 29;
  c3 += FOLD * (c12 & MASK);
  c14 += c13 >> 29;
  c4 += FOLD * (c13 & MASK);
  c15 += c14 >> 29;
  c5 += FOLD * (c14 & MASK);
  c16 += c15 >> 29;
  c6 += FOLD * (c15 & MASK);
  c7 += FOLD * (c16 & MASK);
  c8 += FOLD * (c16 >> 29);

  c1 += c0 >> 29;
  c0 &= MASK;
  c2 += c1 >> 29;
  c1 &= MASK;
  c3 += c2 >> 29;
  i64.store32(out, c2 & MASK, 8);
  c4 += c3 >> 29;
  i64.store32(out, c3 & MASK, 12);
  c5 += c4 >> 29;
  i64.store32(out, c4 & MASK, 16);
  c6 += c5 >> 29;
  i64.store32(out, c5 & MASK, 20);
  c7 += c6 >> 29;
  i64.store32(out, c6 & MASK, 24);
  c8 += c7 >> 29;
  i64.store32(out, c7 & MASK, 28);
  c0 += FOLD * (c8 >> 29);
  i64.store32(out, c8 & MASK, 32);
  i64.store32(out, c1 + (c0 >> 29), 4);
  i64.store32(out, c0 & MASK, 0);
}

/**
 * out = a * b - s, reduced. Karatsuba's trick on three blocks of three limbs: 54 multiplications instead of 81. Only the
 * final columns must fit into 64 bits; what overflows on the way cancels out modulo 2^64.
 */
// @ts-ignore: decorator
@inline
function multiply(
  out: usize,
  a0: i64, a1: i64, a2: i64, a3: i64, a4: i64, a5: i64, a6: i64, a7: i64, a8: i64,
  b0: i64, b1: i64, b2: i64, b3: i64, b4: i64, b5: i64, b6: i64, b7: i64, b8: i64,
  s0: i64, s1: i64, s2: i64, s3: i64, s4: i64, s5: i64, s6: i64, s7: i64, s8: i64,
): void {
  // The blocks with themselves: low, middle, high.
  const l0 = a0 * b0;
  const l1 = a0 * b1 + a1 * b0;
  const l2 = a0 * b2 + a1 * b1 + a2 * b0;
  const l3 = a1 * b2 + a2 * b1;
  const l4 = a2 * b2;
  const m0 = a3 * b3;
  const m1 = a3 * b4 + a4 * b3;
  const m2 = a3 * b5 + a4 * b4 + a5 * b3;
  const m3 = a4 * b5 + a5 * b4;
  const m4 = a5 * b5;
  const h0 = a6 * b6;
  const h1 = a6 * b7 + a7 * b6;
  const h2 = a6 * b8 + a7 * b7 + a8 * b6;
  const h3 = a7 * b8 + a8 * b7;
  const h4 = a8 * b8;
  // Low with middle, both ways, at column 3.
  const xa0 = a0 + a3;
  const xb0 = b0 + b3;
  const xa1 = a1 + a4;
  const xb1 = b1 + b4;
  const xa2 = a2 + a5;
  const xb2 = b2 + b5;
  const x0 = xa0 * xb0 - l0 - m0;
  const x1 = xa0 * xb1 + xa1 * xb0 - l1 - m1;
  const x2 = xa0 * xb2 + xa1 * xb1 + xa2 * xb0 - l2 - m2;
  const x3 = xa1 * xb2 + xa2 * xb1 - l3 - m3;
  const x4 = xa2 * xb2 - l4 - m4;
  // Low with high, at column 6, where the middle block lies too.
  const ya0 = a0 + a6;
  const yb0 = b0 + b6;
  const ya1 = a1 + a7;
  const yb1 = b1 + b7;
  const ya2 = a2 + a8;
  const yb2 = b2 + b8;
  const y0 = ya0 * yb0 - l0 - h0 + m0;
  const y1 = ya0 * yb1 + ya1 * yb0 - l1 - h1 + m1;
  const y2 = ya0 * yb2 + ya1 * yb1 + ya2 * yb0 - l2 - h2 + m2;
  const y3 = ya1 * yb2 + ya2 * yb1 - l3 - h3 + m3;
  const y4 = ya2 * yb2 - l4 - h4 + m4;
  // Middle with high, at column 9.
  const za0 = a3 + a6;
  const zb0 = b3 + b6;
  const za1 = a4 + a7;
  const zb1 = b4 + b7;
  const za2 = a5 + a8;
  const zb2 = b5 + b8;
  const z0 = za0 * zb0 - m0 - h0;
  const z1 = za0 * zb1 + za1 * zb0 - m1 - h1;
  const z2 = za0 * zb2 + za1 * zb1 + za2 * zb0 - m2 - h2;
  const z3 = za1 * zb2 + za2 * zb1 - m3 - h3;
  const z4 = za2 * zb2 - m4 - h4;
  carryColumns(
    out,
    l0 - s0, l1 - s1, l2 - s2, l3 + x0 - s3, l4 + x1 - s4, x2 - s5, x3 + y0 - s6, x4 + y1 - s7, y2 - s8,
    y3 + z0, y4 + z1, z2, z3 + h0, z4 + h1, h2, h3, h4,
  );
}

/** out = a * a * factor - s, reduced; `factor` is 1 or 2. */
// @ts-ignore: decorator
@inline
function squareTimes(
  out: usize,
  factor: i64,
  a0: i64, a1: i64, a2: i64, a3: i64, a4: i64, a5: i64, a6: i64, a7: i64, a8: i64,
  s0: i64, s1: i64, s2: i64, s3: i64, s4: i64, s5: i64, s6: i64, s7: i64, s8: i64,
): void {
  const e0 = a0 * factor;
  const e1 = a1 * factor;
  const e2 = a2 * factor;
  const e3 = a3 * factor;
  const e4 = a4 * factor;
  const e5 = a5 * factor;
  const e6 = a6 * factor;
  const e7 = a7 * factor;
  const e8 = a8 * factor;
  const d0 = e0 << 1;
  const d1 = e1 << 1;
  const d2 = e2 << 1;
  const d3 = e3 << 1;
  const d4 = e4 << 1;
  const d5 = e5 << 1;
  const d6 = e6 << 1;
  const d7 = e7 << 1;
  carryColumns(
    out,
    e0 * a0 - s0,
    d0 * a1 - s1,
    d0 * a2 + e1 * a1 - s2,
    d0 * a3 + d1 * a2 - s3,
    d0 * a4 + d1 * a3 + e2 * a2 - s4,
    d0 * a5 + d1 * a4 + d2 * a3 - s5,
    d0 * a6 + d1 * a5 + d2 * a4 + e3 * a3 - s6,
    d0 * a7 + d1 * a6 + d2 * a5 + d3 * a4 - s7,
    d0 * a8 + d1 * a7 + d2 * a6 + d3 * a5 + e4 * a4 - s8,
    d1 * a8 + d2 * a7 + d3 * a6 + d4 * a5,
    d2 * a8 + d3 * a7 + d4 * a6 + e5 * a5,
    d3 * a8 + d4 * a7 + d5 * a6,
    d4 * a8 + d5 * a7 + e6 * a6,
    d5 * a8 + d6 * a7,
    d6 * a8 + e7 * a7,
    d7 * a8,
    e8 * a8,
  );
}

/** out = a * b. */
export function mul(out: usize, a: usize, b: usize): void {
  multiply(
    out,
    limb(a, 0), limb(a, 1), limb(a, 2), limb(a, 3), limb(a, 4), limb(a, 5), limb(a, 6), limb(a, 7),
    limb(a, 8),
    limb(b, 0), limb(b, 1), limb(b, 2), limb(b, 3), limb(b, 4), limb(b, 5), limb(b, 6), limb(b, 7),
    limb(b, 8),
    0, 0, 0, 0, 0, 0, 0, 0, 0,
  );
}

/** out = a * 2b. */
export function mulTwice(out: usize, a: usize, b: usize): void {
  multiply(
    out,
    limb(a, 0), limb(a, 1), limb(a, 2), limb(a, 3), limb(a, 4), limb(a, 5), limb(a, 6), limb(a, 7),
    limb(a, 8),
    limb(b, 0) << 1, limb(b, 1) << 1, limb(b, 2) << 1, limb(b, 3) << 1, limb(b, 4) << 1, limb(b, 5) << 1,
    limb(b, 6) << 1, limb(b, 7) << 1, limb(b, 8) << 1,
    0, 0, 0, 0, 0, 0, 0, 0, 0,
  );
}

/** out = a * b + c. */
export function mulAdd(out: usize, a: usize, b: usize, c: usize): void {
  multiply(
    out,
    limb(a, 0), limb(a, 1), limb(a, 2), limb(a, 3), limb(a, 4), limb(a, 5), limb(a, 6), limb(a, 7),
    limb(a, 8),
    limb(b, 0), limb(b, 1), limb(b, 2), limb(b, 3), limb(b, 4), limb(b, 5), limb(b, 6), limb(b, 7),
    limb(b, 8),
    -limb(c, 0), -limb(c, 1), -limb(c, 2), -limb(c, 3), -limb(c, 4), -limb(c, 5), -limb(c, 6), -limb(c, 7),
    -limb(c, 8),
  );
}

/** out = a * (b - c). */
export function mulDiff(out: usize, a: usize, b: usize, c: usize): void {
  multiply(
    out,
    limb(a, 0), limb(a, 1), limb(a, 2), limb(a, 3), limb(a, 4), limb(a, 5), limb(a, 6), limb(a, 7),
    limb(a, 8),
    limb(b, 0) - limb(c, 0), limb(b, 1) - limb(c, 1), limb(b, 2) - limb(c, 2), limb(b, 3) - limb(c, 3),
    limb(b, 4) - limb(c, 4), limb(b, 5) - limb(c, 5), limb(b, 6) - limb(c, 6), limb(b, 7) - limb(c, 7),
    limb(b, 8) - limb(c, 8),
    0, 0, 0, 0, 0, 0, 0, 0, 0,
  );
}

/** out = a * (b - c) - e. */
export function mulDiffSub(out: usize, a: usize, b: usize, c: usize, e: usize): void {
  multiply(
    out,
    limb(a, 0), limb(a, 1), limb(a, 2), limb(a, 3), limb(a, 4), limb(a, 5), limb(a, 6), limb(a, 7),
    limb(a, 8),
    limb(b, 0) - limb(c, 0), limb(b, 1) - limb(c, 1), limb(b, 2) - limb(c, 2), limb(b, 3) - limb(c, 3),
    limb(b, 4) - limb(c, 4), limb(b, 5) - limb(c, 5), limb(b, 6) - limb(c, 6), limb(b, 7) - limb(c, 7),
    limb(b, 8) - limb(c, 8),
    limb(e, 0), limb(e, 1), limb(e, 2), limb(e, 3), limb(e, 4), limb(e, 5), limb(e, 6), limb(e, 7),
    limb(e, 8),
  );
}

/** out = a * a. */
export function square(out: usize, a: usize): void {
  squareTimes(
    out,
    1, limb(a, 0), limb(a, 1), limb(a, 2), limb(a, 3), limb(a, 4), limb(a, 5), limb(a, 6), limb(a, 7),
    limb(a, 8),
    0, 0, 0, 0, 0, 0, 0, 0, 0,
  );
}

/** out = 2 * a * a - b. */
export function squareTwiceSub(out: usize, a: usize, b: usize): void {
  squareTimes(
    out,
    2, limb(a, 0), limb(a, 1), limb(a, 2), limb(a, 3), limb(a, 4), limb(a, 5), limb(a, 6), limb(a, 7),
    limb(a, 8),
    limb(b, 0), limb(b, 1), limb(b, 2), limb(b, 3), limb(b, 4), limb(b, 5), limb(b, 6), limb(b, 7), limb(b, 8),
  );
}

/** out = a * a - b - c - constant, where the small `constant` counts for the first limb. */
export function squareSub(out: usize, a: usize, b: usize, c: usize, constant: i64): void {
  squareTimes(
    out,
    1, limb(a, 0), limb(a, 1), limb(a, 2), limb(a, 3), limb(a, 4), limb(a, 5), limb(a, 6), limb(a, 7),
    limb(a, 8),
    limb(b, 0) + limb(c, 0) + constant, limb(b, 1) + limb(c, 1), limb(b, 2) + limb(c, 2),
    limb(b, 3) + limb(c, 3), limb(b, 4) + limb(c, 4), limb(b, 5) + limb(c, 5), limb(b, 6) + limb(c, 6),
    limb(b, 7) + limb(c, 7), limb(b, 8) + limb(c, 8),
  );
}

/** out = a, reduced; limbs of any i32. */
export function reduce(out: usize, a: usize): void {
  carryColumns(
    out,
    limb(a, 0), limb(a, 1), limb(a, 2), limb(a, 3), limb(a, 4), limb(a, 5), limb(a, 6), limb(a, 7), limb(a, 8),
    0, 0, 0, 0, 0, 0, 0, 0,
  );
}

/**
 * The same curve in the form v^2 = u^3 + 486662 u^2 + u (RFC 7748 section 4.1), with plain affine coordinates. One addition is
 *
 *   l = (v2 - v1) / (u2 - u1), u3 = l^2 - 486662 - u1 - u2, v3 = l (u1 - u3) - v1:
 *
 * two multiplications and a squaring, but for the division. Many additions that do not depend on each other share one inversion by Montgomery's
 * trick (Mathematics of Computation 48, 1987, section 10.3.1), three multiplications each: 5 M + 1 S, which no projective addition
 * reaches, and a point of a table takes 64 bytes. The price: the formulas do not hold for equal or opposite points, nor for the point
 * at infinity. u1 = u2 is noticed, see {@link addRows}.
 *
 * A point is u and v, two reduced elements. Points come in rows of equal length, and an operation takes whole rows.
 */
import { FIELD_BYTES, mul, mulAdd, mulDiff, mulDiffSub, mulTwice, squareSub } from './field';
import { add, copy, setSmall } from './field-basics';
import { isEqual, isZero } from './field-bytes';
import { invertPublic } from './field-invert';

/** Bytes of a point. */
export const MONTGOMERY_BYTES: usize = 2 * FIELD_BYTES;
export const V: usize = FIELD_BYTES;

/** The coefficient of u^2. */
export const CURVE_A: i64 = 486662;

const inverse = memory.data(40, 8);
const numerator = memory.data(40, 8);
const slope = memory.data(40, 8);
const sum = memory.data(40, 8);
const ONE = memory.data<i32>([1, 0, 0, 0, 0, 0, 0, 0, 0]);

/**
 * out[r][c] = left[r][c] + right[r][c] for `rows` rows of `columns` points; with a `rightStep` of 0 the same right row for
 * all. `out` may be `left`. Columns whose flag byte is set are left alone. Where u1 = u2 the column's flag is set (so the flag says:
 * these formulas cannot tell), and the others go on. `products` is room for rows * columns + 1 elements.
 */
export function addRows(
  out: usize,
  left: usize,
  right: usize,
  rightStep: usize,
  rows: usize,
  columns: usize,
  flags: usize,
  products: usize,
): void {
  let last = multiplyDenominators(left, right, rightStep, rows, columns, flags, products);
  if (isZero(last)) {
    flagEqual(left, right, rightStep, rows, columns, flags);
    last = multiplyDenominators(left, right, rightStep, rows, columns, flags, products);
  }
  if (last == products) return;
  invertPublic(inverse, last);
  for (let row = rows; row-- > 0; ) {
    for (let column = columns; column-- > 0; ) {
      if (load<u8>(flags + column)) continue;
      const p = left + (row * columns + column) * MONTGOMERY_BYTES;
      const q = right + row * rightStep + column * MONTGOMERY_BYTES;
      const r = out + (row * columns + column) * MONTGOMERY_BYTES;
      last -= FIELD_BYTES;
      mul(slope, inverse, last);
      mulDiff(inverse, inverse, q, p);
      mulDiff(slope, slope, q + V, p + V);
      squareSub(sum, slope, p, q, CURVE_A);
      mulDiffSub(r + V, slope, p, sum, p + V);
      copy(r, sum);
    }
  }
}

/** products[i] = product of the first i denominators u2 - u1, columns with a flag left out; the place of the last one. */
function multiplyDenominators(
  left: usize,
  right: usize,
  rightStep: usize,
  rows: usize,
  columns: usize,
  flags: usize,
  products: usize,
): usize {
  setSmall(products, 1);
  for (let row: usize = 0; row < rows; row++) {
    for (let column: usize = 0; column < columns; column++) {
      if (load<u8>(flags + column)) continue;
      const p = left + (row * columns + column) * MONTGOMERY_BYTES;
      const q = right + row * rightStep + column * MONTGOMERY_BYTES;
      mulDiff(products + FIELD_BYTES, products, q, p);
      products += FIELD_BYTES;
    }
  }
  return products;
}

function flagEqual(left: usize, right: usize, rightStep: usize, rows: usize, columns: usize, flags: usize): void {
  for (let row: usize = 0; row < rows; row++) {
    for (let column: usize = 0; column < columns; column++) {
      const p = left + (row * columns + column) * MONTGOMERY_BYTES;
      const q = right + row * rightStep + column * MONTGOMERY_BYTES;
      if (isEqual(p, q)) store<u8>(flags + column, 1);
    }
  }
}

/** out[i] = 2 points[i], none of which may have order 1 or 2. May work in place. `products` is room for count + 1 elements. */
export function doubleRow(out: usize, points: usize, count: usize, products: usize): void {
  setSmall(products, 1);
  let last = products;
  for (let i: usize = 0; i < count; i++) {
    mulTwice(last + FIELD_BYTES, last, points + i * MONTGOMERY_BYTES + V);
    last += FIELD_BYTES;
  }
  invertPublic(inverse, last);
  for (let i = count; i-- > 0; ) {
    const p = points + i * MONTGOMERY_BYTES;
    last -= FIELD_BYTES;
    mul(slope, inverse, last);
    mulTwice(inverse, inverse, p + V);
    // The slope is (3 u^2 + 2 * 486662 u + 1) / 2v.
    add(sum, p, p);
    add(sum, sum, p);
    store<i32>(sum, load<i32>(sum) + <i32>(2 * CURVE_A));
    mulAdd(numerator, p, sum, ONE);
    mul(slope, slope, numerator);
    squareSub(sum, slope, p, p, CURVE_A);
    mulDiffSub(out + i * MONTGOMERY_BYTES + V, slope, p, sum, p + V);
    copy(out + i * MONTGOMERY_BYTES, sum);
  }
}

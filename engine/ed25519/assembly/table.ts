/**
 * Tables of multiples: for a point P of order L and windows of w bits, the odd multiples 1, 3, ... 2^w - 1 of 2^(w i) P for
 * every window i. With one, [k]P is a sum of one entry for each window, without a doubling.
 */
import { double, POINT_BYTES, T, Y, Z } from './edwards';
import { FIELD_BYTES, mul, mulDiff } from './field';
import { add, setSmall, sub } from './field-basics';
import { toBytes } from './field-bytes';
import { invertPublic } from './field-invert';
import { addRows, doubleRow, MONTGOMERY_BYTES, V } from './montgomery';
import { ENTRY_BYTES } from './shape';

/** sqrt(-486664), by which the two forms of the curve differ (RFC 7748 section 4.1). */
export const SQRT_MINUS_A_PLUS_2 = memory.data<i32>([
  524647942, 57681239, 524722355, 61317782, 83356762, 74318334, 451889644, 512496640, 993005,
]);

const point = memory.data(144, 8);
const inverse = memory.data(40, 8);
const scaled = memory.data(40, 8);
const factor = memory.data(40, 8);
const plus = memory.data(40, 8);
const noFlags = memory.data(64, 8);

/**
 * table[i][j] = (2j + 1) 2^(width i) p, packed, for `windows` windows (at most 64). `rows` is room for (2^(width - 1) + 3) * windows
 * points, `products` for 2^(width - 2) * windows + 1 elements.
 */
export function buildTable(table: usize, p: usize, windows: usize, width: usize, rows: usize, products: usize): void {
  const entries: usize = 1 << (width - 1);
  const twice = rows + entries * windows * MONTGOMERY_BYTES;
  const chain = twice + windows * MONTGOMERY_BYTES;
  memory.copy(point, p, POINT_BYTES);
  for (let i: usize = 0; i < windows; i++) {
    memory.copy(chain + i * POINT_BYTES, point, POINT_BYTES);
    for (let j: usize = 0; j < width; j++) double(point, point, false);
  }
  toMontgomery(rows, chain, windows, products);

  doubleRow(twice, rows, windows, products);
  for (let known: usize = 1; known < entries; known <<= 1) {
    const next = rows + known * windows * MONTGOMERY_BYTES;
    addRows(next, rows, twice, 0, known, windows, noFlags, products);
    doubleRow(twice, twice, windows, products);
  }

  for (let i: usize = 0; i < windows; i++) {
    for (let j: usize = 0; j < entries; j++) {
      const from = rows + (j * windows + i) * MONTGOMERY_BYTES;
      const to = table + (i * entries + j) * ENTRY_BYTES;
      toBytes(to, from);
      toBytes(to + 32, from + V);
    }
  }
}

/**
 * out[i] = points[i] (extended, order L) in Montgomery's form: u = (Z + Y) / (Z - Y), v = c u Z / X, with one inversion of all
 * X (Z - Y). `products` is room for count + 1 elements.
 */
export function toMontgomery(out: usize, points: usize, count: usize, products: usize): void {
  setSmall(products, 1);
  let last = products;
  for (let i: usize = 0; i < count; i++) {
    const p = points + i * POINT_BYTES;
    mulDiff(factor, p, p + Z, p + Y);
    mul(last + FIELD_BYTES, last, factor);
    last += FIELD_BYTES;
  }
  invertPublic(inverse, last);
  for (let i = count; i-- > 0; ) {
    const p = points + i * POINT_BYTES;
    const to = out + i * MONTGOMERY_BYTES;
    last -= FIELD_BYTES;
    mul(to, inverse, last);
    mulDiff(factor, p, p + Z, p + Y);
    mul(inverse, inverse, factor);
    add(plus, p + Z, p + Y);
    mul(to, to, plus);
    mul(to + V, to, p + Z);
    mul(to + V, to + V, SQRT_MINUS_A_PLUS_2);
    mul(to, to, p);
  }
}

/** out = the Montgomery point (u, v), v not 0, in extended coordinates; the opposite way, without a division. */
export function fromMontgomery(out: usize, u: usize, v: usize): void {
  setSmall(factor, 1);
  add(plus, u, factor); // u + 1
  sub(factor, u, factor); // u - 1
  mul(scaled, u, SQRT_MINUS_A_PLUS_2);
  mul(out, scaled, plus);
  mul(out + Y, v, factor);
  mul(out + Z, v, plus);
  mul(out + T, scaled, factor);
}

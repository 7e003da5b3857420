/**
 * [a]P + [b]B with the doublings shared (Straus), both scalars in non-adjacent form, for points without a table. Variable
 * time, complete: holds for all P and all numbers a, b below 2^255.
 */
import { addCached, double, POINT_BYTES, setNeutral, toCached } from './edwards';

const BITS: i32 = 256;
const POINT_WIDTH = 5;
const BASE_WIDTH = 7;

const pointDigits = memory.data(256, 8);
const baseDigits = memory.data(256, 8);
const words = memory.data(40, 8);
/** Odd multiples, cached: 1 ... 15 of P, 1 ... 63 of B. */
const pointMultiples = memory.data(8 * 144, 8);
const baseMultiples = memory.data(32 * 144, 8);
const twice = memory.data(144, 8);
const step = memory.data(144, 8);

/** Must be called once, with the base point, before the rest. */
export function prepareCombination(base: usize): void {
  oddMultiples(baseMultiples, base, 32);
}

/** out = [a]p + [b]B; p extended. */
export function combine(out: usize, a: usize, p: usize, b: usize): void {
  toDigits(pointDigits, a, POINT_WIDTH);
  toDigits(baseDigits, b, BASE_WIDTH);
  oddMultiples(pointMultiples, p, 8);
  setNeutral(out);
  let i = BITS - 1;
  while (i >= 0 && digit(pointDigits, i) == 0 && digit(baseDigits, i) == 0) i--;
  for (; i >= 0; i--) {
    const d = digit(pointDigits, i);
    const e = digit(baseDigits, i);
    double(out, out, d != 0 || e != 0);
    if (d != 0) addMultiple(out, pointMultiples, d, e != 0);
    if (e != 0) addMultiple(out, baseMultiples, e, false);
  }
}

// @ts-ignore: decorator
@inline
function digit(digits: usize, i: i32): i32 {
  return load<i8>(digits + i);
}

function addMultiple(out: usize, multiples: usize, d: i32, withT: bool): void {
  const magnitude = <usize>(d < 0 ? -d : d);
  addCached(out, out, multiples + (magnitude >>> 1) * POINT_BYTES, d < 0, withT);
}

/** out[i] = (2i + 1) p, cached. */
function oddMultiples(out: usize, p: usize, count: usize): void {
  double(twice, p, true);
  toCached(out, twice);
  memory.copy(twice, out, POINT_BYTES);
  memory.copy(step, p, POINT_BYTES);
  for (let i: usize = 0; ; i++) {
    toCached(out + i * POINT_BYTES, step);
    if (i + 1 == count) return;
    addCached(step, step, twice, false, true);
  }
}

/**
 * digits[i], 256 signed bytes: 0 or odd and below 2^(width - 1) in magnitude, any two that are not 0 at least `width` apart.
 * Takes numbers below 2^255.
 */
function toDigits(digits: usize, scalar: usize, width: usize): void {
  memory.fill(digits, 0, BITS);
  memory.copy(words, scalar, 32);
  const full: u32 = 1 << <u32>width;
  let carry: u32 = 0;
  for (let i: usize = 0; i < <usize>BITS; ) {
    const window = ((load<u32>(words + (i >>> 3)) >>> <u32>(i & 7)) & (full - 1)) + carry;
    if ((window & 1) == 0) {
      i++;
      continue;
    }
    carry = window > full >>> 1 ? 1 : 0;
    store<i8>(digits + i, <i8>(<i32>window - (carry ? <i32>full : 0)));
    i += width;
  }
}

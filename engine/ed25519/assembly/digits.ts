/**
 * Scalars as digits that are all odd, so that no digit is 0 and every scalar has the same number of them.
 *
 * An odd k below 2^n is a sum of s[j] * 2^j, j = 0 ... n - 1, every s[j] 1 or -1: s[j] = 1 where the number (k + 2^n - 1) / 2 has a 1.
 * And that number is k shifted to the right by one, with bit n - 1 set. A window of w such signs is an odd digit between
 * -(2^w - 1) and 2^w - 1. An even k is made odd by adding L, which is allowed because the points have the order L.
 */

/** Bytes of a prepared scalar: 32, and some zeros behind so that windows may be read as words. */
export const PREPARED_BYTES: usize = 40;

const L0: u64 = 0x5812631a5cf5d3ed;
const L1: u64 = 0x14def9dea2f79cd6;
const L3: u64 = 0x1000000000000000;

/** out = a scalar below L, prepared for {@link windowAt}; `bits` is the sum of all windows' widths, 255 ... 288. */
export function prepareDigits(out: usize, scalar: usize, bits: usize): void {
  let w0 = load<u64>(scalar);
  let w1 = load<u64>(scalar, 8);
  let w2 = load<u64>(scalar, 16);
  let w3 = load<u64>(scalar, 24);
  const mask: u64 = (w0 & 1) - 1; // all ones for an even scalar
  w0 += L0 & mask;
  let carry: u64 = w0 < (L0 & mask) ? 1 : 0;
  const a1 = L1 & mask;
  w1 += carry;
  carry = w1 < carry ? 1 : 0;
  w1 += a1;
  carry |= w1 < a1 ? 1 : 0;
  w2 += carry;
  carry = w2 < carry ? 1 : 0;
  w3 += (L3 & mask) + carry;
  store<u64>(out, (w0 >>> 1) | (w1 << 63));
  store<u64>(out, (w1 >>> 1) | (w2 << 63), 8);
  store<u64>(out, (w2 >>> 1) | (w3 << 63), 16);
  store<u64>(out, w3 >>> 1, 24);
  store<u64>(out, 0, 32);
  const top = out + ((bits - 1) >>> 3);
  store<u8>(top, load<u8>(top) | (1 << <u8>((bits - 1) & 7)));
}

/** The signs of window `index` of a prepared scalar, as a number below 2^width; width at most 25. */
// @ts-ignore: decorator
@inline
export function windowAt(prepared: usize, index: usize, width: usize): u32 {
  const bit = index * width;
  return (load<u32>(prepared + (bit >>> 3)) >>> <u32>(bit & 7)) & ((1 << <u32>width) - 1);
}

/** Whether the digit of a window is negative. */
// @ts-ignore: decorator
@inline
export function isNegative(window: u32, width: usize): bool {
  return window >>> <u32>(width - 1) == 0;
}

/** Which entry of a row P, 3P, 5P, ... the digit's magnitude is. */
// @ts-ignore: decorator
@inline
export function entryOf(window: u32, width: usize): usize {
  const half: u32 = (1 << <u32>(width - 1)) - 1;
  return isNegative(window, width) ? half - window : window & half;
}

/**
 * Field elements and their 32 little-endian bytes (RFC 8032 section 5.1.2), and the questions that need the unique value.
 */
import { FIELD_BYTES } from './field';
import { sub } from './field-basics';

const MASK: i64 = (1 << 29) - 1;
/** Bits of the last limb that belong to numbers below 2^255. */
const TOP_BITS: i64 = 23;
const TOP_MASK: i64 = (1 << 23) - 1;

const difference = memory.data(40, 8);
const encoded = memory.data(32, 8);

/**
 * out = the number in 32 bytes without the highest bit, reduced. Not checked to be below p. With a `sign` of -1 the negative
 * number, whose limbs are all within (-2^29, 0].
 */
export function fromBytesSigned(out: usize, bytes: usize, sign: i64): void {
  const w0 = load<i64>(bytes);
  const w1 = load<i64>(bytes, 8);
  const w2 = load<i64>(bytes, 16);
  const w3 = load<i64>(bytes, 24);
  i64.store32(out, (w0 & MASK) * sign, 0);
  i64.store32(out, ((w0 >>> 29) & MASK) * sign, 4);
  i64.store32(out, (((w0 >>> 58) | (w1 << 6)) & MASK) * sign, 8);
  i64.store32(out, ((w1 >>> 23) & MASK) * sign, 12);
  i64.store32(out, (((w1 >>> 52) | (w2 << 12)) & MASK) * sign, 16);
  i64.store32(out, ((w2 >>> 17) & MASK) * sign, 20);
  i64.store32(out, (((w2 >>> 46) | (w3 << 18)) & MASK) * sign, 24);
  i64.store32(out, ((w3 >>> 11) & MASK) * sign, 28);
  i64.store32(out, ((w3 >>> 40) & TOP_MASK) * sign, 32);
}

/** out = the number in 32 bytes without the highest bit, reduced. Not checked to be below p. */
export function fromBytes(out: usize, bytes: usize): void {
  fromBytesSigned(out, bytes, 1);
}

/** The unique 32 bytes of a, 0 <= a < p. Accepts any limbs of i32; constant time. */
export function toBytes(bytes: usize, a: usize): void {
  let c0 = i64.load32_s(a, 0);
  let c1 = i64.load32_s(a, 4);
  let c2 = i64.load32_s(a, 8);
  let c3 = i64.load32_s(a, 12);
  let c4 = i64.load32_s(a, 16);
  let c5 = i64.load32_s(a, 20);
  let c6 = i64.load32_s(a, 24);
  let c7 = i64.load32_s(a, 28);
  let c8 = i64.load32_s(a, 32);
  // What stands above 2^255 comes back as 19 times itself: first up to 2^9 in magnitude, then -1, 0 or 1. After the second time
  // all limbs are within their bits and the number is within [0, 2^255).
  c1 += c0 >> 29;
  c0 &= MASK;
  c2 += c1 >> 29;
  c1 &= MASK;
  c3 += c2 >> 29;
  c2 &= MASK;
  c4 += c3 >> 29;
  c3 &= MASK;
  c5 += c4 >> 29;
  c4 &= MASK;
  c6 += c5 >> 29;
  c5 &= MASK;
  c7 += c6 >> 29;
  c6 &= MASK;
  c8 += c7 >> 29;
  c7 &= MASK;
  c0 += 19 * (c8 >> TOP_BITS);
  c8 &= TOP_MASK;
  c1 += c0 >> 29;
  c0 &= MASK;
  c2 += c1 >> 29;
  c1 &= MASK;
  c3 += c2 >> 29;
  c2 &= MASK;
  c4 += c3 >> 29;
  c3 &= MASK;
  c5 += c4 >> 29;
  c4 &= MASK;
  c6 += c5 >> 29;
  c5 &= MASK;
  c7 += c6 >> 29;
  c6 &= MASK;
  c8 += c7 >> 29;
  c7 &= MASK;
  c0 += 19 * (c8 >> TOP_BITS);
  c8 &= TOP_MASK;
  // Below p now, or p ... p + 18: then adding 19 carries out of 255 bits, and what remains is the number less p.
  let carry = (c0 + 19) >> 29;
  carry = (c1 + carry) >> 29;
  carry = (c2 + carry) >> 29;
  carry = (c3 + carry) >> 29;
  carry = (c4 + carry) >> 29;
  carry = (c5 + carry) >> 29;
  carry = (c6 + carry) >> 29;
  carry = (c7 + carry) >> 29;
  c0 += 19 * ((c8 + carry) >> TOP_BITS);
  c1 += c0 >> 29;
  c0 &= MASK;
  c2 += c1 >> 29;
  c1 &= MASK;
  c3 += c2 >> 29;
  c2 &= MASK;
  c4 += c3 >> 29;
  c3 &= MASK;
  c5 += c4 >> 29;
  c4 &= MASK;
  c6 += c5 >> 29;
  c5 &= MASK;
  c7 += c6 >> 29;
  c6 &= MASK;
  c8 += c7 >> 29;
  c7 &= MASK;
  c8 &= TOP_MASK;
  store<i64>(bytes, c0 | (c1 << 29) | (c2 << 58));
  store<i64>(bytes, (c2 >> 6) | (c3 << 23) | (c4 << 52), 8);
  store<i64>(bytes, (c4 >> 12) | (c5 << 17) | (c6 << 46), 16);
  store<i64>(bytes, (c6 >> 18) | (c7 << 11) | (c8 << 40), 24);
}

/** Whether a is 0 modulo p. */
export function isZero(a: usize): bool {
  toBytes(encoded, a);
  return (load<u64>(encoded) | load<u64>(encoded, 8) | load<u64>(encoded, 16) | load<u64>(encoded, 24)) == 0;
}

/** Whether a = b modulo p. */
export function isEqual(a: usize, b: usize): bool {
  sub(difference, a, b);
  return isZero(difference);
}

/** The "sign" of a: the lowest bit of its unique value. */
export function isOdd(a: usize): bool {
  toBytes(encoded, a);
  return (load<u8>(encoded) & 1) != 0;
}

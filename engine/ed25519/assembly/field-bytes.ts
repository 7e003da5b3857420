/**
 * Field elements and their 32 little-endian bytes (RFC 8032 section 5.1.2), and the questions that need the unique value.
 */
import { FIELD_BYTES } from './field';
import { sub } from './field-basics';

const MASK: i64 = (1 << 29) - 1;
/** Bits of the last limb that belong to numbers below 2^255. */
const TOP_BITS: i64 = 23;
const TOP_MASK: i64 = (1 << 23) - 1;

const limbs = memory.data(72, 8);
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
  for (let i: usize = 0; i < 9; i++) store<i64>(limbs + 8 * i, i64.load32_s(a + 4 * i));
  // Each pass takes away what stands above 2^255; after three the number is within [0, 2^255).
  fold();
  fold();
  fold();
  // Below p now, or p ... p + 18: in that case adding 19 carries out of 255 bits.
  let carry = (load<i64>(limbs) + 19) >> 29;
  for (let i: usize = 1; i < 8; i++) carry = (load<i64>(limbs + 8 * i) + carry) >> 29;
  carry = (load<i64>(limbs, 64) + carry) >> TOP_BITS;
  store<i64>(limbs, load<i64>(limbs) + 19 * carry);
  carryLimbs();
  const c1 = load<i64>(limbs, 8);
  const c2 = load<i64>(limbs, 16);
  const c3 = load<i64>(limbs, 24);
  const c4 = load<i64>(limbs, 32);
  const c5 = load<i64>(limbs, 40);
  const c6 = load<i64>(limbs, 48);
  const c7 = load<i64>(limbs, 56);
  const c8 = load<i64>(limbs, 64) & TOP_MASK;
  store<i64>(bytes, load<i64>(limbs) | (c1 << 29) | (c2 << 58));
  store<i64>(bytes, (c2 >> 6) | (c3 << 23) | (c4 << 52), 8);
  store<i64>(bytes, (c4 >> 12) | (c5 << 17) | (c6 << 46), 16);
  store<i64>(bytes, (c6 >> 18) | (c7 << 11) | (c8 << 40), 24);
}

function fold(): void {
  carryLimbs();
  const top = load<i64>(limbs, 64);
  store<i64>(limbs, top & TOP_MASK, 64);
  store<i64>(limbs, load<i64>(limbs) + 19 * (top >> TOP_BITS));
}

/** Brings all limbs but the last to 29 bits. */
function carryLimbs(): void {
  for (let i: usize = 0; i < 64; i += 8) {
    const value = load<i64>(limbs + i);
    store<i64>(limbs + i, value & MASK);
    store<i64>(limbs + i, load<i64>(limbs + i, 8) + (value >> 29), 8);
  }
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

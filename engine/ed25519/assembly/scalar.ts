/**
 * Scalars: integers modulo the group order L = 2^252 + c, c = 27742317777372353535851937790883648493 (RFC 8032 section 5.1),
 * 32 bytes, little-endian. Inside they are limbs of 28 bits in i64: nine of them are exactly 252 bits, so what stands in limb
 * 9 and above counts 2^252 = -c. No routine here branches on values.
 */

const BITS: i64 = 28;
const MASK: i64 = (1 << 28) - 1;

/** c in limbs of 28 bits. */
const C0: i64 = 217437165;
const C1: i64 = 19280293;
const C2: i64 = 127719000;
const C3: i64 = 262007343;
const C4: i64 = 5342;

/** L as 64-bit words. */
const L0: u64 = 0x5812631a5cf5d3ed;
const L1: u64 = 0x14def9dea2f79cd6;
const L3: u64 = 0x1000000000000000;

/** Limbs of the number that is to be reduced. */
const wide = memory.data(160, 8);

/** Whether the 32 bytes are a number below L. */
export function isBelowOrder(scalar: usize): bool {
  let borrow: u64 = load<u64>(scalar) < L0 ? 1 : 0;
  const w1 = load<u64>(scalar, 8);
  const w2 = load<u64>(scalar, 16);
  // w - L - borrow is negative
  borrow = (w1 < L1 ? 1 : 0) | ((w1 == L1 ? 1 : 0) & borrow);
  borrow = (w2 == 0 ? 1 : 0) & borrow;
  const w3 = load<u64>(scalar, 24);
  return ((w3 < L3 ? 1 : 0) | ((w3 == L3 ? 1 : 0) & borrow)) != 0;
}

/** out = the 64 bytes modulo L, below L. */
export function reduceWide(out: usize, bytes: usize): void {
  for (let i: usize = 0; i < 18; i++) store<i64>(wide + 8 * i, bitsAt(bytes, 28 * i));
  store<i64>(wide, <i64>load<u8>(bytes, 63), 144); // 18 * 28 = 504
  reduceLimbs(out);
}

/** 28 bits of a number, the first of which is at `position`, a multiple of 4. */
// @ts-ignore: decorator
@inline
function bitsAt(bytes: usize, position: usize): i64 {
  return <i64>((load<u32>(bytes + (position >>> 3)) >>> <u32>(position & 7)) & 0xfffffff);
}

/**
 * Reduces the 19 limbs in `wide`, all but the last within 28 bits, the last below 2^8, so numbers below 2^512. Each fold replaces
 * what stands above 2^252 by -c times itself and shortens the magnitude: 2^512 -> 2^385 -> 2^259 -> 2^252 + 2^132. Then the
 * number lacks or exceeds L once at most.
 */
function reduceLimbs(out: usize): void {
  const w0 = load<i64>(wide, 0);
  const w1 = load<i64>(wide, 8);
  const w2 = load<i64>(wide, 16);
  const w3 = load<i64>(wide, 24);
  const w4 = load<i64>(wide, 32);
  const w5 = load<i64>(wide, 40);
  const w6 = load<i64>(wide, 48);
  const w7 = load<i64>(wide, 56);
  const w8 = load<i64>(wide, 64);
  const w9 = load<i64>(wide, 72);
  const w10 = load<i64>(wide, 80);
  const w11 = load<i64>(wide, 88);
  const w12 = load<i64>(wide, 96);
  const w13 = load<i64>(wide, 104);
  const w14 = load<i64>(wide, 112);
  const w15 = load<i64>(wide, 120);
  const w16 = load<i64>(wide, 128);
  const w17 = load<i64>(wide, 136);
  const w18 = load<i64>(wide, 144);

  let x0: i64 = w0 - w9 * C0;
  let x1: i64 = w1 + (x0 >> BITS) - w9 * C1 - w10 * C0;
  x0 &= MASK;
  let x2: i64 = w2 + (x1 >> BITS) - w9 * C2 - w10 * C1 - w11 * C0;
  x1 &= MASK;
  let x3: i64 = w3 + (x2 >> BITS) - w9 * C3 - w10 * C2 - w11 * C1 - w12 * C0;
  x2 &= MASK;
  let x4: i64 = w4 + (x3 >> BITS) - w9 * C4 - w10 * C3 - w11 * C2 - w12 * C1 - w13 * C0;
  x3 &= MASK;
  let x5: i64 = w5 + (x4 >> BITS) - w10 * C4 - w11 * C3 - w12 * C2 - w13 * C1 - w14 * C0;
  x4 &= MASK;
  let x6: i64 = w6 + (x5 >> BITS) - w11 * C4 - w12 * C3 - w13 * C2 - w14 * C1 - w15 * C0;
  x5 &= MASK;
  let x7: i64 = w7 + (x6 >> BITS) - w12 * C4 - w13 * C3 - w14 * C2 - w15 * C1 - w16 * C0;
  x6 &= MASK;
  let x8: i64 = w8 + (x7 >> BITS) - w13 * C4 - w14 * C3 - w15 * C2 - w16 * C1 - w17 * C0;
  x7 &= MASK;
  let x9: i64 = (x8 >> BITS) - w14 * C4 - w15 * C3 - w16 * C2 - w17 * C1 - w18 * C0;
  x8 &= MASK;
  let x10: i64 = (x9 >> BITS) - w15 * C4 - w16 * C3 - w17 * C2 - w18 * C1;
  x9 &= MASK;
  let x11: i64 = (x10 >> BITS) - w16 * C4 - w17 * C3 - w18 * C2;
  x10 &= MASK;
  let x12: i64 = (x11 >> BITS) - w17 * C4 - w18 * C3;
  x11 &= MASK;
  let x13: i64 = (x12 >> BITS) - w18 * C4;
  x12 &= MASK;

  let y0: i64 = x0 - x9 * C0;
  let y1: i64 = x1 + (y0 >> BITS) - x9 * C1 - x10 * C0;
  y0 &= MASK;
  let y2: i64 = x2 + (y1 >> BITS) - x9 * C2 - x10 * C1 - x11 * C0;
  y1 &= MASK;
  let y3: i64 = x3 + (y2 >> BITS) - x9 * C3 - x10 * C2 - x11 * C1 - x12 * C0;
  y2 &= MASK;
  let y4: i64 = x4 + (y3 >> BITS) - x9 * C4 - x10 * C3 - x11 * C2 - x12 * C1 - x13 * C0;
  y3 &= MASK;
  let y5: i64 = x5 + (y4 >> BITS) - x10 * C4 - x11 * C3 - x12 * C2 - x13 * C1;
  y4 &= MASK;
  let y6: i64 = x6 + (y5 >> BITS) - x11 * C4 - x12 * C3 - x13 * C2;
  y5 &= MASK;
  let y7: i64 = x7 + (y6 >> BITS) - x12 * C4 - x13 * C3;
  y6 &= MASK;
  let y8: i64 = x8 + (y7 >> BITS) - x13 * C4;
  y7 &= MASK;
  let y9: i64 = (y8 >> BITS);
  y8 &= MASK;

  let z0: i64 = y0 - y9 * C0;
  let z1: i64 = y1 + (z0 >> BITS) - y9 * C1;
  z0 &= MASK;
  let z2: i64 = y2 + (z1 >> BITS) - y9 * C2;
  z1 &= MASK;
  let z3: i64 = y3 + (z2 >> BITS) - y9 * C3;
  z2 &= MASK;
  let z4: i64 = y4 + (z3 >> BITS) - y9 * C4;
  z3 &= MASK;
  let z5: i64 = y5 + (z4 >> BITS);
  z4 &= MASK;
  let z6: i64 = y6 + (z5 >> BITS);
  z5 &= MASK;
  let z7: i64 = y7 + (z6 >> BITS);
  z6 &= MASK;
  let z8: i64 = y8 + (z7 >> BITS);
  z7 &= MASK;
  let z9: i64 = (z8 >> BITS);
  z8 &= MASK;

  // Add L if the number is negative, take L away, and add it again if that was too much.
  let factor: i64 = -(z9 >> 63) - 1;
  z0 += factor * C0;
  z1 += factor * C1;
  z2 += factor * C2;
  z3 += factor * C3;
  z4 += factor * C4;
  z9 += factor;
  z1 += z0 >> BITS;
  z0 &= MASK;
  z2 += z1 >> BITS;
  z1 &= MASK;
  z3 += z2 >> BITS;
  z2 &= MASK;
  z4 += z3 >> BITS;
  z3 &= MASK;
  z5 += z4 >> BITS;
  z4 &= MASK;
  z6 += z5 >> BITS;
  z5 &= MASK;
  z7 += z6 >> BITS;
  z6 &= MASK;
  z8 += z7 >> BITS;
  z7 &= MASK;
  z9 += z8 >> BITS;
  z8 &= MASK;
  factor = -(z9 >> 63);
  z0 += factor * C0;
  z1 += factor * C1;
  z2 += factor * C2;
  z3 += factor * C3;
  z4 += factor * C4;
  z9 += factor;
  z1 += z0 >> BITS;
  z0 &= MASK;
  z2 += z1 >> BITS;
  z1 &= MASK;
  z3 += z2 >> BITS;
  z2 &= MASK;
  z4 += z3 >> BITS;
  z3 &= MASK;
  z5 += z4 >> BITS;
  z4 &= MASK;
  z6 += z5 >> BITS;
  z5 &= MASK;
  z7 += z6 >> BITS;
  z6 &= MASK;
  z8 += z7 >> BITS;
  z7 &= MASK;
  z9 += z8 >> BITS;
  z8 &= MASK;

  store<i64>(out, z0 | (z1 << 28) | (z2 << 56));
  store<i64>(out, (z2 >> 8) | (z3 << 20) | (z4 << 48), 8);
  store<i64>(out, (z4 >> 16) | (z5 << 12) | (z6 << 40), 16);
  store<i64>(out, (z6 >> 24) | (z7 << 4) | (z8 << 32) | (z9 << 60), 24);
}

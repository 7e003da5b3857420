/**
 * Scalars: integers modulo the group order L = 2^252 + c, c = 27742317777372353535851937790883648493 (RFC 8032 section 5.1),
 * 32 bytes, little-endian. Inside they are limbs of 28 bits in i64: nine of them are exactly 252 bits, so what stands in limb
 * 9 and above counts 2^252 = -c. No routine here branches on values.
 */

const BITS: i64 = 28;
const MASK: i64 = (1 << 28) - 1;

/** c in limbs. */
const C = memory.data<i64>([217437165, 19280293, 127719000, 262007343, 5342]);
const C_LIMBS: usize = 5;

/** L as 64-bit words. */
const L0: u64 = 0x5812631a5cf5d3ed;
const L1: u64 = 0x14def9dea2f79cd6;
const L3: u64 = 0x1000000000000000;

/** Limbs of the number that is being reduced: up to 19. */
const wide = memory.data(160, 8);
const high = memory.data(80, 8);
const left = memory.data(80, 8);
const right = memory.data(80, 8);

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

/** out = a * b + c modulo L, below L, of any 32-byte numbers a, b, c. */
export function multiplyAdd(out: usize, a: usize, b: usize, c: usize): void {
  toLimbs(left, a);
  toLimbs(right, b);
  toLimbs(wide, c);
  memory.fill(wide + 80, 0, 80);
  for (let i: usize = 0; i < 80; i += 8) {
    const limb = load<i64>(left + i);
    for (let j: usize = 0; j < 80; j += 8) {
      const at = wide + i + j;
      store<i64>(at, load<i64>(at) + limb * load<i64>(right + j));
    }
  }
  carry(18);
  reduceLimbs(out);
}

/** Ten limbs of a 32-byte number. */
function toLimbs(out: usize, bytes: usize): void {
  for (let i: usize = 0; i < 9; i++) store<i64>(out + 8 * i, bitsAt(bytes, 28 * i));
  store<i64>(out, <i64>(load<u8>(bytes, 31) >>> 4), 72);
}

/** 28 bits of a number, the first of which is at `position`, a multiple of 4. */
// @ts-ignore: decorator
@inline
function bitsAt(bytes: usize, position: usize): i64 {
  return <i64>((load<u32>(bytes + (position >>> 3)) >>> <u32>(position & 7)) & 0xfffffff);
}

/**
 * Reduces the 19 limbs in `wide`, all but the last within 28 bits, the last below 2^36. Each fold shortens the number's
 * magnitude: 2^540 -> 2^413 -> 2^289 -> 2^252 + 2^163. Then it lacks or exceeds L once at most.
 */
function reduceLimbs(out: usize): void {
  foldAbove(19, 13);
  foldAbove(14, 9);
  foldAbove(10, 9);
  addOrder(-(load<i64>(wide, 72) >> 63)); // once if negative
  addOrder(-1);
  addOrder(-(load<i64>(wide, 72) >> 63));
  const l2 = load<i64>(wide, 16);
  const l4 = load<i64>(wide, 32);
  const l6 = load<i64>(wide, 48);
  store<i64>(out, load<i64>(wide) | (load<i64>(wide, 8) << 28) | (l2 << 56));
  store<i64>(out, (l2 >>> 8) | (load<i64>(wide, 24) << 20) | (l4 << 48), 8);
  store<i64>(out, (l4 >>> 16) | (load<i64>(wide, 40) << 12) | (l6 << 40), 16);
  const l78 = (load<i64>(wide, 56) << 4) | (load<i64>(wide, 64) << 32);
  store<i64>(out, (l6 >>> 24) | l78 | (load<i64>(wide, 72) << 60), 24);
}

/** Takes limbs 9 ... count - 1 away and subtracts c times their number; the result has `last` + 1 limbs. */
function foldAbove(count: usize, last: usize): void {
  const highLimbs = count - 9;
  memory.copy(high, wide + 72, highLimbs << 3);
  memory.fill(wide + 72, 0, highLimbs << 3);
  for (let i: usize = 0; i < highLimbs; i++) {
    const limb = load<i64>(high + 8 * i);
    for (let j: usize = 0; j < C_LIMBS; j++) {
      const at = wide + 8 * (i + j);
      store<i64>(at, load<i64>(at) - limb * load<i64>(C + 8 * j));
    }
  }
  carry(last);
}

/** Adds L `factor` times; ten limbs. */
function addOrder(factor: i64): void {
  for (let j: usize = 0; j < 8 * C_LIMBS; j += 8) {
    store<i64>(wide + j, load<i64>(wide + j) + factor * load<i64>(C + j));
  }
  store<i64>(wide, load<i64>(wide, 72) + factor, 72);
  carry(9);
}

/** Brings the limbs before `last` to 28 bits; what is over goes to the next, with its sign. */
function carry(last: usize): void {
  for (let at = wide; at < wide + 8 * last; at += 8) {
    const value = load<i64>(at);
    store<i64>(at, value & MASK);
    store<i64>(at, load<i64>(at, 8) + (value >> BITS), 8);
  }
}

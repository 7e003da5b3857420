/**
 * SHA-256 (FIPS 180-4, section 6.2) of four messages at once: each vector holds the same word of all four, one per lane.
 * All that is done with a word is additions, shifts and bitwise logic, so the lanes never meet.
 */
import { INITIAL_STATE, ROUND_CONSTANTS } from './constants';

export const LANES: usize = 4;
const BLOCK_BYTES: usize = 64;
const VECTOR_BYTES: usize = 16;
const SCHEDULE_WORDS: usize = 64;
const ROUNDS_PER_STEP: usize = 8;

/** a … h of the four messages. */
const state = memory.data(128, 16);
/** The message schedule: sixteen words of the block, then those that follow from them. */
const schedule = memory.data(1024, 16);

/** Begins four messages. */
export function begin(): void {
  for (let i: usize = 0; i < 8; i++)
    v128.store(state + i * VECTOR_BYTES, v128.load32_splat(INITIAL_STATE + i * 4));
}

/** Takes the next block of each message: 64 bytes at `block`, `block + stride`, … */
export function compress(block: usize, stride: usize): void {
  for (let at: usize = 0; at < BLOCK_BYTES; at += VECTOR_BYTES)
    readWords(block + at, stride, schedule + at * LANES);
  let a = v128.load(state, 0);
  let b = v128.load(state, 16);
  let c = v128.load(state, 32);
  let d = v128.load(state, 48);
  let e = v128.load(state, 64);
  let f = v128.load(state, 80);
  let g = v128.load(state, 96);
  let h = v128.load(state, 112);
  let k = ROUND_CONSTANTS;
  let w = schedule;
  const end = schedule + SCHEDULE_WORDS * VECTOR_BYTES;
  // Eight rounds, after which a ... h have their names again.
  for (; w < end; w += ROUNDS_PER_STEP * VECTOR_BYTES, k += ROUNDS_PER_STEP * 4) {
    if (w >= schedule + 256) extend(w);
    h = first(h, e, f, g, k, w);
    d = i32x4.add(d, h);
    h = second(h, a, b, c);
    g = first(g, d, e, f, k + 4, w + 16);
    c = i32x4.add(c, g);
    g = second(g, h, a, b);
    f = first(f, c, d, e, k + 8, w + 32);
    b = i32x4.add(b, f);
    f = second(f, g, h, a);
    e = first(e, b, c, d, k + 12, w + 48);
    a = i32x4.add(a, e);
    e = second(e, f, g, h);
    d = first(d, a, b, c, k + 16, w + 64);
    h = i32x4.add(h, d);
    d = second(d, e, f, g);
    c = first(c, h, a, b, k + 20, w + 80);
    g = i32x4.add(g, c);
    c = second(c, d, e, f);
    b = first(b, g, h, a, k + 24, w + 96);
    f = i32x4.add(f, b);
    b = second(b, c, d, e);
    a = first(a, f, g, h, k + 28, w + 112);
    e = i32x4.add(e, a);
    a = second(a, b, c, d);
  }
  v128.store(state, i32x4.add(v128.load(state, 0), a), 0);
  v128.store(state, i32x4.add(v128.load(state, 16), b), 16);
  v128.store(state, i32x4.add(v128.load(state, 32), c), 32);
  v128.store(state, i32x4.add(v128.load(state, 48), d), 48);
  v128.store(state, i32x4.add(v128.load(state, 64), e), 64);
  v128.store(state, i32x4.add(v128.load(state, 80), f), 80);
  v128.store(state, i32x4.add(v128.load(state, 96), g), 96);
  v128.store(state, i32x4.add(v128.load(state, 112), h), 112);
}

/** Ends the four messages: their digests, 32 bytes each, side by side. */
export function end(digests: usize): void {
  for (let half: usize = 0; half < 2; half++) {
    const from = state + half * 64;
    transpose(
      digests + half * 16,
      32,
      swapBytes(v128.load(from, 0)),
      swapBytes(v128.load(from, 16)),
      swapBytes(v128.load(from, 32)),
      swapBytes(v128.load(from, 48)),
    );
  }
}

/** Four words of each message, which are big-endian, into four vectors of the schedule. */
function readWords(bytes: usize, stride: usize, words: usize): void {
  transpose(
    words,
    VECTOR_BYTES,
    swapBytes(v128.load(bytes)),
    swapBytes(v128.load(bytes + stride)),
    swapBytes(v128.load(bytes + 2 * stride)),
    swapBytes(v128.load(bytes + 3 * stride)),
  );
}

/** Word j of vector i becomes word i of the vector stored at `to + j * step`. */
// @ts-ignore: decorator
@inline
function transpose(to: usize, step: usize, x0: v128, x1: v128, x2: v128, x3: v128): void {
  const low01 = v128.shuffle<i32>(x0, x1, 0, 4, 1, 5);
  const low23 = v128.shuffle<i32>(x2, x3, 0, 4, 1, 5);
  const high01 = v128.shuffle<i32>(x0, x1, 2, 6, 3, 7);
  const high23 = v128.shuffle<i32>(x2, x3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2));
  v128.store(to + step, v128.shuffle<i64>(low01, low23, 1, 3));
  v128.store(to + 2 * step, v128.shuffle<i64>(high01, high23, 0, 2));
  v128.store(to + 3 * step, v128.shuffle<i64>(high01, high23, 1, 3));
}

/** The next eight words of the schedule. */
// @ts-ignore: decorator
@inline
function extend(w: usize): void {
  for (let end = w + ROUNDS_PER_STEP * VECTOR_BYTES; w < end; w += VECTOR_BYTES) {
    const old = i32x4.add(v128.load(w - 256), v128.load(w - 112));
    const mixed = i32x4.add(smallSigma0(v128.load(w - 240)), smallSigma1(v128.load(w - 32)));
    v128.store(w, i32x4.add(old, mixed));
  }
}

/** The round's T1 with h taken in. */
// @ts-ignore: decorator
@inline
function first(h: v128, e: v128, f: v128, g: v128, k: usize, w: usize): v128 {
  const word = i32x4.add(v128.load32_splat(k), v128.load(w));
  return i32x4.add(h, i32x4.add(i32x4.add(bigSigma1(e), choose(e, f, g)), word));
}

/** T1 + T2. */
// @ts-ignore: decorator
@inline
function second(t1: v128, a: v128, b: v128, c: v128): v128 {
  return i32x4.add(t1, i32x4.add(bigSigma0(a), majority(a, b, c)));
}

// @ts-ignore: decorator
@inline
function choose(x: v128, y: v128, z: v128): v128 {
  return v128.xor(z, v128.and(x, v128.xor(y, z)));
}

// @ts-ignore: decorator
@inline
function majority(x: v128, y: v128, z: v128): v128 {
  return v128.xor(v128.and(x, v128.xor(y, z)), v128.and(y, z));
}

// @ts-ignore: decorator
@inline
function bigSigma0(x: v128): v128 {
  return v128.xor(v128.xor(rotate(x, 2), rotate(x, 13)), rotate(x, 22));
}

// @ts-ignore: decorator
@inline
function bigSigma1(x: v128): v128 {
  return v128.xor(v128.xor(rotate(x, 6), rotate(x, 11)), rotate(x, 25));
}

// @ts-ignore: decorator
@inline
function smallSigma0(x: v128): v128 {
  return v128.xor(v128.xor(rotate(x, 7), rotate(x, 18)), i32x4.shr_u(x, 3));
}

// @ts-ignore: decorator
@inline
function smallSigma1(x: v128): v128 {
  return v128.xor(v128.xor(rotate(x, 17), rotate(x, 19)), i32x4.shr_u(x, 10));
}

/** Each word to the right by `count` bits. */
// @ts-ignore: decorator
@inline
function rotate(x: v128, count: i32): v128 {
  return v128.or(i32x4.shr_u(x, count), i32x4.shl(x, 32 - count));
}

/** The bytes of each word in the opposite order. */
// @ts-ignore: decorator
@inline
function swapBytes(x: v128): v128 {
  return i8x16.shuffle(x, x, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
}

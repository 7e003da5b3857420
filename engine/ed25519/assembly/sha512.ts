/** SHA-512 (FIPS 180-4, sections 4.1.3, 5.3.5 and 6.4): one message at once, or one after the other in pieces. */

/** First 64 bits of the fractions of the cube roots of the first 80 primes. */
const ROUND_CONSTANTS = memory.data<u64>([
  0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
  0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
  0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
  0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
  0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
  0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
  0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
  0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
  0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
  0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
  0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
  0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
  0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
  0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
  0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
  0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
  0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
  0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
  0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
  0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
]);

/** First 64 bits of the fractions of the square roots of the first 8 primes. */
const INITIAL_STATE = memory.data<u64>([
  0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
  0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
]);

const BLOCK_BYTES: usize = 128;
/** The length in bits takes the last 16 bytes of a block. */
const LENGTH_AT: usize = 112;

const state = memory.data(64, 8);
const block = memory.data(128, 8);
/** Bytes that wait in `block`, and bytes of the message so far. */
let waiting: usize = 0;
let total: u64 = 0;

/** out = the 64 bytes of SHA-512 of a message. */
export function sha512(out: usize, message: usize, length: usize): void {
  sha512Begin();
  sha512Update(message, length);
  sha512End(out);
}

/** Starts a message; the one before is forgotten. */
export function sha512Begin(): void {
  copyWords(state, INITIAL_STATE, 64);
  waiting = 0;
  total = 0;
}

/** Takes the next bytes of the message. */
export function sha512Update(bytes: usize, length: usize): void {
  total += length;
  if (waiting > 0) {
    const missing = BLOCK_BYTES - waiting;
    const taken = length < missing ? length : missing;
    memory.copy(block + waiting, bytes, taken);
    waiting += taken;
    bytes += taken;
    length -= taken;
    if (waiting < BLOCK_BYTES) return;
    compress(block);
    waiting = 0;
  }
  for (; length >= BLOCK_BYTES; length -= BLOCK_BYTES) {
    compress(bytes);
    bytes += BLOCK_BYTES;
  }
  const words = length & ~7;
  copyWords(block, bytes, words);
  memory.copy(block + words, bytes + words, length - words);
  waiting = length;
}

/** Ends the message; out = its 64 bytes. */
export function sha512End(out: usize): void {
  store<u8>(block + waiting, 0x80);
  for (waiting++; waiting & 7; waiting++) store<u8>(block + waiting, 0);
  if (waiting > LENGTH_AT) {
    clearWords(waiting, BLOCK_BYTES);
    compress(block);
    waiting = 0;
  }
  clearWords(waiting, LENGTH_AT);
  store<u64>(block, bswap<u64>(total >>> 61), LENGTH_AT);
  store<u64>(block, bswap<u64>(total << 3), LENGTH_AT + 8);
  compress(block);
  for (let i: usize = 0; i < 64; i += 8) store<u64>(out + i, bswap<u64>(load<u64>(state + i)));
}

/** Copies a multiple of 8 bytes; for so few a loop is faster than memory.copy. */
function copyWords(to: usize, from: usize, length: usize): void {
  for (let i: usize = 0; i < length; i += 8) store<u64>(to + i, load<u64>(from + i));
}

/** Clears a part of `block`, multiples of 8. */
function clearWords(from: usize, end: usize): void {
  for (let at = from; at < end; at += 8) store<u64>(block + at, 0);
}

// @ts-ignore: decorator
@inline
function majority(x: u64, y: u64, z: u64): u64 {
  return (x & y) ^ (x & z) ^ (y & z);
}

// @ts-ignore: decorator
@inline
function choose(x: u64, y: u64, z: u64): u64 {
  return z ^ (x & (y ^ z));
}

// @ts-ignore: decorator
@inline
function bigSigma0(x: u64): u64 {
  return rotr<u64>(x, 28) ^ rotr<u64>(x, 34) ^ rotr<u64>(x, 39);
}

// @ts-ignore: decorator
@inline
function bigSigma1(x: u64): u64 {
  return rotr<u64>(x, 14) ^ rotr<u64>(x, 18) ^ rotr<u64>(x, 41);
}

// @ts-ignore: decorator
@inline
function smallSigma0(x: u64): u64 {
  return rotr<u64>(x, 1) ^ rotr<u64>(x, 8) ^ (x >>> 7);
}

// @ts-ignore: decorator
@inline
function smallSigma1(x: u64): u64 {
  return rotr<u64>(x, 19) ^ rotr<u64>(x, 61) ^ (x >>> 6);
}

/** The bytes of a word in the opposite order. */
// @ts-ignore: decorator
@inline
function wordAt(bytes: usize): u64 {
  const x = load<u64>(bytes);
  const pairs = ((x >>> 8) & 0x00ff00ff00ff00ff) | ((x & 0x00ff00ff00ff00ff) << 8);
  const quads = ((pairs >>> 16) & 0x0000ffff0000ffff) | ((pairs & 0x0000ffff0000ffff) << 16);
  return rotr<u64>(quads, 32);
}

/** Sixteen rounds at a time: the message schedule is in w0 ... w15, and afterwards a ... h have their names again. */
function compress(bytes: usize): void {
  let w0 = wordAt(bytes + 0);
  let w1 = wordAt(bytes + 8);
  let w2 = wordAt(bytes + 16);
  let w3 = wordAt(bytes + 24);
  let w4 = wordAt(bytes + 32);
  let w5 = wordAt(bytes + 40);
  let w6 = wordAt(bytes + 48);
  let w7 = wordAt(bytes + 56);
  let w8 = wordAt(bytes + 64);
  let w9 = wordAt(bytes + 72);
  let w10 = wordAt(bytes + 80);
  let w11 = wordAt(bytes + 88);
  let w12 = wordAt(bytes + 96);
  let w13 = wordAt(bytes + 104);
  let w14 = wordAt(bytes + 112);
  let w15 = wordAt(bytes + 120);
  let a = load<u64>(state, 0);
  let b = load<u64>(state, 8);
  let c = load<u64>(state, 16);
  let d = load<u64>(state, 24);
  let e = load<u64>(state, 32);
  let f = load<u64>(state, 40);
  let g = load<u64>(state, 48);
  let h = load<u64>(state, 56);
  for (let k = ROUND_CONSTANTS; ; k += 128) {
    h += bigSigma1(e) + choose(e, f, g) + load<u64>(k, 0) + w0;
    d += h;
    h += bigSigma0(a) + majority(a, b, c);
    g += bigSigma1(d) + choose(d, e, f) + load<u64>(k, 8) + w1;
    c += g;
    g += bigSigma0(h) + majority(h, a, b);
    f += bigSigma1(c) + choose(c, d, e) + load<u64>(k, 16) + w2;
    b += f;
    f += bigSigma0(g) + majority(g, h, a);
    e += bigSigma1(b) + choose(b, c, d) + load<u64>(k, 24) + w3;
    a += e;
    e += bigSigma0(f) + majority(f, g, h);
    d += bigSigma1(a) + choose(a, b, c) + load<u64>(k, 32) + w4;
    h += d;
    d += bigSigma0(e) + majority(e, f, g);
    c += bigSigma1(h) + choose(h, a, b) + load<u64>(k, 40) + w5;
    g += c;
    c += bigSigma0(d) + majority(d, e, f);
    b += bigSigma1(g) + choose(g, h, a) + load<u64>(k, 48) + w6;
    f += b;
    b += bigSigma0(c) + majority(c, d, e);
    a += bigSigma1(f) + choose(f, g, h) + load<u64>(k, 56) + w7;
    e += a;
    a += bigSigma0(b) + majority(b, c, d);
    h += bigSigma1(e) + choose(e, f, g) + load<u64>(k, 64) + w8;
    d += h;
    h += bigSigma0(a) + majority(a, b, c);
    g += bigSigma1(d) + choose(d, e, f) + load<u64>(k, 72) + w9;
    c += g;
    g += bigSigma0(h) + majority(h, a, b);
    f += bigSigma1(c) + choose(c, d, e) + load<u64>(k, 80) + w10;
    b += f;
    f += bigSigma0(g) + majority(g, h, a);
    e += bigSigma1(b) + choose(b, c, d) + load<u64>(k, 88) + w11;
    a += e;
    e += bigSigma0(f) + majority(f, g, h);
    d += bigSigma1(a) + choose(a, b, c) + load<u64>(k, 96) + w12;
    h += d;
    d += bigSigma0(e) + majority(e, f, g);
    c += bigSigma1(h) + choose(h, a, b) + load<u64>(k, 104) + w13;
    g += c;
    c += bigSigma0(d) + majority(d, e, f);
    b += bigSigma1(g) + choose(g, h, a) + load<u64>(k, 112) + w14;
    f += b;
    b += bigSigma0(c) + majority(c, d, e);
    a += bigSigma1(f) + choose(f, g, h) + load<u64>(k, 120) + w15;
    e += a;
    a += bigSigma0(b) + majority(b, c, d);
    if (k == ROUND_CONSTANTS + 512) break;
    w0 += smallSigma0(w1) + w9 + smallSigma1(w14);
    w1 += smallSigma0(w2) + w10 + smallSigma1(w15);
    w2 += smallSigma0(w3) + w11 + smallSigma1(w0);
    w3 += smallSigma0(w4) + w12 + smallSigma1(w1);
    w4 += smallSigma0(w5) + w13 + smallSigma1(w2);
    w5 += smallSigma0(w6) + w14 + smallSigma1(w3);
    w6 += smallSigma0(w7) + w15 + smallSigma1(w4);
    w7 += smallSigma0(w8) + w0 + smallSigma1(w5);
    w8 += smallSigma0(w9) + w1 + smallSigma1(w6);
    w9 += smallSigma0(w10) + w2 + smallSigma1(w7);
    w10 += smallSigma0(w11) + w3 + smallSigma1(w8);
    w11 += smallSigma0(w12) + w4 + smallSigma1(w9);
    w12 += smallSigma0(w13) + w5 + smallSigma1(w10);
    w13 += smallSigma0(w14) + w6 + smallSigma1(w11);
    w14 += smallSigma0(w15) + w7 + smallSigma1(w12);
    w15 += smallSigma0(w0) + w8 + smallSigma1(w13);
  }
  store<u64>(state, load<u64>(state, 0) + a, 0);
  store<u64>(state, load<u64>(state, 8) + b, 8);
  store<u64>(state, load<u64>(state, 16) + c, 16);
  store<u64>(state, load<u64>(state, 24) + d, 24);
  store<u64>(state, load<u64>(state, 32) + e, 32);
  store<u64>(state, load<u64>(state, 40) + f, 40);
  store<u64>(state, load<u64>(state, 48) + g, 48);
  store<u64>(state, load<u64>(state, 56) + h, 56);
}

/**
 * Inversion of public values, three times as fast as a power: the division steps of Bernstein and Yang ("Fast constant-time gcd
 * computation and modular inversion", 2019, section 8), in the form whose running time depends on the value. Not for secrets.
 *
 * f = p and g = a become +-1 and 0 by steps that only look at their lowest bits: so 29 steps are done on one word, as
 * a matrix (u, v; q, r) / 2^29, which is then applied to the whole numbers f, g and to d, e, of which f = d a and g = e a modulo p
 * always hold.
 */
import { reduce } from './field';
import { fromBytes, toBytes } from './field-bytes';

const BITS: i64 = 29;
const MASK: i64 = (1 << 29) - 1;
const LIMBS_END: usize = 72;
/** p = 2^255 - 19; 2^255 is 2^23 in limb 8. */
const P_TOP_BITS: i64 = 23;
/** 738 steps suffice for 255 bits, (49 * 255 + 57) / 17 by theorem 11.2 there. */
const ROUNDS_MAX = 26;
/** 1 / 19 modulo 2^29. */
const INVERSE_OF_19: i64 = 141281819;

const bytes = memory.data(32, 8);
const limbs = memory.data(40, 8);
/** Nine limbs of 29 bits in i64, the last with the sign. */
const f = memory.data(72, 8);
const g = memory.data(72, 8);
const d = memory.data(72, 8);
const e = memory.data(72, 8);
/** The matrix. */
let u: i64 = 0;
let v: i64 = 0;
let q: i64 = 0;
let r: i64 = 0;

/** out = 1 / a; 0 for 0. Any limbs of i32; the running time tells about a. */
export function invertPublic(out: usize, a: usize): void {
  toBytes(bytes, a);
  fromBytes(limbs, bytes);
  for (let i: usize = 0; i < 9; i++) {
    store<i64>(f + 8 * i, MASK);
    store<i64>(g + 8 * i, i64.load32_s(limbs + 4 * i));
    store<i64>(d + 8 * i, 0);
    store<i64>(e + 8 * i, 0);
  }
  store<i64>(f, MASK - 18);
  store<i64>(f, (1 << P_TOP_BITS) - 1, 64);
  store<i64>(e, 1);
  let delta: i64 = 1;
  for (let round = 0; round < ROUNDS_MAX && !isNought(g); round++) {
    delta = divide(delta);
    applyExactly();
    applyModuloP();
  }
  const sign: i64 = load<i64>(f, 64) < 0 ? -1 : 1;
  for (let i: usize = 0; i < 9; i++) store<i32>(limbs + 4 * i, <i32>(load<i64>(d + 8 * i) * sign));
  reduce(out, limbs);
}

function isNought(number: usize): bool {
  let all: i64 = 0;
  for (let i: usize = 0; i < LIMBS_END; i += 8) all |= load<i64>(number + i);
  return all == 0;
}

/** 29 division steps on the lowest bits of f and g; sets the matrix and returns the new delta. */
function divide(delta: i64): i64 {
  let f0 = load<i64>(f);
  let g0 = load<i64>(g);
  let u0: i64 = 1;
  let v0: i64 = 0;
  let q0: i64 = 0;
  let r0: i64 = 1;
  let left: i64 = BITS;
  while (true) {
    // As long as g is even a step halves it, here by doubling the other row.
    const zeros = ctz<i64>(g0 | (<i64>-1 << left));
    g0 >>= zeros;
    u0 <<= zeros;
    v0 <<= zeros;
    delta += zeros;
    left -= zeros;
    if (left == 0) break;
    if (delta > 0) {
      delta = -delta;
      let swapped = f0;
      f0 = g0;
      g0 = -swapped;
      swapped = u0;
      u0 = q0;
      q0 = -swapped;
      swapped = v0;
      v0 = r0;
      r0 = -swapped;
    }
    // Until delta is positive again only multiples of f are added: 1 - delta steps at least. Up to six bits of g at once
    // vanish by adding w f, w = -g / f modulo 64, and 1 / f = f (2 - f^2) modulo 64.
    const steps = 1 - delta < left ? 1 - delta : left;
    const w = f0 * g0 * (f0 * f0 - 2) & 63 & ((<i64>1 << steps) - 1);
    g0 += f0 * w;
    q0 += u0 * w;
    r0 += v0 * w;
  }
  u = u0;
  v = v0;
  q = q0;
  r = r0;
  return delta;
}

/** (f, g) = (u f + v g, q f + r g) / 2^29, without a remainder. */
function applyExactly(): void {
  let cf: i64 = 0;
  let cg: i64 = 0;
  for (let i: usize = 0; i < LIMBS_END; i += 8) {
    const fi = load<i64>(f + i);
    const gi = load<i64>(g + i);
    cf += u * fi + v * gi;
    cg += q * fi + r * gi;
    if (i > 0) {
      store<i64>(f + i - 8, cf & MASK);
      store<i64>(g + i - 8, cg & MASK);
    }
    cf >>= BITS;
    cg >>= BITS;
  }
  store<i64>(f, cf, 64);
  store<i64>(g, cg, 64);
}

/** (d, e) = (u d + v e, q d + r e) / 2^29 modulo p, made even by adding multiples of p; both stay within (-2p, p). */
function applyModuloP(): void {
  const d0 = load<i64>(d);
  const e0 = load<i64>(e);
  const signD = load<i64>(d, 64) >> 63;
  const signE = load<i64>(e, 64) >> 63;
  let md = (u & signD) + (v & signE);
  let me = (q & signD) + (r & signE);
  let cd = u * d0 + v * e0;
  let ce = q * d0 + r * e0;
  // The lowest limb of p is -19.
  md += (cd * INVERSE_OF_19 - md) & MASK;
  me += (ce * INVERSE_OF_19 - me) & MASK;
  cd -= 19 * md;
  ce -= 19 * me;
  cd >>= BITS;
  ce >>= BITS;
  for (let i: usize = 8; i < LIMBS_END; i += 8) {
    const di = load<i64>(d + i);
    const ei = load<i64>(e + i);
    cd += u * di + v * ei;
    ce += q * di + r * ei;
    if (i == 64) {
      cd += md << P_TOP_BITS;
      ce += me << P_TOP_BITS;
    }
    store<i64>(d + i - 8, cd & MASK);
    store<i64>(e + i - 8, ce & MASK);
    cd >>= BITS;
    ce >>= BITS;
  }
  store<i64>(d, cd, 64);
  store<i64>(e, ce, 64);
}

/** Points as 32 bytes (RFC 8032 sections 5.1.2 and 5.1.3), in the strict reading: one point, one encoding. */
import { mul, reduce, square } from './field';
import { add, negate, setSmall, sub } from './field-basics';
import { fromBytes, isOdd, isZero, toBytes } from './field-bytes';
import { invert, squareRootOfRatio } from './field-power';
import { setAffine, Y, Z } from './edwards';

/** d = -121665 / 121666. */
const D = memory.data<i32>([
  324630691, 257584720, 276179677, 1350274, 512327687, 3980220, 432943901, 499478015, 5374828,
]);

/** The y of the points of small order, as 64-bit words: 0, 1 and -1, and of order 8 both. */
const SMALL_ORDER_Y = memory.data<u64>([
  0, 0, 0, 0,
  1, 0, 0, 0,
  0xffffffffffffffec, 0xffffffffffffffff, 0xffffffffffffffff, 0x7fffffffffffffff,
  0xb027b2c28f95e826, 0xf098eff289f4c345, 0x3933c6d305acdfd5, 0x05fc536d880238b1,
  0x4fd84d3d706a17c7, 0x0f67100d760b3cba, 0xc6cc392cfa53202a, 0x7a03ac9277fdc74e,
]);
const SMALL_ORDER_END: usize = 5 * 32;
const WITHOUT_SIGN: u64 = 0x7fffffffffffffff;

const x = memory.data(40, 8);
const y = memory.data(40, 8);
const u = memory.data(40, 8);
const v = memory.data(40, 8);
const one = memory.data(40, 8);
const inverse = memory.data(40, 8);

/** Whether y, the sign of x aside, is below p. */
export function isCanonicalY(bytes: usize): bool {
  const top = (load<u64>(bytes, 24) & WITHOUT_SIGN) == WITHOUT_SIGN;
  const middle = (load<u64>(bytes, 8) & load<u64>(bytes, 16)) == u64.MAX_VALUE;
  return !(top && middle && load<u64>(bytes) >= 0xffffffffffffffed);
}

/** Whether a canonical y, the sign of x aside, is that of a point of small order. */
export function isSmallOrderY(bytes: usize): bool {
  for (let at = SMALL_ORDER_Y; at < SMALL_ORDER_Y + SMALL_ORDER_END; at += 32) {
    const same =
      load<u64>(bytes) == load<u64>(at) &&
      load<u64>(bytes, 8) == load<u64>(at, 8) &&
      load<u64>(bytes, 16) == load<u64>(at, 16) &&
      (load<u64>(bytes, 24) & WITHOUT_SIGN) == load<u64>(at, 24);
    if (same) return true;
  }
  return false;
}

/**
 * out = the point of an encoding, with Z = 1. False if y is p or more, if no point of the curve has this y, or if the sign is
 * set although x is 0. RFC 8032 section 5.1.3: x^2 = (y^2 - 1) / (d y^2 + 1).
 */
export function decodePoint(out: usize, bytes: usize): bool {
  if (!isCanonicalY(bytes)) return false;
  fromBytes(y, bytes);
  square(u, y);
  mul(v, u, D);
  setSmall(one, 1);
  sub(u, u, one);
  add(v, v, one);
  reduce(u, u);
  reduce(v, v);
  if (!squareRootOfRatio(x, u, v)) return false;
  const sign = load<u8>(bytes, 31) >>> 7 != 0;
  if (sign && isZero(x)) return false;
  if (isOdd(x) != sign) {
    negate(x, x);
    reduce(x, x);
  }
  setAffine(out, x, y);
  return true;
}

/** The 32 bytes of a point. */
export function encodePoint(bytes: usize, p: usize): void {
  invert(inverse, p + Z);
  mul(x, p, inverse);
  mul(y, p + Y, inverse);
  toBytes(bytes, y);
  store<u8>(bytes, load<u8>(bytes, 31) | (isOdd(x) ? 0x80 : 0), 31);
}

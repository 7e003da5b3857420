/** Powers of field elements: inversion and square roots (RFC 8032 section 5.1.3), in constant time. */
import { mul, square } from './field';
import { copy, negate } from './field-basics';
import { isEqual } from './field-bytes';

const t0 = memory.data(40, 8);
const t1 = memory.data(40, 8);
const t2 = memory.data(40, 8);
const base = memory.data(40, 8);
const root = memory.data(40, 8);
const check = memory.data(40, 8);

/** A square root of -1: 2^((p - 1) / 4). */
const SQRT_MINUS_ONE = memory.data<i32>([
  168730800, 124836154, 200875569, 103812442, 494564084, 5021437, 472689972, 269088827, 2851620,
]);

/** out = a^(2^count); count > 0. */
export function squareTimesOver(out: usize, a: usize, count: i32): void {
  square(out, a);
  for (let i = 1; i < count; i++) square(out, out);
}

/** t1 = a^(2^250 - 1), t0 = a^11. */
function powerOf250Ones(a: usize): void {
  square(t0, a); // 2
  squareTimesOver(t1, t0, 2); // 8
  mul(t1, t1, a); // 9
  mul(t0, t0, t1); // 11
  square(t2, t0); // 22
  mul(t1, t1, t2); // 2^5 - 1
  squareTimesOver(t2, t1, 5);
  mul(t1, t2, t1); // 2^10 - 1
  squareTimesOver(t2, t1, 10);
  mul(t2, t2, t1); // 2^20 - 1
  copy(check, t2);
  squareTimesOver(t2, t2, 20);
  mul(t2, t2, check); // 2^40 - 1
  squareTimesOver(t2, t2, 10);
  mul(t1, t2, t1); // 2^50 - 1
  squareTimesOver(t2, t1, 50);
  mul(t2, t2, t1); // 2^100 - 1
  copy(check, t2);
  squareTimesOver(t2, t2, 100);
  mul(t2, t2, check); // 2^200 - 1
  squareTimesOver(t2, t2, 50);
  mul(t1, t2, t1); // 2^250 - 1
}

/** out = 1 / a = a^(p - 2); 0 for 0. `a` reduced. */
export function invert(out: usize, a: usize): void {
  powerOf250Ones(a);
  squareTimesOver(t1, t1, 5);
  mul(out, t1, t0); // 2^255 - 32 + 11 = p - 2
}

/** out = a^((p - 5) / 8). `a` reduced, and not the place of the result. */
function powerP58(out: usize, a: usize): void {
  powerOf250Ones(a);
  squareTimesOver(t1, t1, 2);
  mul(out, t1, a); // 2^252 - 4 + 1 = (p - 5) / 8
}

/**
 * out = a square root of u / v, and true; or false when there is none, and out is not meaningful. 0 for u = 0. `u` and `v`
 * reduced, v not 0, neither the place of the result. RFC 8032 section 5.1.3: the candidate is u v^3 (u v^7)^((p - 5) / 8).
 */
export function squareRootOfRatio(out: usize, u: usize, v: usize): bool {
  square(root, v);
  mul(root, root, v); // v^3
  square(out, root);
  mul(out, out, v); // v^7
  mul(base, out, u);
  mul(root, root, u); // u v^3
  powerP58(out, base);
  mul(out, out, root);

  square(check, out);
  mul(check, check, v);
  if (isEqual(check, u)) return true;
  negate(check, check);
  if (!isEqual(check, u)) return false;
  mul(out, out, SQRT_MINUS_ONE);
  return true;
}

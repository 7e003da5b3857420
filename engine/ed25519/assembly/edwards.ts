/**
 * Points of the curve -x^2 + y^2 = 1 + d x^2 y^2 in extended coordinates (Hisil, Wong, Carter, Dawson: "Twisted Edwards
 * Curves Revisited", 2008; RFC 8032 section 5.1.4): X, Y, Z, T with x = X / Z, y = Y / Z, x y = T / Z, four reduced elements one after the
 * other. d is no square, so the addition is complete: it holds for all points, equal, opposite or neutral.
 */
import { FIELD_BYTES, mul, mulAdd, mulDiff, mulTwice, reduce, square, squareTwiceSub } from './field';
import { add, copy, negate, setSmall, sub, subTwice } from './field-basics';

/** Bytes of an extended point and of a cached point. */
export const POINT_BYTES: usize = 4 * FIELD_BYTES;

export const Y: usize = FIELD_BYTES;
export const Z: usize = 2 * FIELD_BYTES;
export const T: usize = 3 * FIELD_BYTES;

/** A cached point, what an addition wants to know of its second operand: Y + X, Y - X, 2Z, 2dT. */
const MINUS: usize = FIELD_BYTES;
const TWICE_Z: usize = 2 * FIELD_BYTES;
const TWICE_DT: usize = 3 * FIELD_BYTES;

/** 2d = -2 * 121665 / 121666. */
const TWICE_D = memory.data<i32>([
  112390489, 515169441, 15488442, 2700549, 487784462, 7960441, 329016890, 462085119, 2361049,
]);

const a = memory.data(40, 8);
const b = memory.data(40, 8);
const e = memory.data(40, 8);
const f = memory.data(40, 8);
const g = memory.data(40, 8);
const h = memory.data(40, 8);

/** out = the neutral point (0, 1). */
export function setNeutral(out: usize): void {
  setSmall(out, 0);
  setSmall(out + Y, 1);
  setSmall(out + Z, 1);
  setSmall(out + T, 0);
}

/** out = (x, y) with Z = 1, x and y reduced. */
export function setAffine(out: usize, x: usize, y: usize): void {
  copy(out, x);
  copy(out + Y, y);
  setSmall(out + Z, 1);
  mul(out + T, x, y);
}

/** out = 2 p; T is left out unless asked for: a doubling that follows does not need it. May work in place. */
export function double(out: usize, p: usize, withT: bool): void {
  square(a, p);
  square(b, p + Y);
  mulTwice(e, p, p + Y);
  sub(g, b, a);
  squareTwiceSub(f, p + Z, g);
  add(h, b, a);
  // The usual formulas have F and H of the opposite sign; that changes all four coordinates' sign, and so nothing.
  mul(out, e, f);
  mul(out + Y, g, h);
  mul(out + Z, f, g);
  if (withT) mul(out + T, e, h);
}

/** out = p in cached form. */
export function toCached(out: usize, p: usize): void {
  add(out, p + Y, p);
  reduce(out, out);
  sub(out + MINUS, p + Y, p);
  add(out + TWICE_Z, p + Z, p + Z);
  mul(out + TWICE_DT, p + T, TWICE_D);
}

/** out = p + q, or p - q; q cached. T as for {@link double}, but p needs it. May work in place. */
export function addCached(out: usize, p: usize, q: usize, negative: bool, withT: bool): void {
  const plus = negative ? q + MINUS : q;
  const minus = negative ? q : q + MINUS;
  add(g, p + Y, p);
  mulDiff(a, minus, p + Y, p);
  mulAdd(h, plus, g, a);
  subTwice(e, h, a);
  mul(a, p + T, q + TWICE_DT);
  if (negative) {
    mulAdd(f, p + Z, q + TWICE_Z, a);
    subTwice(g, f, a);
  } else {
    mul(b, p + Z, q + TWICE_Z);
    sub(f, b, a);
    add(g, b, a);
  }
  mul(out, e, f);
  mul(out + Y, g, h);
  mul(out + Z, f, g);
  if (withT) mul(out + T, e, h);
}

/** out = -p. */
export function negatePoint(out: usize, p: usize): void {
  negate(out, p);
  copy(out + Y, p + Y);
  copy(out + Z, p + Z);
  negate(out + T, p + T);
}

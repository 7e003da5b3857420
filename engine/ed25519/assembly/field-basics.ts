/**
 * Sums, differences and copies of field elements, limb by limb and without carrying: the bounds of the operands add up
 * (see field.ts for what a product accepts). The result may be an operand.
 */
/** out = a. */
export function copy(out: usize, a: usize): void {
  const w0 = load<i64>(a);
  const w1 = load<i64>(a, 8);
  const w2 = load<i64>(a, 16);
  const w3 = load<i64>(a, 24);
  const w4 = load<i32>(a, 32);
  store<i64>(out, w0);
  store<i64>(out, w1, 8);
  store<i64>(out, w2, 16);
  store<i64>(out, w3, 24);
  store<i32>(out, w4, 32);
}

/** out = a small number, reduced. */
export function setSmall(out: usize, value: i32): void {
  store<i64>(out, <i64>(<u32>value));
  store<i64>(out, 0, 8);
  store<i64>(out, 0, 16);
  store<i64>(out, 0, 24);
  store<i32>(out, 0, 32);
}

/** out = a + b. */
export function add(out: usize, a: usize, b: usize): void {
  store<i32>(out, load<i32>(a, 0) + load<i32>(b, 0), 0);
  store<i32>(out, load<i32>(a, 4) + load<i32>(b, 4), 4);
  store<i32>(out, load<i32>(a, 8) + load<i32>(b, 8), 8);
  store<i32>(out, load<i32>(a, 12) + load<i32>(b, 12), 12);
  store<i32>(out, load<i32>(a, 16) + load<i32>(b, 16), 16);
  store<i32>(out, load<i32>(a, 20) + load<i32>(b, 20), 20);
  store<i32>(out, load<i32>(a, 24) + load<i32>(b, 24), 24);
  store<i32>(out, load<i32>(a, 28) + load<i32>(b, 28), 28);
  store<i32>(out, load<i32>(a, 32) + load<i32>(b, 32), 32);
}

/** out = a - b. */
export function sub(out: usize, a: usize, b: usize): void {
  store<i32>(out, load<i32>(a, 0) - load<i32>(b, 0), 0);
  store<i32>(out, load<i32>(a, 4) - load<i32>(b, 4), 4);
  store<i32>(out, load<i32>(a, 8) - load<i32>(b, 8), 8);
  store<i32>(out, load<i32>(a, 12) - load<i32>(b, 12), 12);
  store<i32>(out, load<i32>(a, 16) - load<i32>(b, 16), 16);
  store<i32>(out, load<i32>(a, 20) - load<i32>(b, 20), 20);
  store<i32>(out, load<i32>(a, 24) - load<i32>(b, 24), 24);
  store<i32>(out, load<i32>(a, 28) - load<i32>(b, 28), 28);
  store<i32>(out, load<i32>(a, 32) - load<i32>(b, 32), 32);
}

/** out = a - 2b. */
export function subTwice(out: usize, a: usize, b: usize): void {
  store<i32>(out, load<i32>(a, 0) - (load<i32>(b, 0) << 1), 0);
  store<i32>(out, load<i32>(a, 4) - (load<i32>(b, 4) << 1), 4);
  store<i32>(out, load<i32>(a, 8) - (load<i32>(b, 8) << 1), 8);
  store<i32>(out, load<i32>(a, 12) - (load<i32>(b, 12) << 1), 12);
  store<i32>(out, load<i32>(a, 16) - (load<i32>(b, 16) << 1), 16);
  store<i32>(out, load<i32>(a, 20) - (load<i32>(b, 20) << 1), 20);
  store<i32>(out, load<i32>(a, 24) - (load<i32>(b, 24) << 1), 24);
  store<i32>(out, load<i32>(a, 28) - (load<i32>(b, 28) << 1), 28);
  store<i32>(out, load<i32>(a, 32) - (load<i32>(b, 32) << 1), 32);
}

/** out = -a. */
export function negate(out: usize, a: usize): void {
  store<i32>(out, -load<i32>(a, 0), 0);
  store<i32>(out, -load<i32>(a, 4), 4);
  store<i32>(out, -load<i32>(a, 8), 8);
  store<i32>(out, -load<i32>(a, 12), 12);
  store<i32>(out, -load<i32>(a, 16), 16);
  store<i32>(out, -load<i32>(a, 20), 20);
  store<i32>(out, -load<i32>(a, 24), 24);
  store<i32>(out, -load<i32>(a, 28), 28);
  store<i32>(out, -load<i32>(a, 32), 32);
}

/**
 * Sums, differences and copies of field elements, limb by limb and without carrying: the bounds of the operands add up
 * (see field.ts for what a product accepts). The result may be an operand.
 */
import { FIELD_BYTES } from './field';

const LIMBS_END: usize = FIELD_BYTES;

/** out = a. */
export function copy(out: usize, a: usize): void {
  for (let k: usize = 0; k < LIMBS_END; k += 4) store<i32>(out + k, load<i32>(a + k));
}

/** out = a small number, reduced. */
export function setSmall(out: usize, value: i32): void {
  memory.fill(out, 0, FIELD_BYTES);
  store<i32>(out, value);
}

/** out = a + b. */
export function add(out: usize, a: usize, b: usize): void {
  for (let k: usize = 0; k < LIMBS_END; k += 4) store<i32>(out + k, load<i32>(a + k) + load<i32>(b + k));
}

/** out = a - b. */
export function sub(out: usize, a: usize, b: usize): void {
  for (let k: usize = 0; k < LIMBS_END; k += 4) store<i32>(out + k, load<i32>(a + k) - load<i32>(b + k));
}

/** out = a - 2b. */
export function subTwice(out: usize, a: usize, b: usize): void {
  for (let k: usize = 0; k < LIMBS_END; k += 4) store<i32>(out + k, load<i32>(a + k) - (load<i32>(b + k) << 1));
}

/** out = -a. */
export function negate(out: usize, a: usize): void {
  for (let k: usize = 0; k < LIMBS_END; k += 4) store<i32>(out + k, -load<i32>(a + k));
}

/** A module for tests only: everything of the engine's and the routines below. See README.md. */
import { PRODUCTS, ROWS } from './memory';

export * from './combination';
export * from './digits';
export * from './edwards';
export * from './encoding';
export * from './field';
export * from './field-basics';
export * from './field-bytes';
export * from './field-invert';
export * from './field-power';
export * from './index';
export * from './montgomery';
export * from './scalar';
export * from './sha512';
export * from './shape';
export * from './table';

/** Where tests may put what they like: 200,000 bytes. Building a table or verifying writes over them. */
export function scratchAddress(): usize {
  return ROWS;
}
/** Room for the products of row operations: 90,000 bytes. */
export function productsAddress(): usize {
  return PRODUCTS;
}

/**
 * What lies where in the module's memory, behind the constants and temporary places of the single files. Everything is
 * fixed but the keys' tables, which the host puts at the end and grows the memory for.
 */
import { FIELD_BYTES } from './field';
import { MONTGOMERY_BYTES } from './montgomery';
import { BASE_ENTRIES, BASE_TABLE_BYTES, BASE_WINDOWS, BATCH_MAX, GROUP_MAX, POINTS, RECORD_BYTES, STAGING_BYTES } from './shape';

// @ts-ignore: decorator
@inline
function align(at: usize): usize {
  return (at + 63) & ~63;
}

// @ts-ignore: decorator
@inline
function larger(a: usize, b: usize): usize {
  return a > b ? a : b;
}

/** The open batch, and one more record for single checks; see record.ts. */
export const RECORDS: usize = align(__heap_base);
/** One byte for each record: 1 valid, 0 not. */
export const VERDICTS: usize = RECORDS + (BATCH_MAX + 1) * RECORD_BYTES;
/** Where the host puts bytes of a long message, a public key, a point. */
export const STAGING: usize = align(VERDICTS + BATCH_MAX + 1);
/** Rows of points of a group of signatures, or of a table under construction. */
export const ROWS: usize = STAGING + STAGING_BYTES;
/** Products of denominators for batch inversions. */
export const PRODUCTS: usize = align(
  ROWS + larger(POINTS * GROUP_MAX, (BASE_ENTRIES + 3) * BASE_WINDOWS) * MONTGOMERY_BYTES,
);
export const BASE_TABLE: usize = align(
  PRODUCTS + (larger((POINTS >> 1) * GROUP_MAX, (BASE_ENTRIES >> 1) * BASE_WINDOWS) + 1) * FIELD_BYTES,
);
export const KEY_TABLES: usize = BASE_TABLE + BASE_TABLE_BYTES;

/** Public keys: the checks of a new one, and the table for one that is used often. */
import { combine } from './combination';
import { fromBytes, isEqual, isZero, toBytes } from './field-bytes';
import { negatePoint, POINT_BYTES, setAffine, Y, Z } from './edwards';
import { decodePoint, isCanonicalY, isSmallOrderY } from './encoding';
import { PRODUCTS, ROWS, STAGING } from './memory';
import { KEY_WIDTH, KEY_WINDOWS } from './shape';
import { buildTable } from './table';

/** The group order L (RFC 8032 section 5.1). */
const ORDER = memory.data<u64>([0x5812631a5cf5d3ed, 0x14def9dea2f79cd6, 0, 0x1000000000000000]);
const ZERO = memory.data<u64>([0, 0, 0, 0]);

const point = memory.data(POINT_BYTES, 8);
const product = memory.data(POINT_BYTES, 8);
const x = memory.data(40, 8);
const y = memory.data(40, 8);

/**
 * Whether the 32 bytes at STAGING may be a public key: canonical, on the curve, not of small order, [L]A = 0. If so, the 64
 * bytes behind them are x and y of -A.
 */
export function importKey(): bool {
  if (!isCanonicalY(STAGING) || isSmallOrderY(STAGING)) return false;
  if (!decodePoint(point, STAGING)) return false;
  combine(product, ORDER, point, ZERO);
  if (!isZero(product) || !isEqual(product + Y, product + Z)) return false;
  negatePoint(point, point);
  toBytes(STAGING + 32, point);
  toBytes(STAGING + 64, point + Y);
  return true;
}

/** Builds the table of the key with the point at STAGING (x and y of -A) at `table`. */
export function buildKeyTable(table: usize): void {
  fromBytes(x, STAGING);
  fromBytes(y, STAGING + 32);
  setAffine(point, x, y);
  buildTable(table, point, KEY_WINDOWS, KEY_WIDTH, ROWS, PRODUCTS);
}

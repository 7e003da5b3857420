/**
 * Decides a batch of signatures, each on its own and by the exact rule: S < L; R canonical and not of small order; the encoding of
 * [S]B - [k]A is R (RFC 8032 section 5.1.7 without the cofactor). Keys were checked when they were imported (key.ts).
 *
 * Signatures of keys with tables go in groups: the points whose sum is [S]B - [k]A are taken from the tables, one row for
 * each digit, one column for each signature, and the rows are added up pairwise. All additions of a level share one inversion.
 * A column in which equal or opposite points met, which nobody sees who does not aim for it, and keys without a table take the complete
 * formulas of combination.ts.
 */
import { combine } from './combination';
import { entryOf, isNegative, prepareDigits, PREPARED_BYTES, windowAt } from './digits';
import { POINT_BYTES, setAffine, Y, Z } from './edwards';
import { isCanonicalY, isSmallOrderY } from './encoding';
import { FIELD_BYTES, mul } from './field';
import { add, copy, setSmall, sub } from './field-basics';
import { fromBytes, fromBytesSigned, isEqual, isOdd } from './field-bytes';
import { invertPublic } from './field-invert';
import { BASE_TABLE, PRODUCTS, RECORDS, ROWS, VERDICTS } from './memory';
import { addRows, MONTGOMERY_BYTES, V } from './montgomery';
import { HASHED, K_AT, LENGTH_AT, POINT_AT, R_AT, S_AT, TABLE_AT } from './record';
import { isBelowOrder, reduceWide } from './scalar';
import { sha512 } from './sha512';
import {
  BASE_ENTRIES,
  BASE_WIDTH,
  BASE_WINDOWS,
  ENTRY_BYTES,
  GROUP_MAX,
  KEY_ENTRIES,
  KEY_WIDTH,
  KEY_WINDOWS,
  POINTS,
  RECORD_BYTES,
} from './shape';
import { fromMontgomery, SQRT_MINUS_A_PLUS_2 } from './table';

const digest = memory.data(64, 8);
const prepared = memory.data(PREPARED_BYTES, 8);
const x = memory.data(40, 8);
const y = memory.data(40, 8);
const one = memory.data(40, 8);
const inverse = memory.data(40, 8);
const negativeKey = memory.data(POINT_BYTES, 8);
const point = memory.data(POINT_BYTES, 8);

/** The group: for each column the record; one byte that says "these formulas cannot tell". */
const columnRecord = memory.data(4 * GROUP_MAX, 8);
const columnFlag = memory.data(GROUP_MAX, 8);

/** What is left to decide: x = numerator / denominator must have the sign of R. */
const pendingRecord = memory.data(4 * GROUP_MAX, 8);
const numerators = memory.data(FIELD_BYTES * GROUP_MAX, 8);
const denominators = memory.data(FIELD_BYTES * GROUP_MAX, 8);
let pending: usize = 0;

/** Decides `count` records from the one at `first`; each has its verdict at the same index in VERDICTS. */
export function verifyBatch(first: usize, count: usize): void {
  memory.fill(VERDICTS + first, 0, count);
  for (let done: usize = 0; done < count; done += GROUP_MAX) {
    const left = count - done;
    verifyGroup(RECORDS + (first + done) * RECORD_BYTES, left < GROUP_MAX ? left : GROUP_MAX);
  }
}

function verifyGroup(records: usize, count: usize): void {
  pending = 0;
  let columns: usize = 0;
  for (let i: usize = 0; i < count; i++) {
    const record = records + i * RECORD_BYTES;
    if (!hasGoodShape(record)) continue;
    hashRecord(record);
    if (load<u32>(record, TABLE_AT) == 0) decideByCombination(record);
    else store<u32>(columnRecord + 4 * columns++, <u32>record);
  }
  if (columns > 0) addUp(columns);
  decideSigns();
}

function hasGoodShape(record: usize): bool {
  return isBelowOrder(record + S_AT) && isCanonicalY(record + R_AT) && !isSmallOrderY(record + R_AT);
}

/** k = SHA-512(R || A || M) modulo L, unless it is there already. */
function hashRecord(record: usize): void {
  const length = load<u32>(record, LENGTH_AT);
  if (length == HASHED) return;
  sha512(digest, record + R_AT, 64 + length);
  reduceWide(record + K_AT, digest);
}

/** Adds up the columns' points; the sums are in the first row then. */
function addUp(columns: usize): void {
  memory.fill(columnFlag, 0, columns);
  for (let c: usize = 0; c < columns; c++) gather(load<u32>(columnRecord + 4 * c), c, columns);
  const rowBytes = columns * MONTGOMERY_BYTES;
  for (let rows = POINTS; rows > 1; ) {
    const half = rows >>> 1;
    addRows(ROWS, ROWS, ROWS + half * rowBytes, rowBytes, half, columns, columnFlag, PRODUCTS);
    if (rows & 1) memory.copy(ROWS + half * rowBytes, ROWS + (rows - 1) * rowBytes, rowBytes);
    rows = half + (rows & 1);
  }
  for (let c: usize = 0; c < columns; c++) {
    const record = load<u32>(columnRecord + 4 * c);
    if (load<u8>(columnFlag + c)) decideByCombination(record);
    else decideMontgomery(record, ROWS + c * MONTGOMERY_BYTES);
  }
}

/** Puts the points of one signature into its column: digits of k with -A, then digits of S with B. */
function gather(record: usize, column: usize, columns: usize): void {
  let to = ROWS + column * MONTGOMERY_BYTES;
  const rowBytes = columns * MONTGOMERY_BYTES;
  prepareDigits(prepared, record + K_AT, KEY_WINDOWS * KEY_WIDTH);
  let window: usize = load<u32>(record, TABLE_AT);
  for (let i: usize = 0; i < KEY_WINDOWS; i++) {
    unpack(to, window, windowAt(prepared, i, KEY_WIDTH), KEY_WIDTH);
    window += KEY_ENTRIES * ENTRY_BYTES;
    to += rowBytes;
  }
  prepareDigits(prepared, record + S_AT, BASE_WINDOWS * BASE_WIDTH);
  window = BASE_TABLE;
  for (let i: usize = 0; i < BASE_WINDOWS; i++) {
    unpack(to, window, windowAt(prepared, i, BASE_WIDTH), BASE_WIDTH);
    window += BASE_ENTRIES * ENTRY_BYTES;
    to += rowBytes;
  }
}

// @ts-ignore: decorator
@inline
function unpack(to: usize, window: usize, signs: u32, width: usize): void {
  const entry = window + entryOf(signs, width) * ENTRY_BYTES;
  fromBytes(to, entry);
  fromBytesSigned(to + V, entry + 32, isNegative(signs, width) ? -1 : 1);
}

/** The sum as (u, v): y = (u - 1) / (u + 1), x = c u / v. u is never -1 on this curve, and v is 0 only for a point of order 2. */
function decideMontgomery(record: usize, p: usize): void {
  setSmall(one, 1);
  fromBytes(y, record + R_AT);
  add(x, p, one);
  mul(y, y, x);
  sub(x, p, one);
  if (!isEqual(y, x)) return;
  const at = pending * FIELD_BYTES;
  mul(numerators + at, p, SQRT_MINUS_A_PLUS_2);
  copy(denominators + at, p + V);
  store<u32>(pendingRecord + 4 * pending++, <u32>record);
}

/** -A: from the first entry of the key's table, or else from the record. */
function loadNegativeKey(record: usize): void {
  const table = load<u32>(record, TABLE_AT);
  const from = table == 0 ? record + POINT_AT : table;
  fromBytes(x, from);
  fromBytes(y, from + 32);
  if (table == 0) setAffine(negativeKey, x, y);
  else fromMontgomery(negativeKey, x, y);
}

/** The sum in extended coordinates: y = Y / Z, x = X / Z. */
function decideByCombination(record: usize): void {
  loadNegativeKey(record);
  combine(point, record + K_AT, negativeKey, record + S_AT);
  fromBytes(y, record + R_AT);
  mul(y, y, point + Z);
  if (!isEqual(y, point + Y)) return;
  const at = pending * FIELD_BYTES;
  copy(numerators + at, point);
  copy(denominators + at, point + Z);
  store<u32>(pendingRecord + 4 * pending++, <u32>record);
}

/** Compares the signs of x, with one inversion for all that are pending. */
function decideSigns(): void {
  if (pending == 0) return;
  let last = PRODUCTS;
  setSmall(last, 1);
  for (let i: usize = 0; i < pending; i++) {
    mul(last + FIELD_BYTES, last, denominators + i * FIELD_BYTES);
    last += FIELD_BYTES;
  }
  invertPublic(inverse, last);
  for (let i = pending; i-- > 0; ) {
    last -= FIELD_BYTES;
    mul(x, inverse, last);
    mul(x, x, numerators + i * FIELD_BYTES);
    mul(inverse, inverse, denominators + i * FIELD_BYTES);
    const record = <usize>load<u32>(pendingRecord + 4 * i);
    const sign = load<u8>(record, R_AT + 31) >>> 7 != 0;
    if (isOdd(x) == sign) store<u8>(VERDICTS + (record - RECORDS) / RECORD_BYTES, 1);
  }
}

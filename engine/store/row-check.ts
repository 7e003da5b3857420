/**
 * Check values of stored rows: CRC-32 (IEEE 802.3) as a signed 32-bit integer. They find accidents and hasty edits in columns that no
 * signature covers; they are no defence against somebody who recomputes them.
 */
import { crc32 } from 'node:zlib';

/** A column's value: text, whole number (timestamps as microseconds since 1970), bytes, or null. */
export type CheckedValue = string | number | bigint | Uint8Array | null;

/** Length word of null. */
const NULL_LENGTH = -1;

/** The check value of a row of bookkeeping, from all of its columns in table order: i32 length, then the value, each. */
export function rowCheck(values: readonly CheckedValue[]): number {
  let check = 0;
  const head = Buffer.alloc(4);
  for (const value of values) {
    const bytes = bytesOf(value);
    head.writeInt32BE(bytes === null ? NULL_LENGTH : bytes.length);
    check = crc32(head, check);
    if (bytes !== null) check = crc32(bytes, check);
  }
  return check | 0;
}

function bytesOf(value: CheckedValue): Uint8Array | null {
  if (value === null || value instanceof Uint8Array) return value;
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

/** The check value of an event's row: its COPY tuple from `start` to `end`. */
export function tupleCheck(tuple: Uint8Array, start: number, end: number): number {
  return crc32(tuple.subarray(start, end)) | 0;
}

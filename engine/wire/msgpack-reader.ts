/**
 * Reading MessagePack that strangers wrote. A reader is asked for what has to be next and takes nothing else: no generic values are
 * built, so extension types, maps and depth do not occur, and a length is believed only as far as there are bytes. Integers and
 * lengths may be in any of their encodings: libraries differ there.
 */
import { readU64 } from '../protocol/index.js';

/** The bytes are not the frame that they have to be. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** A place in bytes. `end` is exclusive. */
export interface Reader {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;
}

export const createReader = (bytes: Uint8Array, at = 0, end = bytes.length): Reader => ({ bytes, at, end });

const TEXT = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const fail = (what: string): never => {
  throw new WireError(what);
};

function need(reader: Reader, bytes: number, what: string): number {
  const { at } = reader;
  if (bytes > reader.end - at) fail(`${what}: the frame ends too early`);
  reader.at = at + bytes;
  return at;
}

function number(reader: Reader, bytes: 1 | 2 | 4 | 8, what: string): number {
  const at = need(reader, bytes, what);
  const { bytes: from } = reader;
  if (bytes === 1) return from[at]!;
  if (bytes === 2) return (from[at]! << 8) | from[at + 1]!;
  if (bytes === 4)
    return from[at]! * 0x100_0000 + ((from[at + 1]! << 16) | (from[at + 2]! << 8) | from[at + 3]!);
  const value = readU64(from, at);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? fail(`${what} must be at most 2^53-1`) : Number(value);
}

const tagOf = (reader: Reader, what: string): number => reader.bytes[need(reader, 1, what)]!;

/** An integer from 0 to `max` (at most 2^53-1). @throws WireError */
export function readUint(reader: Reader, what: string, max = Number.MAX_SAFE_INTEGER): number {
  const value = unsigned(reader, what);
  return value <= max ? value : fail(`${what} must be at most ${max}`);
}

function unsigned(reader: Reader, what: string): number {
  const tag = tagOf(reader, what);
  if (tag < 0x80) return tag;
  if (tag >= 0xcc && tag <= 0xcf) return number(reader, (1 << (tag - 0xcc)) as 1 | 2 | 4 | 8, what);
  // Some libraries write positive numbers as signed ones.
  if (tag >= 0xd0 && tag <= 0xd3) {
    const first = reader.bytes[reader.at]!;
    if (first < 0x80) return number(reader, (1 << (tag - 0xd0)) as 1 | 2 | 4 | 8, what);
  }
  if (tag === 0xcb) return wholeDouble(reader, what);
  return fail(`${what} must be a whole number from 0`);
}

/** JavaScript libraries write numbers beyond 2^32 as doubles. */
function wholeDouble(reader: Reader, what: string): number {
  const at = need(reader, 8, what);
  const value = new DataView(reader.bytes.buffer, reader.bytes.byteOffset + at, 8).getFloat64(0);
  return Number.isSafeInteger(value) && value >= 0 ? value : fail(`${what} must be a whole number from 0`);
}

/** Whether the next value is nil, which is then taken. */
export function readNil(reader: Reader): boolean {
  if (reader.at >= reader.end || reader.bytes[reader.at] !== 0xc0) return false;
  reader.at++;
  return true;
}

/** @throws WireError */
export function readBool(reader: Reader, what: string): boolean {
  const tag = tagOf(reader, what);
  return tag === 0xc3 || (tag !== 0xc2 && fail(`${what} must be true or false`));
}

/** The number of items of an array, at most `max`. @throws WireError */
export function readArray(reader: Reader, what: string, max: number): number {
  const tag = tagOf(reader, what);
  const items =
    (tag & 0xf0) === 0x90
      ? tag & 0x0f
      : tag === 0xdc || tag === 0xdd
        ? number(reader, tag === 0xdc ? 2 : 4, what)
        : fail(`${what} must be an array`);
  return items <= max ? items : fail(`${what} may have at most ${max} items, not ${items}`);
}

/** An array of exactly `items` items. @throws WireError */
export function readTuple(reader: Reader, what: string, items: number): void {
  if (readArray(reader, what, 0xffff_ffff) !== items) fail(`${what} must be an array of ${items}`);
}

/** Skips the header of a text: it lies at `reader.at - length` afterwards. Returns its length in bytes. @throws WireError */
export function readStrLength(reader: Reader, what: string, max: number): number {
  const tag = tagOf(reader, what);
  const length =
    (tag & 0xe0) === 0xa0
      ? tag & 0x1f
      : tag >= 0xd9 && tag <= 0xdb
        ? number(reader, (1 << (tag - 0xd9)) as 1 | 2 | 4, what)
        : fail(`${what} must be a string`);
  if (length > max) fail(`${what} may have ${max} bytes, this one has ${length}`);
  need(reader, length, what);
  return length;
}

/** A text of well-formed UTF-8. @throws WireError */
export function readStr(reader: Reader, what: string, max: number): string {
  const length = readStrLength(reader, what, max);
  try {
    return TEXT.decode(reader.bytes.subarray(reader.at - length, reader.at));
  } catch {
    return fail(`${what} is not valid UTF-8`);
  }
}

/** Skips a byte string: it lies at `reader.at - length` afterwards. Returns its length. @throws WireError */
export function readBinLength(reader: Reader, what: string, max: number): number {
  const tag = tagOf(reader, what);
  const length =
    tag >= 0xc4 && tag <= 0xc6
      ? number(reader, (1 << (tag - 0xc4)) as 1 | 2 | 4, what)
      : fail(`${what} must be a byte string`);
  if (length > max) fail(`${what} may have ${max} bytes, this one has ${length}`);
  need(reader, length, what);
  return length;
}

/** Exactly `length` bytes; a view. @throws WireError */
export function readBin(reader: Reader, what: string, length: number): Uint8Array {
  if (readBinLength(reader, what, 0xffff_ffff) !== length) fail(`${what} must have ${length} bytes`);
  return reader.bytes.subarray(reader.at - length, reader.at);
}

/** Any value `read` takes, or nil. */
export function readOptional<T>(reader: Reader, read: () => T): T | undefined {
  return readNil(reader) ? undefined : read();
}

/** Nothing may follow. @throws WireError */
export function readEnd(reader: Reader): void {
  if (reader.at !== reader.end) fail('bytes follow the frame');
}

/**
 * Writing MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md) in its smallest encodings. The functions write at an
 * offset and return the one behind; the caller sizes the target.
 */
import { writeU32, writeU64, writeUtf8 } from '../protocol/index.js';

/** Most bytes of an integer, and of the header of a text, byte string or array. */
export const HEADER_BYTES_MAX = 9;

export function writeNil(target: Uint8Array, at: number): number {
  target[at] = 0xc0;
  return at + 1;
}

export function writeBool(target: Uint8Array, at: number, value: boolean): number {
  target[at] = value ? 0xc3 : 0xc2;
  return at + 1;
}

/** @param value an integer from 0 to 2^53-1 */
export function writeUint(target: Uint8Array, at: number, value: number): number {
  if (value < 0x80) {
    target[at] = value;
    return at + 1;
  }
  if (value < 0x100) {
    target[at] = 0xcc;
    target[at + 1] = value;
    return at + 2;
  }
  if (value < 0x1_0000) return write16(target, at, 0xcd, value);
  if (value < 0x1_0000_0000) {
    target[at] = 0xce;
    return writeU32(target, at + 1, value);
  }
  target[at] = 0xcf;
  return writeU64(target, at + 1, value);
}

/** @param value an integer from -(2^53-1) to 2^53-1 */
export function writeInt(target: Uint8Array, at: number, value: number): number {
  if (value >= 0) return writeUint(target, at, value);
  if (value >= -32) {
    target[at] = value;
    return at + 1;
  }
  target[at] = 0xd3;
  return writeU64(target, at + 1, BigInt(value));
}

export function writeArrayHeader(target: Uint8Array, at: number, items: number): number {
  if (items < 16) {
    target[at] = 0x90 | items;
    return at + 1;
  }
  if (items < 0x1_0000) return write16(target, at, 0xdc, items);
  target[at] = 0xdd;
  return writeU32(target, at + 1, items);
}

/** Bytes that {@link writeArrayHeader} takes. */
export const arrayHeaderBytes = (items: number): number => (items < 16 ? 1 : items < 0x1_0000 ? 3 : 5);

export function writeStrHeader(target: Uint8Array, at: number, bytes: number): number {
  if (bytes < 32) {
    target[at] = 0xa0 | bytes;
    return at + 1;
  }
  if (bytes < 0x100) {
    target[at] = 0xd9;
    target[at + 1] = bytes;
    return at + 2;
  }
  if (bytes < 0x1_0000) return write16(target, at, 0xda, bytes);
  target[at] = 0xdb;
  return writeU32(target, at + 1, bytes);
}

export function writeBinHeader(target: Uint8Array, at: number, bytes: number): number {
  if (bytes < 0x100) {
    target[at] = 0xc4;
    target[at + 1] = bytes;
    return at + 2;
  }
  if (bytes < 0x1_0000) return write16(target, at, 0xc5, bytes);
  target[at] = 0xc6;
  return writeU32(target, at + 1, bytes);
}

export function writeBin(target: Uint8Array, at: number, bytes: Uint8Array): number {
  const start = writeBinHeader(target, at, bytes.length);
  target.set(bytes, start);
  return start + bytes.length;
}

/** Most bytes that {@link writeStr} takes. */
export const strBytesMax = (text: string): number => 5 + 3 * text.length;

export function writeStr(target: Uint8Array, at: number, text: string): number {
  // The header's length depends on the text's in bytes; for ASCII it is known, otherwise the text is moved.
  const guess = writeStrHeader(target, at, text.length);
  const bytes = writeUtf8(target, guess, text) - guess;
  if (bytes === text.length) return guess + bytes;
  const start = at + strHeaderBytes(bytes);
  if (start !== guess) target.copyWithin(start, guess, guess + bytes);
  writeStrHeader(target, at, bytes);
  return start + bytes;
}

const strHeaderBytes = (bytes: number): number =>
  bytes < 32 ? 1 : bytes < 0x100 ? 2 : bytes < 0x1_0000 ? 3 : 5;

function write16(target: Uint8Array, at: number, tag: number, value: number): number {
  target[at] = tag;
  target[at + 1] = value >>> 8;
  target[at + 2] = value;
  return at + 3;
}

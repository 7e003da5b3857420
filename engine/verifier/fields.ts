/** Readers of members of decoded JSON that comes from outside: the value in the form asked for, or `undefined`. */
import { decodeHex, formatUuid, parseUuid } from '../protocol/index.js';

/** A JSON object whose members nobody has looked at. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A whole number from 0 to 2^53 - 1. */
export function readCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** Hex of `bytes` bytes, `0x` optional. */
export function readHex(value: unknown, bytes: number): Uint8Array | undefined {
  return typeof value === 'string' ? decodeHex(value, bytes) : undefined;
}

/** A list of at most `countMax` hashes of 32 bytes in hex. */
export function readHashes(value: unknown, countMax: number): Uint8Array[] | undefined {
  if (!Array.isArray(value) || value.length > countMax) return undefined;
  const hashes = value.map((each) => readHex(each, 32));
  return hashes.every((hash) => hash !== undefined) ? hashes : undefined;
}

/** A UUID in its usual form. */
export function readUuid(value: unknown): string | undefined {
  const bytes = typeof value === 'string' ? parseUuid(value) : undefined;
  return bytes && formatUuid(bytes);
}

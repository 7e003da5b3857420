import { concatBytes, encodeHex, HEX_VALUES } from './bytes.js';

/** The all-zero UUID. */
export const NIL_UUID = '00000000-0000-0000-0000-000000000000';

/**
 * Parses a UUID to its 16 bytes in textual order. Accepted, in any letter case: hyphenated, 32 hex digits, braced
 * hyphenated, `urn:uuid:` (lower-case prefix) hyphenated. Anything else gives `undefined`.
 */
export function parseUuid(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(16);
  return uuidInto(text, bytes, 0) ? bytes : undefined;
}

/** As `parseUuid`, into `target[offset, offset + 16)` without allocating. On `false` the target may be partly written. */
export function uuidInto(text: string, target: Uint8Array, offset: number): boolean {
  switch (text.length) {
    case 36:
      return hyphenatedInto(text, 0, target, offset);
    case 32:
      return digitsInto(text, 0, 16, target, offset);
    case 38:
      return text.startsWith('{') && text.endsWith('}') && hyphenatedInto(text, 1, target, offset);
    case 45:
      return text.startsWith('urn:uuid:') && hyphenatedInto(text, 9, target, offset);
    default:
      return false;
  }
}

function hyphenatedInto(text: string, at: number, target: Uint8Array, offset: number): boolean {
  const hyphens =
    text.charCodeAt(at + 8) === 0x2d &&
    text.charCodeAt(at + 13) === 0x2d &&
    text.charCodeAt(at + 18) === 0x2d &&
    text.charCodeAt(at + 23) === 0x2d;
  return (
    hyphens &&
    digitsInto(text, at, 4, target, offset) &&
    digitsInto(text, at + 9, 2, target, offset + 4) &&
    digitsInto(text, at + 14, 2, target, offset + 6) &&
    digitsInto(text, at + 19, 2, target, offset + 8) &&
    digitsInto(text, at + 24, 6, target, offset + 10)
  );
}

function digitsInto(text: string, at: number, count: number, target: Uint8Array, offset: number): boolean {
  let bad = 0;
  for (let i = 0; i < count; i++) {
    const high = text.charCodeAt(at + 2 * i);
    const low = text.charCodeAt(at + 2 * i + 1);
    const highValue = HEX_VALUES[high & 127]!;
    const lowValue = HEX_VALUES[low & 127]!;
    bad |= ((high | low) & 0xff80) | ((highValue | lowValue) & 0xf0);
    target[offset + i] = (highValue << 4) | lowValue;
  }
  return bad === 0;
}

/** The lower-case hyphenated text of the 16 bytes at `offset`. */
export function formatUuid(bytes: Uint8Array, offset = 0): string {
  return `${encodeHex(bytes, offset, offset + 4)}-${encodeHex(bytes, offset + 4, offset + 6)}-${encodeHex(bytes, offset + 6, offset + 8)}-${encodeHex(bytes, offset + 8, offset + 10)}-${encodeHex(bytes, offset + 10, offset + 16)}`;
}

/**
 * A version 7 UUID (RFC 9562 section 5.7) as `Uint8Array(16)`: 48 bits of Unix milliseconds, then randomness. Time
 * order keeps index inserts local; uniqueness rests on `random`, at least 10 fresh bytes.
 */
export function newUuidV7(nowMs: number, random: Uint8Array): Uint8Array {
  if (random.length < 10) throw new RangeError('newUuidV7 needs 10 random bytes');
  const bytes = new Uint8Array(16);
  let time = nowMs;
  for (let i = 5; i >= 0; i--) {
    bytes[i] = time % 256;
    time = Math.floor(time / 256);
  }
  bytes.set(random.subarray(0, 10), 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return bytes;
}

/** A stream's two UUIDs in bytes, side by side, as hashes take them: `Uint8Array(32)`. Both must be UUIDs. */
export const tenantStoreOf = (stream: { readonly tenantId: string; readonly storeId: string }): Uint8Array =>
  concatBytes(parseUuid(stream.tenantId)!, parseUuid(stream.storeId)!);

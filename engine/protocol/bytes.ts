/**
 * Byte-level building blocks of every preimage: hex, base64url, UTF-8, big-endian integers. This is one auditable
 * unit: what is hashed and signed is written by these functions only. Integers are big-endian everywhere.
 */

const HEX_PAIRS: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
);

const ENCODER = new TextEncoder();
const LONG_TEXT = 96;

/** Value of a hex digit by char code, 255 for everything else; codes above 127 are guarded by the callers. */
export const HEX_VALUES: Uint8Array = new Uint8Array(128).fill(255);
for (let i = 0; i < 16; i++) {
  HEX_VALUES['0123456789abcdef'.charCodeAt(i)] = i;
  HEX_VALUES['0123456789ABCDEF'.charCodeAt(i)] = i;
}

/** What a hex field may look like; the defaults are the lenient wire rule. */
export type HexForm = {
  /** `0x` in front: `optional` (default), `forbidden` or `required`. */
  prefix?: 'optional' | 'forbidden' | 'required';
  /** Refuse upper-case digits. */
  lowercase?: boolean;
};

/** Lower-case hex without prefix of `bytes[start, end)`. */
export function encodeHex(bytes: Uint8Array, start = 0, end = bytes.length): string {
  let text = '';
  for (let i = start; i < end; i++) text += HEX_PAIRS[bytes[i]!];
  return text;
}

/** Decodes hex; `undefined` on any bad character, a wrong prefix, or a length other than `byteLength` if given. */
export function decodeHex(text: string, byteLength?: number, form: HexForm = {}): Uint8Array | undefined {
  const digits = text.length - (text.startsWith('0x') ? 2 : 0);
  if (digits % 2 !== 0 || (byteLength !== undefined && digits !== byteLength * 2)) return undefined;
  const bytes = new Uint8Array(digits / 2);
  return decodeHexInto(text, bytes, 0, bytes.length, form) ? bytes : undefined;
}

/** As `decodeHex`, into `target[offset, offset + byteLength)`. On `false` the target may be partly written. */
export function decodeHexInto(
  text: string,
  target: Uint8Array,
  offset: number,
  byteLength: number,
  form: HexForm = {},
): boolean {
  const prefixed = text.charCodeAt(0) === 0x30 && text.charCodeAt(1) === 0x78;
  if (prefixed ? form.prefix === 'forbidden' : form.prefix === 'required') return false;
  let position = prefixed ? 2 : 0;
  if (text.length - position !== byteLength * 2) return false;
  let bad = 0;
  for (let i = 0; i < byteLength; i++) {
    const high = text.charCodeAt(position++);
    const low = text.charCodeAt(position++);
    // Digits outside ASCII would wrap around in the table, so they are collected here as well.
    const highValue = HEX_VALUES[high & 127]!;
    const lowValue = HEX_VALUES[low & 127]!;
    bad |= ((high | low) & 0xff80) | ((highValue | lowValue) & 0xf0);
    target[offset + i] = (highValue << 4) | lowValue;
  }
  if (bad !== 0) return false;
  return form.lowercase !== true || !/[A-F]/.test(text);
}

/** All parts, one after the other, in a new array. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Same length and content. Not constant-time: for public values only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Copies `length` bytes without creating a view (cheaper than `set(subarray())` for the short runs of a preimage). */
export function copyBytes(
  source: Uint8Array,
  sourceOffset: number,
  target: Uint8Array,
  offset: number,
  length: number,
): number {
  for (let i = 0; i < length; i++) target[offset + i] = source[sourceOffset + i]!;
  return offset + length;
}

/** Writes a u32 and returns the offset behind it. */
export function writeU32(target: Uint8Array, offset: number, value: number): number {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
  return offset + 4;
}

/** Writes a u64 and returns the offset behind it. A `number` must be an integer in 0..2^53-1; a bigint is taken modulo 2^64. */
export function writeU64(target: Uint8Array, offset: number, value: number | bigint): number {
  if (typeof value === 'number') {
    writeU32(target, offset, Math.floor(value / 0x1_0000_0000));
    return writeU32(target, offset + 4, value >>> 0);
  }
  writeU32(target, offset, Number((value >> 32n) & 0xffff_ffffn));
  return writeU32(target, offset + 4, Number(value & 0xffff_ffffn));
}

/** Reads a u64. */
export function readU64(bytes: Uint8Array, offset: number): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, 8);
  return view.getBigUint64(0);
}

/** Number of bytes `text` takes in UTF-8. A lone surrogate counts as U+FFFD (3), which is what gets written. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) continue;
    length += code < 0x800 ? 1 : 2;
    // A pair is two code units and four bytes: three for the first unit, one for the second.
    if (isHighSurrogate(code) && isLowSurrogate(text.charCodeAt(i + 1))) i++;
  }
  return length;
}

/**
 * Writes `text` as UTF-8 and returns the offset behind it. Lone surrogates become U+FFFD as in `TextEncoder`; callers
 * that sign refuse them first. The caller sizes the target: at most three bytes per UTF-16 unit.
 */
export function writeUtf8(target: Uint8Array, offset: number, text: string): number {
  const length = text.length;
  // The engine's own encoder wins once the text is long enough to pay for a view of the target.
  if (length > LONG_TEXT) return offset + ENCODER.encodeInto(text, target.subarray(offset)).written;
  for (let i = 0; i < length; i++) {
    let code = text.charCodeAt(i);
    if (code < 0x80) {
      target[offset++] = code;
      continue;
    }
    if (code < 0x800) {
      target[offset++] = 0xc0 | (code >> 6);
      target[offset++] = 0x80 | (code & 0x3f);
      continue;
    }
    if ((code & 0xf800) === 0xd800) {
      const next = text.charCodeAt(i + 1);
      if (isHighSurrogate(code) && isLowSurrogate(next)) {
        i++;
        const point = 0x10000 + ((code & 0x3ff) << 10) + (next & 0x3ff);
        target[offset++] = 0xf0 | (point >> 18);
        target[offset++] = 0x80 | ((point >> 12) & 0x3f);
        target[offset++] = 0x80 | ((point >> 6) & 0x3f);
        target[offset++] = 0x80 | (point & 0x3f);
        continue;
      }
      code = 0xfffd;
    }
    target[offset++] = 0xe0 | (code >> 12);
    target[offset++] = 0x80 | ((code >> 6) & 0x3f);
    target[offset++] = 0x80 | (code & 0x3f);
  }
  return offset;
}

/** A length-prefixed string, `U32(byte length) || UTF-8`; returns the offset behind it. */
export function writeString(target: Uint8Array, offset: number, text: string): number {
  const end = writeUtf8(target, offset + 4, text);
  writeU32(target, offset, end - offset - 4);
  return end;
}

/** The UTF-8 bytes of `text` in a new array. */
export function encodeUtf8(text: string): Uint8Array {
  if (text.length > LONG_TEXT) return ENCODER.encode(text);
  const bytes = new Uint8Array(utf8Length(text));
  writeUtf8(bytes, 0, text);
  return bytes;
}

/** Bytes of a well-formed string in UTF-8, or `-1` when it holds a lone surrogate, `-2` when it holds U+0000. */
export function checkedUtf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) {
      if (code === 0) return -2;
      continue;
    }
    length += code < 0x800 ? 1 : 2;
    if ((code & 0xf800) === 0xd800) {
      if (!isHighSurrogate(code) || !isLowSurrogate(text.charCodeAt(i + 1))) return -1;
      i++;
    }
  }
  return length;
}

function isHighSurrogate(code: number): boolean {
  return (code & 0xfc00) === 0xd800;
}

function isLowSurrogate(code: number): boolean {
  return (code & 0xfc00) === 0xdc00;
}

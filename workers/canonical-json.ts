/**
 * Is this JSON text its own canonical form (RFC 8785)? One look at every byte, nothing allocated; "no" also means "not sure", and then
 * the text is parsed and printed again. Texts of agents that canonicalise before they hash pass, which is most of them.
 *
 * What is not decided here, although it may be canonical: members with escapes or characters beyond ASCII in their names (their order
 * is one of UTF-16 units), \u escapes, numbers with an exponent or more than 15 digits.
 */
import { isUtf8 } from 'node:buffer';
import { MAX_JSON_DEPTH } from '../engine/protocol/index.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const MINUS = 0x2d;
const DOT = 0x2e;

/** A decimal of up to this many significant digits is the shortest one of its double, so ECMAScript prints it as it is. */
const DIGITS_MAX = 15;
/** Zeros behind the point that ECMAScript prints before it turns to an exponent. */
const LEADING_ZEROS_MAX = 5;

/** Bytes of a string that mean themselves; everything else needs a closer look. */
const PLAIN = new Uint8Array(256).fill(1, 0x20, 0x80);
PLAIN[QUOTE] = 0;
PLAIN[BACKSLASH] = 0;
/** What may follow a backslash: " \ b f n r t. */
const ESCAPE = new Uint8Array(256);
for (const letter of '"\\bfnrt') ESCAPE[letter.charCodeAt(0)] = 1;

/** Whether `bytes[start, end)` is surely canonical JSON. @param bytes UTF-8, checked here where it is not ASCII */
export type CanonicalCheck = (bytes: Uint8Array, start: number, end: number) => boolean;

/** Makes a check with scratch space of its own. Not re-entrant. */
export function createCanonicalCheck(): CanonicalCheck {
  /** Per open container: where the name of its last member began and ended; -1: an array, -2: an object without members yet. */
  const nameFrom = new Int32Array(MAX_JSON_DEPTH + 1);
  const nameTo = new Int32Array(MAX_JSON_DEPTH + 1);
  let ascii = true;

  /** Behind the string whose opening quote is at `at`; -1 when it is not surely canonical. */
  function string(bytes: Uint8Array, at: number, end: number): number {
    for (let i = at + 1; i < end; i++) {
      const byte = bytes[i]!;
      if (PLAIN[byte] === 1) continue;
      if (byte === QUOTE) return i + 1;
      if (byte === BACKSLASH) {
        if (ESCAPE[bytes[++i]!] !== 1) return -1;
      } else if (byte >= 0x80) ascii = false;
      else return -1;
    }
    return -1;
  }

  /** Behind the name that begins with the quote at `at`; -1 unless it is plain ASCII. */
  function name(bytes: Uint8Array, at: number, end: number): number {
    for (let i = at + 1; i < end; i++) {
      const byte = bytes[i]!;
      if (PLAIN[byte] === 1) continue;
      return byte === QUOTE ? i + 1 : -1;
    }
    return -1;
  }

  return (bytes, start, end) => {
    let at = start;
    let depth = 0;
    ascii = true;
    for (;;) {
      // A value begins at `at`.
      const byte = at < end ? bytes[at]! : 0;
      if (byte === QUOTE) at = string(bytes, at, end);
      else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        if (++depth > MAX_JSON_DEPTH) return false;
        at++;
        if (byte === OPEN_ARRAY) {
          nameFrom[depth] = -1;
          if (bytes[at] !== CLOSE_ARRAY) continue;
        } else {
          nameFrom[depth] = -2;
          if (bytes[at] !== CLOSE_OBJECT) {
            at = member(bytes, at, end, depth);
            if (at === -1) return false;
            continue;
          }
        }
        at++;
        depth--;
      } else at = scalar(bytes, at, end);
      if (at === -1) return false;

      // A value ended before `at`.
      for (;;) {
        if (depth === 0) return at === end && (ascii || isUtf8(bytes.subarray(start, end)));
        if (at >= end) return false;
        const next = bytes[at++]!;
        const array = nameFrom[depth] === -1;
        if (next === COMMA) {
          if (!array) at = member(bytes, at, end, depth);
          if (at === -1) return false;
          break;
        }
        if (next !== (array ? CLOSE_ARRAY : CLOSE_OBJECT)) return false;
        depth--;
      }
    }
  };

  /** Behind the colon of the member that begins at `at`; -1 unless its name comes after the one before. */
  function member(bytes: Uint8Array, at: number, end: number, depth: number): number {
    if (at >= end || bytes[at] !== QUOTE) return -1;
    const behind = name(bytes, at, end);
    if (behind === -1 || behind >= end || bytes[behind] !== COLON) return -1;
    const from = at + 1;
    const to = behind - 1;
    if (nameFrom[depth] !== -2 && !inOrder(bytes, nameFrom[depth]!, nameTo[depth]!, from, to)) return -1;
    nameFrom[depth] = from;
    nameTo[depth] = to;
    return behind + 1;
  }
}

/** Whether name a stands before name b and differs from it. */
function inOrder(bytes: Uint8Array, aFrom: number, aTo: number, bFrom: number, bTo: number): boolean {
  const common = Math.min(aTo - aFrom, bTo - bFrom);
  for (let i = 0; i < common; i++) {
    const difference = bytes[bFrom + i]! - bytes[aFrom + i]!;
    if (difference !== 0) return difference > 0;
  }
  return aTo - aFrom < bTo - bFrom;
}

/** Behind a number, true, false or null; -1 when it is none of them in canonical form. */
function scalar(bytes: Uint8Array, at: number, end: number): number {
  const byte = at < end ? bytes[at]! : 0;
  if (byte === MINUS || isDigit(byte)) return number(bytes, at, end);
  if (byte === 0x74) return word(bytes, at, end, 'true');
  if (byte === 0x66) return word(bytes, at, end, 'false');
  if (byte === 0x6e) return word(bytes, at, end, 'null');
  return -1;
}

function word(bytes: Uint8Array, at: number, end: number, text: string): number {
  if (end - at < text.length) return -1;
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return -1;
  return at + text.length;
}

function number(bytes: Uint8Array, start: number, end: number): number {
  const from = bytes[start] === MINUS ? start + 1 : start;
  let at = from;
  while (at < end && isDigit(bytes[at]!)) at++;
  const whole = at - from;
  const zero = whole === 1 && bytes[from] === 0x30;
  if (whole === 0 || whole > DIGITS_MAX || (bytes[from] === 0x30 && !zero)) return -1;
  const next = at < end ? bytes[at]! : 0;
  if (next !== DOT) return next === 0x65 || next === 0x45 || (zero && from !== start) ? -1 : at;

  const fraction = ++at;
  while (at < end && bytes[at] === 0x30) at++;
  const zeros = at - fraction;
  while (at < end && isDigit(bytes[at]!)) at++;
  const digits = at - fraction;
  if (digits === 0 || bytes[at - 1] === 0x30) return -1;
  if (zero ? zeros > LEADING_ZEROS_MAX || digits - zeros > DIGITS_MAX : whole + digits > DIGITS_MAX)
    return -1;
  return bytes[at] === 0x65 || bytes[at] === 0x45 ? -1 : at;
}

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;

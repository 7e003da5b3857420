import { encodeUtf8 } from './bytes.js';
import { JcsError, type JcsFaultReason } from './jcs-fault.js';
import { isJsonNumber, isJsonObject, type LosslessJson, parseLossless } from './lossless-json.js';
import { portableSha256, type Sha256 } from './sha256.js';

/**
 * The legacy canonical text: no white space, members sorted by their UTF-8 bytes, strings escaped as in RFC 8785,
 * integers in the range of u64 and i64 exact, every other number as a double in the shortest form that keeps it a
 * floating point number (`1.0`, `1e20`). It is older than RFC 8785 and differs from it in numbers and in the order of
 * names beyond the Basic Multilingual Plane.
 *
 * @param text JSON text; `start` and `end` select a part of a larger text
 * @throws LosslessJsonError when the text is not JSON; JcsError for U+0000, lone surrogates and numbers beyond double
 */
export function canonicalLegacyJson(text: string, start = 0, end = text.length): string {
  return printLegacyJson(parseLossless(start === 0 && end === text.length ? text : text.slice(start, end)));
}

/** The legacy canonical text of a parsed value. @throws JcsError as `canonicalLegacyJson` */
export function printLegacyJson(value: LosslessJson): string {
  return print(value, '');
}

/** `SHA-256(canonicalText)`, without a domain label. @returns `Uint8Array(32)` */
export function legacyPayloadHash(canonicalText: string, sha256: Sha256 = portableSha256): Uint8Array {
  return sha256(encodeUtf8(canonicalText));
}

function print(value: LosslessJson, path: string): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return quote(value, path);
  if (Array.isArray(value)) return `[${value.map((item, i) => print(item, `${path}/${i}`)).join(',')}]`;
  if (isJsonObject(value)) {
    const names = [...value.keys()].sort(compareUtf8);
    const members = names.map((name) => {
      const at = `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
      return `${quote(name, at)}:${print(value.get(name)!, at)}`;
    });
    return `{${members.join(',')}}`;
  }
  if (isJsonNumber(value)) return printLegacyNumber(value.token) ?? fail('not_finite', path);
  return fail('not_json', path);
}

function quote(text: string, path: string): string {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0) fail('nul', path);
    if ((code & 0xf800) !== 0xd800) continue;
    if (code >= 0xdc00 || (text.charCodeAt(i + 1) & 0xfc00) !== 0xdc00) fail('lone_surrogate', path);
    i++;
  }
  return JSON.stringify(text);
}

function fail(reason: JcsFaultReason, path: string): never {
  throw new JcsError(reason, path);
}

const U64_MAX = 2n ** 64n - 1n;
const I64_MIN = -(2n ** 63n);

/** A number token in legacy form; `undefined` when it is beyond the range of a double. */
export function printLegacyNumber(token: string): string | undefined {
  if (/^-?[0-9]+$/.test(token) && token !== '-0') {
    // Twenty digits hold any u64 and a signed i64, so a hostile token is never turned into a huge bigint.
    if (token.length <= 20) {
      const integer = BigInt(token);
      if (integer <= U64_MAX && integer >= I64_MIN) return token;
    }
  }
  const double = Number(token);
  return Number.isFinite(double) ? printDouble(double) : undefined;
}

/**
 * The shortest digits that read back as the same double, as decimals while the decimal point stands between five
 * places before and sixteen after the first digit, else with an exponent.
 */
function printDouble(value: number): string {
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  if (value === 0) return `${sign}0.0`;
  const [mantissa, exponent] = Math.abs(value).toExponential().split('e') as [string, string];
  const digits = mantissa.replace('.', '');
  const point = Number(exponent) + 1;
  if (point >= digits.length && point <= 16) return `${sign}${digits.padEnd(point, '0')}.0`;
  if (point > 0 && point <= 16) return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
  if (point > -5 && point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  return `${sign}${mantissa}e${point - 1}`;
}

/** Order of the UTF-8 bytes, which is the order of code points: surrogates sort above all other units. */
function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left === right) continue;
    const leftSurrogate = (left & 0xf800) === 0xd800;
    const rightSurrogate = (right & 0xf800) === 0xd800;
    if (leftSurrogate !== rightSurrogate) return leftSurrogate ? 1 : -1;
    return left - right;
  }
  return a.length - b.length;
}

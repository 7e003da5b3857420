/**
 * RFC 3339 timestamps. Accepted is the grammar of its section 5.6 with the liberties of its notes: `t` and `z` in
 * lower case, a space between date and time, any number of fraction digits, and second 60 (a leap second) in any
 * minute, since leap seconds cannot be foretold. Calendar dates must exist.
 */

const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** The instants `formatMicros` can print: the years 0000 to 9999 in UTC. */
export const INSTANT_MICROS_MIN = -62_167_219_200_000_000n;
export const INSTANT_MICROS_MAX = 253_402_300_799_999_999n;

/** Position of the offset (`Z` or `+hh:mm`) in a valid timestamp, or -1. */
function offsetPosition(text: string): number {
  const length = text.length;
  if (length < 20 || text.charCodeAt(4) !== 0x2d || text.charCodeAt(7) !== 0x2d) return -1;
  const separator = text.charCodeAt(10);
  if (separator !== 0x54 && separator !== 0x74 && separator !== 0x20) return -1;
  if (text.charCodeAt(13) !== 0x3a || text.charCodeAt(16) !== 0x3a) return -1;

  const century = twoDigits(text, 0);
  const yearOfCentury = twoDigits(text, 2);
  const month = twoDigits(text, 5);
  const day = twoDigits(text, 8);
  if (century < 0 || yearOfCentury < 0 || month < 1 || month > 12 || day < 1) return -1;
  if (day > daysInMonth(century * 100 + yearOfCentury, month)) return -1;
  if (!inRange(twoDigits(text, 11), 23) || !inRange(twoDigits(text, 14), 59)) return -1;
  if (!inRange(twoDigits(text, 17), 60)) return -1;

  let at = 19;
  if (text.charCodeAt(at) === 0x2e) {
    const first = ++at;
    while (at < length && isDigit(text.charCodeAt(at))) at++;
    if (at === first) return -1;
  }
  const sign = text.charCodeAt(at);
  if (sign === 0x5a || sign === 0x7a) return length === at + 1 ? at : -1;
  if (sign !== 0x2b && sign !== 0x2d) return -1;
  if (length !== at + 6 || text.charCodeAt(at + 3) !== 0x3a) return -1;
  return inRange(twoDigits(text, at + 1), 23) && inRange(twoDigits(text, at + 4), 59) ? at : -1;
}

/** Whether `text` is an RFC 3339 timestamp. */
export function isRfc3339(text: string): boolean {
  return offsetPosition(text) >= 0;
}

/**
 * The instant as microseconds since 1970-01-01T00:00:00Z, digits beyond microseconds cut off; `undefined` if `text` is
 * not RFC 3339. A leap second is the first second of the next minute.
 */
export function parseInstant(text: string): bigint | undefined {
  const at = offsetPosition(text);
  if (at < 0) return undefined;
  const date = new Date(0);
  // The Date constructor reads years below 100 as 19xx.
  date.setUTCFullYear(Number(text.slice(0, 4)), twoDigits(text, 5) - 1, twoDigits(text, 8));
  date.setUTCHours(twoDigits(text, 11), twoDigits(text, 14), twoDigits(text, 17));
  const offsetMinutes = at + 1 === text.length ? 0 : twoDigits(text, at + 1) * 60 + twoDigits(text, at + 4);
  const offsetMs = offsetMinutes * (text.charCodeAt(at) === 0x2d ? -60_000 : 60_000);
  const fraction = at > 20 ? Number(text.slice(20, at).padEnd(6, '0').slice(0, 6)) : 0;
  return BigInt(date.getTime() - offsetMs) * 1000n + BigInt(fraction);
}

/**
 * UTC text of an instant in microseconds since the epoch, with 0, 3 or 6 fraction digits (the fewest that are exact).
 * Years 0000..9999; throws `RangeError` outside.
 */
export function formatMicros(epochMicros: bigint | number, suffix: '+00:00' | 'Z' = 'Z'): string {
  const micros = BigInt(epochMicros);
  if (micros < INSTANT_MICROS_MIN || micros > INSTANT_MICROS_MAX) {
    throw new RangeError('instant outside the years 0000 to 9999');
  }
  const subsecond = Number(((micros % 1_000_000n) + 1_000_000n) % 1_000_000n);
  const date = new Date(Number((micros - BigInt(subsecond)) / 1000n));
  const whole = date.toISOString().slice(0, 19);
  if (subsecond === 0) return whole + suffix;
  const digits = String(subsecond).padStart(6, '0');
  return `${whole}.${subsecond % 1000 === 0 ? digits.slice(0, 3) : digits}${suffix}`;
}

function daysInMonth(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && leap ? 29 : DAYS_IN_MONTH[month - 1]!;
}

/** The value of two decimal digits, or -1. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 0x30;
  const ones = text.charCodeAt(at + 1) - 0x30;
  // NaN (past the end) fails both comparisons
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1;
}

function inRange(value: number, max: number): boolean {
  return value >= 0 && value <= max;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

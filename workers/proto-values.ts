/** Single values of an event in Protocol Buffers, turned into what envelopes hold. */
import { isUtf8 } from 'node:buffer';
import { HEX_VALUES, uuidInto } from '../engine/protocol/index.js';
import type { WireReader } from '../engine/wire-proto/index.js';

/** Why one event cannot be read. The message starts with the field's name. */
export class EventFault extends Error {
  override readonly name = 'EventFault';
}

/** Bytes below which looking for non-ASCII beats asking the library. */
const SHORT = 48;

/** Text of a `string` field. Invalid UTF-8 is refused rather than replaced, because it would be hashed as something else. */
export function textOf(bytes: Buffer, from: number, to: number, name: string): string {
  let ascii = to - from <= SHORT;
  for (let i = from; ascii && i < to; i++) ascii = bytes[i]! < 0x80;
  if (ascii) return bytes.toString('latin1', from, to);
  if (!isUtf8(bytes.subarray(from, to))) throw new EventFault(`${name} is not valid UTF-8`);
  return bytes.toString('utf8', from, to);
}

/** A UUID's text, in any accepted form, as 16 bytes. */
export function uuidFrom(
  bytes: Buffer,
  from: number,
  to: number,
  target: Uint8Array,
  offset: number,
  name: string,
): void {
  if (to - from === 36 && hyphenated(bytes, from, target, offset)) return;
  if (!uuidInto(bytes.toString('latin1', from, to), target, offset))
    throw new EventFault(`${name} must be a UUID`);
}

function hyphenated(bytes: Buffer, from: number, target: Uint8Array, offset: number): boolean {
  if (bytes[from + 8] !== 0x2d || bytes[from + 13] !== 0x2d) return false;
  if (bytes[from + 18] !== 0x2d || bytes[from + 23] !== 0x2d) return false;
  let bad = 0;
  let at = from;
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) at++;
    const high = bytes[at++]!;
    const low = bytes[at++]!;
    const highValue = HEX_VALUES[high & 127]!;
    const lowValue = HEX_VALUES[low & 127]!;
    bad |= ((high | low) & 0x80) | ((highValue | lowValue) & 0xf0);
    target[offset + i] = (highValue << 4) | lowValue;
  }
  return bad === 0;
}

/** A `bytes` field of exactly this length, copied; false when it is empty. */
export function octetsFrom(
  bytes: Buffer,
  wire: WireReader,
  target: Uint8Array,
  offset: number,
  length: number,
  name: string,
): boolean {
  if (!wire.run() || wire.end === wire.start) return false;
  if (wire.end - wire.start !== length)
    throw new EventFault(`${name} must have ${length} bytes, it has ${wire.end - wire.start}`);
  for (let i = 0; i < length; i++) target[offset + i] = bytes[wire.start + i]!;
  return true;
}

/** A `uint64` that fits a number exactly. */
export function exactUint(wire: WireReader, name: string): number {
  const value = wire.uint();
  if (!Number.isSafeInteger(value))
    throw new EventFault(`${name} must be at most ${Number.MAX_SAFE_INTEGER}`);
  return value;
}

/** 0001-01-01 to 9999-12-31, what google.protobuf.Timestamp may hold. */
const SECONDS_MIN = -62_135_596_800;
const SECONDS_MAX = 253_402_300_799;
const NANOS_MAX = 999_999_999;

/** A google.protobuf.Timestamp; nanoseconds count forward from the second. */
export interface Instant {
  readonly seconds: number;
  readonly nanos: number;
}

export function instantFrom(
  bytes: Buffer,
  wire: WireReader,
  from: number,
  to: number,
  name: string,
): Instant {
  let seconds = 0;
  let nanos = 0;
  wire.open(bytes, from, to);
  for (let field = wire.next(); field !== 0; field = wire.next()) {
    if (field === 1) seconds = wire.int();
    else if (field === 2) nanos = wire.int();
    else wire.skip();
  }
  if (seconds < SECONDS_MIN || seconds > SECONDS_MAX || nanos < 0 || nanos > NANOS_MAX)
    throw new EventFault(`${name} is not a timestamp`);
  return { seconds, nanos };
}

/** RFC 3339 text of an instant in UTC without its suffix, with 0, 3, 6 or 9 fraction digits, the fewest that are exact. */
export function instantText({ seconds, nanos }: Instant): string {
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  if (nanos === 0) return whole;
  const digits = String(nanos).padStart(9, '0');
  return `${whole}.${nanos % 1_000_000 === 0 ? digits.slice(0, 3) : nanos % 1000 === 0 ? digits.slice(0, 6) : digits}`;
}

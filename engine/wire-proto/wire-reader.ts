/** Protocol Buffers' wire format (protobuf.dev, "Encoding"), read field by field without an object per message. */

/** Not a message: truncated, an overlong varint, an unknown wire type. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** Wire types. Groups (3, 4) are long gone from proto3 and refused. */
const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;
const FIELD_MAX = 0x1fff_ffff;

/**
 * A place in some bytes. `next` moves on to the next field and answers its number, 0 at the end; then exactly one of the others
 * takes its value. A value of another type than asked for is skipped and counts as absent, as decoders of proto3 do.
 */
export interface WireReader {
  /** Reads `[from, to)` of `bytes` from now on. */
  open(bytes: Buffer, from: number, to: number): void;
  next(): number;
  /** An unsigned number; beyond 2^53 it is no longer exact, but still beyond 2^53. */
  uint(): number;
  uint32(): number;
  /** A signed 64-bit number; inexact beyond 2^53. */
  int(): number;
  bool(): boolean;
  /** Sets `start` and `end` to the value of a length-delimited field; false if it is none. */
  run(): boolean;
  start: number;
  end: number;
  skip(): void;
}

/** Makes a reader; reuse it, nothing in it outlives a call. */
export function createWireReader(): WireReader {
  let bytes: Buffer = Buffer.alloc(0);
  let at = 0;
  let limit = 0;
  let type = 0;
  /** The two halves of the last varint. */
  let low = 0;
  let high = 0;

  function readVarint(): void {
    let byte = at < limit ? bytes[at++]! : truncated();
    low = byte & 0x7f;
    high = 0;
    if (byte < 0x80) return;
    let shift = 7;
    for (; shift < 28; shift += 7) {
      byte = at < limit ? bytes[at++]! : truncated();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return;
    }
    byte = at < limit ? bytes[at++]! : truncated();
    low = (low | (byte << 28)) >>> 0;
    high = (byte & 0x7f) >> 4;
    if (byte < 0x80) return;
    for (shift = 3; shift < 32; shift += 7) {
      byte = at < limit ? bytes[at++]! : truncated();
      high = (high | ((byte & 0x7f) << shift)) >>> 0;
      if (byte < 0x80) return;
    }
    throw new WireError('a number has more than ten bytes');
  }

  function advance(count: number): void {
    if (count > limit - at) truncated();
    at += count;
  }

  function skip(): void {
    if (type === VARINT) readVarint();
    else if (type === LENGTH) {
      readVarint();
      advance(high * 0x1_0000_0000 + low);
    } else advance(type === FIXED64 ? 8 : 4);
  }

  const reader: WireReader = {
    start: 0,
    end: 0,
    open(source, from, to) {
      bytes = source;
      at = from;
      limit = to;
    },
    next() {
      if (at === limit) return 0;
      readVarint();
      const field = low >>> 3;
      type = low & 7;
      if (high !== 0 || field === 0 || field > FIELD_MAX)
        throw new WireError('a field has an impossible number');
      if (type !== VARINT && type !== LENGTH && type !== FIXED64 && type !== FIXED32)
        throw new WireError(`wire type ${type} is not in use`);
      return field;
    },
    uint() {
      if (type !== VARINT) return absent(skip);
      readVarint();
      return high * 0x1_0000_0000 + (low >>> 0);
    },
    uint32() {
      if (type !== VARINT) return absent(skip);
      readVarint();
      return low >>> 0;
    },
    int() {
      if (type !== VARINT) return absent(skip);
      readVarint();
      return (high | 0) * 0x1_0000_0000 + (low >>> 0);
    },
    bool() {
      if (type !== VARINT) return absent(skip) === 1;
      readVarint();
      return low !== 0 || high !== 0;
    },
    run() {
      if (type !== LENGTH) {
        skip();
        return false;
      }
      readVarint();
      const count = high * 0x1_0000_0000 + low;
      reader.start = at;
      advance(count);
      reader.end = at;
      return true;
    },
    skip,
  };
  return reader;
}

function absent(skip: () => void): number {
  skip();
  return 0;
}

function truncated(): never {
  throw new WireError('the message ends within a field');
}

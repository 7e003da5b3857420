import { writeUtf8 } from './bytes.js';
import { isPlainObject, locateFault } from './jcs-fault.js';

/** Containers may nest this deep: `[[…]]` with 128 brackets is accepted, with 129 refused. */
export const MAX_JSON_DEPTH = 128;

export type CanonicalizeOptions = {
  /** Let U+0000 pass in strings and keys. It hashes well but cannot be stored as SQL text or jsonb. */
  allowNul?: boolean;
};

/** Bytes that grow as they are appended to; `bytes` is replaced by a larger array when it is full. */
export type ByteSink = { bytes: Uint8Array; length: number };

/** Thrown inside the fast path; replaced by a `JcsError` that knows where the fault is. */
const FAULT = Symbol('jcs fault');

/**
 * Appends the canonical form of a JSON value (RFC 8785) to the sink as UTF-8: members sorted by UTF-16 code units,
 * ECMAScript numbers, shortest escapes, no white space. Takes what `JSON.parse` returns; two equal values give the
 * same bytes. Bytes are written directly because building text and encoding it costs twice as much.
 *
 * @throws JcsError for what has no canonical form (see `JcsFaultReason`); the sink is then as long as before
 */
export function canonicalizeInto(value: unknown, sink: ByteSink, options: CanonicalizeOptions = {}): void {
  const allowNul = options.allowNul === true;
  const start = sink.length;
  try {
    writeValue(value, 0, sink, allowNul);
  } catch (error) {
    sink.length = start;
    // Where it went wrong is looked up only now, so that good input pays nothing for it.
    if (error === FAULT) throw locateFault(value, allowNul, MAX_JSON_DEPTH);
    throw error;
  }
}

/** Scratch space of `canonicalize`, kept between calls while it is small; nothing in it outlives a call. */
const scratch: ByteSink = { bytes: new Uint8Array(4096), length: 0 };
const SCRATCH_BYTES_MAX = 1 << 20;
const DECODER = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * The canonical text of a JSON value; see `canonicalizeInto`.
 *
 * @example canonicalize({ b: 1.0, a: 'é' }) // {"a":"é","b":1}
 */
export function canonicalize(value: unknown, options: CanonicalizeOptions = {}): string {
  scratch.length = 0;
  canonicalizeInto(value, scratch, options);
  const text = DECODER.decode(scratch.bytes.subarray(0, scratch.length));
  if (scratch.bytes.length > SCRATCH_BYTES_MAX) scratch.bytes = new Uint8Array(4096);
  return text;
}

function writeValue(value: unknown, depth: number, sink: ByteSink, allowNul: boolean): void {
  if (typeof value === 'string') {
    writeQuoted(value, sink, allowNul);
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw FAULT;
    writeAscii(String(value), sink);
  } else if (typeof value === 'boolean') {
    writeAscii(value ? 'true' : 'false', sink);
  } else if (value === null) {
    writeAscii('null', sink);
  } else if (typeof value === 'object') {
    if (depth >= MAX_JSON_DEPTH) throw FAULT;
    if (Array.isArray(value)) writeArray(value, depth + 1, sink, allowNul);
    else if (isPlainObject(value)) writeObject(value as Record<string, unknown>, depth + 1, sink, allowNul);
    else throw FAULT;
  } else {
    throw FAULT;
  }
}

function writeArray(items: readonly unknown[], depth: number, sink: ByteSink, allowNul: boolean): void {
  writeByte(0x5b, sink);
  for (let i = 0; i < items.length; i++) {
    if (i > 0) writeByte(0x2c, sink);
    writeValue(items[i], depth, sink, allowNul);
  }
  writeByte(0x5d, sink);
}

function writeObject(
  object: Record<string, unknown>,
  depth: number,
  sink: ByteSink,
  allowNul: boolean,
): void {
  const keys = Object.keys(object);
  // Producers mostly send sorted members: looking costs less than sorting.
  for (let i = 1; i < keys.length; i++) {
    if (keys[i - 1]! > keys[i]!) {
      // Without a comparer strings sort by UTF-16 code units, the order of RFC 8785 section 3.2.3.
      keys.sort();
      break;
    }
  }
  writeByte(0x7b, sink);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    if (i > 0) writeByte(0x2c, sink);
    writeQuoted(key, sink, allowNul);
    writeByte(0x3a, sink);
    writeValue(object[key], depth, sink, allowNul);
  }
  writeByte(0x7d, sink);
}

/** Most strings are ASCII and need no escape; the first character that is not leaves the fast loop. */
function writeQuoted(text: string, sink: ByteSink, allowNul: boolean): void {
  reserve(sink, text.length + 2);
  const { bytes } = sink;
  let at = sink.length;
  bytes[at++] = 0x22;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code === 0x22 || code === 0x5c || code > 0x7e) {
      writeEscaped(text, i, sink, allowNul);
      return;
    }
    bytes[at++] = code;
  }
  bytes[at++] = 0x22;
  sink.length = at;
}

/** `JSON.stringify` escapes exactly what RFC 8785 section 3.2.2.2 asks for once lone surrogates are out. */
function writeEscaped(text: string, from: number, sink: ByteSink, allowNul: boolean): void {
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0 && !allowNul) throw FAULT;
    if ((code & 0xf800) !== 0xd800) continue;
    if (code >= 0xdc00 || (text.charCodeAt(i + 1) & 0xfc00) !== 0xdc00) throw FAULT;
    i++;
  }
  const quoted = JSON.stringify(text);
  reserve(sink, 3 * quoted.length);
  sink.length = writeUtf8(sink.bytes, sink.length, quoted);
}

function writeAscii(text: string, sink: ByteSink): void {
  reserve(sink, text.length);
  const { bytes } = sink;
  let at = sink.length;
  for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
  sink.length = at;
}

function writeByte(byte: number, sink: ByteSink): void {
  if (sink.length === sink.bytes.length) reserve(sink, 1);
  sink.bytes[sink.length++] = byte;
}

function reserve(sink: ByteSink, count: number): void {
  const needed = sink.length + count;
  if (needed <= sink.bytes.length) return;
  const larger = new Uint8Array(Math.max(2 * sink.bytes.length, needed));
  larger.set(sink.bytes.subarray(0, sink.length));
  sink.bytes = larger;
}

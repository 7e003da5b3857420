/**
 * Events as `stateset.sequencer.v2.SequencedEvent` messages (proto/sequencer_v2.proto), written straight from the row. One auditable
 * unit: field numbers stand here once more, and a test compares with the generated code.
 */
import {
  copyBytes,
  DOMAIN,
  decodeBase64Url,
  type EncryptedPayload,
  RECEIPT_PREIMAGE_BYTES,
} from '../protocol/index.js';
import { readInt8, readMicros, type Tuple } from '../store/copy-tuples.js';
import { VES } from '../store/ves-columns.js';
import { type EventEncoder, reserve, type Sink } from './encoder.js';

/** SHA-256 into a place. */
export type HashInto = (bytes: Uint8Array, target: Uint8Array, offset: number) => void;

/** Everything of an event besides its texts and payload, at most. */
const FIXED_BYTES_MAX = 640;
const UUID_TEXT_BYTES = 36;

/** Tags: field number and wire type (0: varint, 2: length-delimited). */
const varintField = (field: number) => field << 3;
const lengthField = (field: number) => (field << 3) | 2;

/** Field numbers of EventEnvelope. */
const ENVELOPE = {
  eventId: 1,
  commandId: 2,
  tenantId: 3,
  storeId: 4,
  entityType: 5,
  entityId: 6,
  eventType: 7,
  sourceAgent: 8,
  vesVersion: 9,
  payloadKind: 10,
  payload: 11,
  payloadEncrypted: 12,
  payloadPlainHash: 13,
  payloadCipherHash: 14,
  agentKeyId: 15,
  agentSignature: 16,
  baseVersion: 17,
  createdAt: 18,
  createdAtText: 21,
  baseVersionSet: 22,
} as const;
const EVENT = { envelope: 1, sequenceNumber: 2, sequencedAt: 3, receiptHash: 4 } as const;

const PLAINTEXT = 1;
const ENCRYPTED = 2;
const HEX = Buffer.from('0123456789abcdef');

/** Makes the encoder. Not re-entrant. */
export function createProtoEncoder(sha256: HashInto): EventEncoder {
  const preimage = Buffer.alloc(RECEIPT_PREIMAGE_BYTES);
  preimage.set(DOMAIN.receipt);

  /** The hash of the event's receipt (see writeReceiptPreimage), from the row's bytes. */
  function writeReceiptHash(sink: Sink, { bytes, at }: Tuple): void {
    let end = DOMAIN.receipt.length;
    for (const column of [VES.tenant, VES.store, VES.eventId])
      end = copyBytes(bytes, at[column]!, preimage, end, 16);
    end = copyBytes(bytes, at[VES.sequence]!, preimage, end, 8);
    copyBytes(bytes, at[VES.hashes]!, preimage, end, 32);
    tag(sink, lengthField(EVENT.receiptHash));
    sink.bytes[sink.length++] = 32;
    sha256(preimage, sink.bytes, sink.length);
    sink.length += 32;
  }

  return (tuple, sink) => {
    const { bytes, at, length } = tuple;
    const texts =
      length[VES.entityType]! + length[VES.entityId]! + length[VES.eventType]! + length[VES.createdAt]!;
    // An encryption envelope shrinks: its binary form has no base64.
    reserve(sink, FIXED_BYTES_MAX + texts + length[VES.payload]!);
    tag(sink, lengthField(EVENT.envelope));
    const envelope = openLength(sink, 300 + texts + length[VES.payload]!);
    writeEnvelope(sink, tuple);
    closeLength(sink, envelope);
    number(sink, EVENT.sequenceNumber, readInt8(bytes, at[VES.sequence]!));
    const micros = readMicros(bytes, at[VES.sequencedAt]!);
    const seconds = Math.floor(micros / 1e6);
    timestamp(sink, EVENT.sequencedAt, seconds, (micros - seconds * 1e6) * 1000);
    writeReceiptHash(sink, tuple);
  };
}

function writeEnvelope(sink: Sink, tuple: Tuple): void {
  const { bytes, at, length } = tuple;
  const encrypted = bytes.readUInt16BE(at[VES.payloadKind]!) === 1;
  const hashes = at[VES.hashes]!;
  uuidText(sink, ENVELOPE.eventId, tuple, VES.eventId);
  if (length[VES.command]! >= 0) uuidText(sink, ENVELOPE.commandId, tuple, VES.command);
  uuidText(sink, ENVELOPE.tenantId, tuple, VES.tenant);
  uuidText(sink, ENVELOPE.storeId, tuple, VES.store);
  run(sink, ENVELOPE.entityType, bytes, at[VES.entityType]!, length[VES.entityType]!);
  run(sink, ENVELOPE.entityId, bytes, at[VES.entityId]!, length[VES.entityId]!);
  run(sink, ENVELOPE.eventType, bytes, at[VES.eventType]!, length[VES.eventType]!);
  uuidText(sink, ENVELOPE.sourceAgent, tuple, VES.agent);
  number(sink, ENVELOPE.vesVersion, bytes.readUInt16BE(at[VES.vesVersion]!));
  number(sink, ENVELOPE.payloadKind, encrypted ? ENCRYPTED : PLAINTEXT);
  // An erased payload is empty, which no other is: the field is left out.
  if (encrypted && length[VES.payload]! > 0)
    writeEncrypted(sink, bytes.toString('utf8', at[VES.payload]!, at[VES.payload]! + length[VES.payload]!));
  else if (!encrypted) run(sink, ENVELOPE.payload, bytes, at[VES.payload]!, length[VES.payload]!);
  run(sink, ENVELOPE.payloadPlainHash, bytes, hashes + 96, 32);
  if (encrypted) run(sink, ENVELOPE.payloadCipherHash, bytes, hashes + 128, 32);
  number(sink, ENVELOPE.agentKeyId, readInt8(bytes, at[VES.agentKeyId]!));
  run(sink, ENVELOPE.agentSignature, bytes, hashes + 32, 64);
  const hasBaseVersion = length[VES.baseVersion]! >= 0;
  if (hasBaseVersion) number(sink, ENVELOPE.baseVersion, readInt8(bytes, at[VES.baseVersion]!));
  const { seconds, nanos } = instantOf(bytes, at[VES.createdAt]!, length[VES.createdAt]!);
  timestamp(sink, ENVELOPE.createdAt, seconds, nanos);
  run(sink, ENVELOPE.createdAtText, bytes, at[VES.createdAt]!, length[VES.createdAt]!);
  if (hasBaseVersion) number(sink, ENVELOPE.baseVersionSet, 1);
}

/** The encryption envelope, which is stored as JSON; encrypted events are few, so clarity beats speed. */
function writeEncrypted(sink: Sink, json: string): void {
  const payload = JSON.parse(json) as EncryptedPayload;
  const binary = (base64: string) => Buffer.from(decodeBase64Url(base64) ?? []);
  const { hpke } = payload;
  tag(sink, lengthField(ENVELOPE.payloadEncrypted));
  const whole = openLength(sink, json.length);
  number(sink, 1, payload.enc_version);
  text(sink, 2, payload.aead);
  octets(sink, 3, binary(payload.nonce_b64u));
  octets(sink, 4, binary(payload.ciphertext_b64u));
  octets(sink, 5, binary(payload.tag_b64u));
  tag(sink, lengthField(6));
  const params = openLength(sink, 0);
  text(sink, 1, hpke.mode);
  text(sink, 2, hpke.kem);
  text(sink, 3, hpke.kdf);
  text(sink, 4, hpke.aead);
  closeLength(sink, params);
  for (const recipient of payload.recipients) {
    tag(sink, lengthField(7));
    const each = openLength(sink, 0);
    number(sink, 1, recipient.recipient_kid);
    octets(sink, 2, binary(recipient.enc_b64u));
    octets(sink, 3, binary(recipient.ct_b64u));
    closeLength(sink, each);
  }
  closeLength(sink, whole);
}

/** A message whose length comes before its bytes: room for the expected width of the length is left, and corrected at the end. */
interface OpenLength {
  readonly start: number;
  readonly width: number;
}

function openLength(sink: Sink, expectedBytes: number): OpenLength {
  const start = sink.length;
  const width = varintBytes(expectedBytes);
  sink.length += width;
  return { start, width };
}

function closeLength(sink: Sink, { start, width }: OpenLength): void {
  const from = start + width;
  const bytes = sink.length - from;
  const needed = varintBytes(bytes);
  if (needed !== width) sink.bytes.copyWithin(start + needed, from, sink.length);
  sink.length = start;
  varint(sink, bytes);
  sink.length += bytes;
}

const varintBytes = (value: number): number =>
  value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;

function varint(sink: Sink, value: number): void {
  const { bytes } = sink;
  let rest = value;
  for (; rest > 0x7fff_ffff; rest = Math.floor(rest / 0x80)) bytes[sink.length++] = (rest % 0x80) | 0x80;
  for (; rest > 0x7f; rest >>>= 7) bytes[sink.length++] = (rest & 0x7f) | 0x80;
  bytes[sink.length++] = rest;
}

function tag(sink: Sink, value: number): void {
  if (value < 0x80) sink.bytes[sink.length++] = value;
  else varint(sink, value);
}

/** A number field; 0 is what an absent one means. */
function number(sink: Sink, field: number, value: number): void {
  if (value === 0) return;
  tag(sink, varintField(field));
  varint(sink, value);
}

/** A field of bytes or text that lies in the row. */
function run(sink: Sink, field: number, source: Buffer, from: number, count: number): void {
  tag(sink, lengthField(field));
  varint(sink, count);
  // A loop beats a native copy for the short runs of a row.
  if (count < 64) copyBytes(source, from, sink.bytes, sink.length, count);
  else source.copy(sink.bytes, sink.length, from, from + count);
  sink.length += count;
}

function octets(sink: Sink, field: number, value: Buffer): void {
  if (value.length > 0) run(sink, field, value, 0, value.length);
}

const text = (sink: Sink, field: number, value: string): void => octets(sink, field, Buffer.from(value));

function uuidText(sink: Sink, field: number, { bytes, at }: Tuple, column: number): void {
  tag(sink, lengthField(field));
  const target = sink.bytes;
  let end = sink.length;
  target[end++] = UUID_TEXT_BYTES;
  const from = at[column]!;
  for (let i = 0; i < 16; i++) {
    if (i === 4 || i === 6 || i === 8 || i === 10) target[end++] = 0x2d;
    const byte = bytes[from + i]!;
    target[end++] = HEX[byte >> 4]!;
    target[end++] = HEX[byte & 15]!;
  }
  sink.length = end;
}

/** A google.protobuf.Timestamp. */
function timestamp(sink: Sink, field: number, seconds: number, nanos: number): void {
  tag(sink, lengthField(field));
  const whole = openLength(sink, 0);
  if (seconds < 0) {
    // An int64 below zero is written as its 64 bits (protobuf encoding, "Signed Integers").
    tag(sink, varintField(1));
    let rest = BigInt.asUintN(64, BigInt(seconds));
    for (; rest > 0x7fn; rest >>= 7n) sink.bytes[sink.length++] = Number(rest & 0x7fn) | 0x80;
    sink.bytes[sink.length++] = Number(rest);
  } else number(sink, 1, seconds);
  number(sink, 2, nanos);
  closeLength(sink, whole);
}

const SECONDS_PER_DAY = 86_400;

/** The instant of a stored RFC 3339 text, which was checked when it came in; digits beyond nanoseconds are cut off. */
function instantOf(bytes: Buffer, from: number, length: number): { seconds: number; nanos: number } {
  const end = from + length;
  const digits = (at: number, count: number) => {
    let value = 0;
    for (let i = at; i < at + count; i++) value = value * 10 + bytes[i]! - 0x30;
    return value;
  };
  let at = from + 19;
  let nanos = 0;
  if (bytes[at] === 0x2e) {
    const first = ++at;
    while (at < end && bytes[at]! >= 0x30 && bytes[at]! <= 0x39) at++;
    const count = Math.min(9, at - first);
    nanos = digits(first, count) * 10 ** (9 - count);
  }
  const offset = end - at === 6 ? (digits(at + 1, 2) * 60 + digits(at + 4, 2)) * 60 : 0;
  const days = daysSince1970(digits(from, 4), digits(from + 5, 2), digits(from + 8, 2));
  const ofDay = digits(from + 11, 2) * 3600 + digits(from + 14, 2) * 60 + digits(from + 17, 2);
  return { seconds: days * SECONDS_PER_DAY + ofDay - (bytes[at] === 0x2d ? -offset : offset), nanos };
}

/** Days of the Gregorian calendar, counted in years that begin in March so that the leap day comes last. */
function daysSince1970(year: number, month: number, day: number): number {
  const y = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  return 365 * y + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
}

/**
 * Pushes of the binary WebSocket (engine/wire/push-frame.ts) to typed envelopes with canonical payloads. Ids, hashes and signatures are
 * copied byte for byte, and a payload that is canonical already is copied as it is; only others are parsed.
 */
import { isUtf8 } from 'node:buffer';
import {
  type ByteSink,
  CREATED_AT_BYTES_MAX,
  checkText,
  copyBytes,
  decodeEncryptedPayload,
  ENTITY_ID_BYTES_MAX,
  ENTITY_TYPE_BYTES_MAX,
  type EnvelopeFault,
  EVENT_TYPE_BYTES_MAX,
  FIXED,
  FIXED_BYTES,
  normalizeSignatureScheme,
  type ParsedEncryptedPayload,
  readEncryptedPayload,
  type VesEnvelope,
} from '../engine/protocol/index.js';
import {
  createReader,
  FRAME,
  PUSH_EVENT_ITEMS,
  PUSH_EVENT_ITEMS_MIN,
  PUSH_HASHES_BYTES,
  PUSH_HASHES_CIPHER_BYTES,
  PUSH_HASHES_LAYOUT,
  PUSH_ITEMS,
  type Reader,
  readArray,
  readBin,
  readBinLength,
  readEnd,
  readHead,
  readNil,
  readStrLength,
  readUint,
  WANT_EVENT_RECEIPTS,
  WANT_GROUP_RECEIPTS,
  WireError,
} from '../engine/wire/index.js';
import { type CanonicalCheck, createCanonicalCheck } from './canonical-json.js';
import { appendCanonical, payloadTooLarge, preparePayload, tooMany } from './prepare-payload.js';
import {
  type Arrival,
  authorise,
  type IngestLimits,
  judgement,
  type PreparedVesEvent,
  refuse,
  requestBase,
  type VesRequest,
} from './request-context.js';

/** What stands for a payload whose canonical text lies in the request's `payloads` already. */
const PRESENT = true;
const SCHEME_MAX = 0x7fff_ffff;
const U32_MAX = 0xffff_ffff;

/** Texts of the event before: events of a push have many in common, and a comparison is cheaper than a new string. */
interface LastText {
  at: number;
  length: number;
  text: string;
}

/** Makes a reader of pushes. Not re-entrant. */
export function createMsgpackReader(
  limits: IngestLimits,
  strictFormat: boolean,
): (arrival: Arrival) => VesRequest {
  const isCanonical = createCanonicalCheck();
  return (arrival) => {
    try {
      return readPush(arrival, limits, strictFormat, isCanonical);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      refuse('INVALID_REQUEST_BODY', `The frame is not a push: ${error.message}`);
    }
  };
}

function readPush(
  arrival: Arrival,
  limits: IngestLimits,
  strictFormat: boolean,
  isCanonical: CanonicalCheck,
): VesRequest {
  const { body, scope } = arrival;
  const reader = createReader(body);
  const { type, id, items } = readHead(reader);
  if (type !== FRAME.push || items !== PUSH_ITEMS)
    throw new WireError(`it must be an array of ${PUSH_ITEMS}`);
  const tenant = readBin(reader, 'tenant', 16);
  const store = readBin(reader, 'store', 16);
  const agent = readBin(reader, 'agent', 16);
  const receipts = readUint(reader, 'receipts', WANT_EVENT_RECEIPTS + WANT_GROUP_RECEIPTS);
  const count = readArray(reader, 'events', U32_MAX);
  if (count === 0) refuse('INVALID_FIELD_VALUE', 'events must not be empty', { path: 'events' });
  if (count > limits.batchEventsMax) tooMany(count, limits.batchEventsMax);

  const fixed = Buffer.allocUnsafe(count * FIXED_BYTES);
  // Canonical payloads are about as long as the frame that carried them.
  const payloads: ByteSink = { bytes: Buffer.allocUnsafe(body.length + 64), length: 0 };
  const last: LastText[] = Array.from({ length: 4 }, () => ({ at: 0, length: -1, text: '' }));
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const prepared: PreparedVesEvent[] = new Array(count);
  for (let i = 0; i < count; i++) {
    const fixedOffset = i * FIXED_BYTES;
    copyBytes(tenant, 0, fixed, fixedOffset + FIXED.tenantId, 16);
    copyBytes(store, 0, fixed, fixedOffset + FIXED.storeId, 16);
    copyBytes(agent, 0, fixed, fixedOffset + FIXED.sourceAgentId, 16);
    const event = readEvent(reader, bytes, i, {
      fixed,
      fixedOffset,
      last,
      payloads,
      isCanonical,
      strictFormat,
    });
    const size = event.payloadEnd - event.payloadStart;
    if (size > limits.payloadBytesMax) payloadTooLarge(i, size, limits.payloadBytesMax);
    prepared[i] = event;
  }
  readEnd(reader);
  authorise(scope, agent, prepared, 'agent');
  return {
    kind: 'ves',
    ...requestBase(arrival),
    receipts,
    frameId: id,
    events: prepared,
    payloads: payloads.bytes,
    ...judgement(count),
  };
}

interface EventContext {
  readonly fixed: Buffer;
  readonly fixedOffset: number;
  readonly last: readonly LastText[];
  readonly payloads: ByteSink;
  readonly isCanonical: CanonicalCheck;
  readonly strictFormat: boolean;
}

function readEvent(reader: Reader, bytes: Buffer, index: number, context: EventContext): PreparedVesEvent {
  const { fixed, fixedOffset, last, payloads } = context;
  const items = readArray(reader, 'an event', PUSH_EVENT_ITEMS);
  if (items < PUSH_EVENT_ITEMS_MIN)
    throw new WireError(`an event has ${PUSH_EVENT_ITEMS_MIN} or ${PUSH_EVENT_ITEMS} elements`);
  readId(reader, 'event_id', fixed, fixedOffset + FIXED.eventId);
  const vesVersion = readUint(reader, 'ves_version', U32_MAX);
  const payloadKind = readUint(reader, 'payload_kind', 1) as 0 | 1;
  const agentKeyId = readUint(reader, 'agent_key_id', U32_MAX);
  const entityType = readText(reader, bytes, index, 'entity_type', ENTITY_TYPE_BYTES_MAX, last[0]!);
  const entityId = readText(reader, bytes, index, 'entity_id', ENTITY_ID_BYTES_MAX, last[1]!);
  const eventType = readText(reader, bytes, index, 'event_type', EVENT_TYPE_BYTES_MAX, last[2]!);
  const createdAt = readText(reader, bytes, index, 'created_at', CREATED_AT_BYTES_MAX, last[3]!);
  const payloadBytes = readStrLength(reader, 'payload', U32_MAX);
  const payloadAt = reader.at - payloadBytes;
  readHashes(reader, fixed, fixedOffset);
  const hasCommandId = !readNil(reader);
  if (hasCommandId) readId(reader, 'command_id', fixed, fixedOffset + FIXED.commandId);
  else fixed.fill(0, fixedOffset + FIXED.commandId, fixedOffset + FIXED.commandId + 16);
  const baseVersion = readNil(reader) ? undefined : readUint(reader, 'base_version');
  const scheme = items === PUSH_EVENT_ITEMS ? readUint(reader, 'signature_scheme', SCHEME_MAX) : 0;

  const envelope: VesEnvelope = {
    vesVersion,
    agentKeyId,
    entityType,
    entityId,
    eventType,
    createdAt,
    payloadKind,
    payload: undefined,
    payloadEncrypted: undefined,
    hasCommandId,
    baseVersion,
    signatureScheme: scheme === 0 ? 0 : normalizeSignatureScheme(scheme),
    signatureBundle: undefined,
    fixed,
    fixedOffset,
  };
  const payloadTo = payloadAt + payloadBytes;
  // The one canonical text that is no payload is null.
  if (payloadKind === 0 && payloadBytes !== 4 && context.isCanonical(bytes, payloadAt, payloadTo)) {
    envelope.payload = PRESENT;
    return appendCanonical(envelope, bytes.subarray(payloadAt, payloadTo), payloads);
  }
  const value = parsePayload(bytes, payloadAt, payloadTo, index);
  if (payloadKind === 0) envelope.payload = value;
  else envelope.payloadEncrypted = parseEncrypted(value, index, context.strictFormat);
  return preparePayload(envelope, payloads);
}

function readId(reader: Reader, what: string, target: Buffer, offset: number): void {
  if (readBinLength(reader, what, 16) !== 16) throw new WireError(`${what} must have 16 bytes`);
  copyBytes(reader.bytes, reader.at - 16, target, offset, 16);
}

function readHashes(reader: Reader, fixed: Buffer, fixedOffset: number): void {
  const length = readBinLength(reader, 'hashes', PUSH_HASHES_CIPHER_BYTES);
  if (length !== PUSH_HASHES_BYTES && length !== PUSH_HASHES_CIPHER_BYTES)
    throw new WireError(`hashes must have ${PUSH_HASHES_BYTES} or ${PUSH_HASHES_CIPHER_BYTES} bytes`);
  let from = reader.at - length;
  for (const [offset, bytes] of PUSH_HASHES_LAYOUT) {
    const at = fixedOffset + offset;
    if (from === reader.at) fixed.fill(0, at, at + bytes);
    else copyBytes(reader.bytes, from, fixed, at, bytes);
    from = Math.min(from + bytes, reader.at);
  }
}

/** A descriptive text by the rules of envelopes: 1..max bytes, no U+0000, well-formed. */
function readText(
  reader: Reader,
  bytes: Buffer,
  index: number,
  what: string,
  max: number,
  last: LastText,
): string {
  const length = readStrLength(reader, what, U32_MAX);
  const at = reader.at - length;
  if (length === last.length && same(bytes, at, last.at, length)) return last.text;
  const text = plainAscii(bytes, at, length)
    ? bytes.toString('latin1', at, at + length)
    : utf8(bytes, at, length, what);
  const fault =
    length === 0 || length > max || text.length !== length || text.includes('\0')
      ? checkText(what, text, max)
      : undefined;
  if (fault !== undefined) refuseEvent(index, fault);
  last.at = at;
  last.length = length;
  last.text = text;
  return text;
}

function same(bytes: Buffer, a: number, b: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[a + i] !== bytes[b + i]) return false;
  return true;
}

function plainAscii(bytes: Buffer, at: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[at + i]! >= 0x80) return false;
  return true;
}

function utf8(bytes: Buffer, at: number, length: number, what: string): string {
  if (!isUtf8(bytes.subarray(at, at + length))) throw new WireError(`${what} is not valid UTF-8`);
  return bytes.toString('utf8', at, at + length);
}

function parsePayload(bytes: Buffer, from: number, to: number, index: number): unknown {
  const text = utf8(bytes, from, to - from, `events[${index}].payload`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const path = `events[${index}].payload`;
    refuse('INVALID_FIELD_VALUE', `${path} is not valid JSON: ${error.message}`, { path });
  }
  if (value === null) {
    const message = 'payload must not be null';
    refuseEvent(index, { ok: false, kind: 'payload_missing', path: 'payload', message });
  }
  return value;
}

function parseEncrypted(value: unknown, index: number, strict: boolean): ParsedEncryptedPayload {
  const read = readEncryptedPayload(value);
  if ('path' in read) {
    const path = read.path === '' ? 'payload' : `payload.${read.path}`;
    refuse('INVALID_REQUEST_SHAPE', `events[${index}]: ${path} must be a member of the right type`, {
      path: `events[${index}].${path}`,
    });
  }
  const decoded = decodeEncryptedPayload(read.payload, strict);
  return 'path' in decoded
    ? { json: read.payload, bytes: undefined, faultPath: decoded.path }
    : { json: read.payload, bytes: decoded.bytes };
}

function refuseEvent(index: number, fault: EnvelopeFault): never {
  refuse('INVALID_FIELD_VALUE', `events[${index}]: ${fault.message}`, {
    path: `events[${index}].${fault.path}`,
  });
}

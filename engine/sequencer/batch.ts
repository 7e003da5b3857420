/**
 * The packed batch: what a verify worker sends to a partition's thread. One ArrayBuffer (transferred, never copied) holds
 * the requests, a fixed-size entry for each event and the events' ready-made COPY rows, so that the sequencer thread
 * parses nothing and allocates nothing per event.
 *
 *   header   16 bytes   u32 requests · u32 events · u32 offset of the rows · u32 length of the rows
 *   requests 64 bytes   u32 slot · u32 stream kind · u32 first event · u32 events · f64 deadline (ms since epoch)
 *                       · tenant id (16) · store id (16) · u32 flags · 4 spare
 *   events   112 bytes  see the EVENT_* offsets
 *   rows                COPY binary tuples, back to back
 *
 * u32 and f64 are in the machine's byte order (both ends are threads of one process); ids and hashes are raw bytes.
 */

export const STREAM_VES = 0;
export const STREAM_LEGACY = 1;
/** Which of the two logs of a (tenant, store) a request appends to. They have separate counters. */
export type StreamKind = typeof STREAM_VES | typeof STREAM_LEGACY;

/** Flag of a request: its answer carries group receipts, so the groups' trees are wanted. */
export const FLAG_GROUP_RECEIPTS = 1;

export const FLAG_COMMAND = 1;
export const FLAG_BASE_VERSION = 2;

const HEADER_BYTES = 16;
const REQUEST_BYTES = 64;
const REQUEST_TENANT = 24;
const REQUEST_STORE = 40;
const REQUEST_FLAGS = 56;
const EVENT_BYTES = 112;
const EVENT_ID = 0;
const EVENT_COMMAND = 16;
const EVENT_DIGEST = 32;
const EVENT_ENTITY_KEY = 64;
const EVENT_BASE_VERSION = 72;
const EVENT_FLAGS = 80;
const EVENT_VERDICT = 84;
const EVENT_ROW = 88;
const EVENT_ROW_LENGTH = 92;
const EVENT_PROOF = 96;
const EVENT_ENTITY = 100;

/** Offsets inside a row of the two values only the sequencer knows: the first two columns of both event tables. */
export const ROW_SEQUENCE = 6;
export const ROW_SEQUENCED_AT = 18;

/** A batch as the sequencer sees it: views over one buffer. */
export interface PackedBatch {
  readonly bytes: Buffer;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
  readonly requestCount: number;
  readonly eventCount: number;
  readonly rows: number;
  readonly rowsLength: number;
}

/** Opens the views over a packed batch. Throws RangeError when the buffer is shorter than its header says. */
export function readBatch(buffer: ArrayBufferLike): PackedBatch {
  const u32 = new Uint32Array(buffer, 0, buffer.byteLength >>> 2);
  const requestCount = u32[0]!;
  const eventCount = u32[1]!;
  const rows = u32[2]!;
  const rowsLength = u32[3]!;
  if (
    rows !== HEADER_BYTES + requestCount * REQUEST_BYTES + eventCount * EVENT_BYTES ||
    rows + rowsLength > buffer.byteLength
  ) {
    throw new RangeError('packed batch: sizes in the header do not fit the buffer');
  }
  const f64 = new Float64Array(buffer, 0, buffer.byteLength >>> 3);
  return { bytes: Buffer.from(buffer), u32, f64, requestCount, eventCount, rows, rowsLength };
}

function requestAt(request: number): number {
  return HEADER_BYTES + request * REQUEST_BYTES;
}

function eventAt(batch: PackedBatch, event: number): number {
  return HEADER_BYTES + batch.requestCount * REQUEST_BYTES + event * EVENT_BYTES;
}

export const requestSlot = (batch: PackedBatch, request: number): number =>
  batch.u32[requestAt(request) >>> 2]!;
export const requestKind = (batch: PackedBatch, request: number): StreamKind =>
  batch.u32[(requestAt(request) >>> 2) + 1]! as StreamKind;
export const requestFirstEvent = (batch: PackedBatch, request: number): number =>
  batch.u32[(requestAt(request) >>> 2) + 2]!;
export const requestEventCount = (batch: PackedBatch, request: number): number =>
  batch.u32[(requestAt(request) >>> 2) + 3]!;
/** Milliseconds since the epoch after which nobody waits for the answer. */
export const requestDeadline = (batch: PackedBatch, request: number): number =>
  batch.f64[(requestAt(request) + 16) >>> 3]!;
/** Whether the request's answer carries group receipts. */
export const wantsGroupReceipts = (batch: PackedBatch, request: number): boolean =>
  (batch.u32[(requestAt(request) + REQUEST_FLAGS) >>> 2]! & FLAG_GROUP_RECEIPTS) !== 0;
/** 32 hex digits. */
export const requestTenant = (batch: PackedBatch, request: number): string =>
  hex16(batch, requestAt(request) + REQUEST_TENANT);
/** 32 hex digits. */
export const requestStore = (batch: PackedBatch, request: number): string =>
  hex16(batch, requestAt(request) + REQUEST_STORE);

function hex16(batch: PackedBatch, offset: number): string {
  return batch.bytes.toString('hex', offset, offset + 16);
}

/** The event's id as 32 hex digits. */
export const eventId = (batch: PackedBatch, event: number): string =>
  hex16(batch, eventAt(batch, event) + EVENT_ID);
/** The event's command id as 32 hex digits; undefined when it has none. */
export function eventCommand(batch: PackedBatch, event: number): string | undefined {
  const at = eventAt(batch, event);
  return batch.u32[(at + EVENT_FLAGS) >>> 2]! & FLAG_COMMAND ? hex16(batch, at + EVENT_COMMAND) : undefined;
}
/** The version the event's author saw; undefined when the event does not ask for a check. */
export function eventBaseVersion(batch: PackedBatch, event: number): number | undefined {
  const at = eventAt(batch, event);
  return batch.u32[(at + EVENT_FLAGS) >>> 2]! & FLAG_BASE_VERSION
    ? batch.f64[(at + EVENT_BASE_VERSION) >>> 3]
    : undefined;
}
/** Digest of everything that makes two envelopes "the same" (see content-digest.ts), as 64 hex digits. */
export function eventDigest(batch: PackedBatch, event: number): string {
  const at = eventAt(batch, event) + EVENT_DIGEST;
  return batch.bytes.toString('hex', at, at + 32);
}
/** The entity's 8-byte key as 16 hex digits. */
export function eventEntityKey(batch: PackedBatch, event: number): string {
  const at = eventAt(batch, event) + EVENT_ENTITY_KEY;
  return batch.bytes.toString('hex', at, at + 8);
}
/** 0 when the verify worker found nothing wrong, else the rejection it proposes (an outcome code). */
export const eventVerdict = (batch: PackedBatch, event: number): number =>
  batch.u32[(eventAt(batch, event) + EVENT_VERDICT) >>> 2]!;
/** Absolute offset of the event's COPY tuple in `batch.bytes`. */
export const rowOffset = (batch: PackedBatch, event: number): number =>
  batch.rows + batch.u32[(eventAt(batch, event) + EVENT_ROW) >>> 2]!;
export const rowLength = (batch: PackedBatch, event: number): number =>
  batch.u32[(eventAt(batch, event) + EVENT_ROW_LENGTH) >>> 2]!;
/** Absolute offset of event_signing_hash(32) ‖ agent_signature(64) in `batch.bytes` (VES rows only). */
export const proofOffset = (batch: PackedBatch, event: number): number =>
  rowOffset(batch, event) + batch.u32[(eventAt(batch, event) + EVENT_PROOF) >>> 2]!;

/** Entity type and id, read back from the row: only events that ask for a version check need them as text. */
export function eventEntity(batch: PackedBatch, event: number): { type: string; id: string } {
  let at = rowOffset(batch, event) + batch.u32[(eventAt(batch, event) + EVENT_ENTITY) >>> 2]!;
  const typeLength = batch.bytes.readInt32BE(at);
  const type = batch.bytes.toString('utf8', at + 4, at + 4 + typeLength);
  at += 4 + typeLength;
  return { type, id: batch.bytes.toString('utf8', at + 4, at + 4 + batch.bytes.readInt32BE(at)) };
}

/** Writes the number and the time (microseconds since 2000-01-01, the Postgres epoch) into the event's row. */
export function patchRow(batch: PackedBatch, event: number, sequence: number, pgMicros: number): void {
  const at = rowOffset(batch, event);
  writeInt64(batch.bytes, at + ROW_SEQUENCE, sequence);
  writeInt64(batch.bytes, at + ROW_SEQUENCED_AT, pgMicros);
}

/** Big-endian int64 of a safe non-negative integer. */
export function writeInt64(target: Buffer, offset: number, value: number): void {
  target.writeUInt32BE(Math.floor(value / 0x1_0000_0000), offset);
  target.writeUInt32BE(value >>> 0, offset + 4);
}

/** One event as the builder takes it; byte fields are read, not kept. */
export interface EventEntry {
  /** Source of the 16-byte event id. */
  idBytes: Uint8Array;
  idOffset: number;
  commandBytes: Uint8Array | undefined;
  commandOffset: number;
  digest: Uint8Array;
  entityKey: Uint8Array;
  baseVersion: number | undefined;
  verdict: number;
  /** Offset in the row of signing hash and signature (VES), else 0. */
  proof: number;
  /** Offset in the row of the entity_type column's length. */
  entity: number;
}

/** Collects requests and events for one partition and packs them. */
export interface BatchBuilder {
  /** Starts a request; its events follow. */
  request(
    slot: number,
    kind: StreamKind,
    tenant: Uint8Array,
    store: Uint8Array,
    deadlineMs: number,
    flags?: number,
  ): void;
  /** Makes room for a row of up to `bytes` bytes and returns where to write it. */
  reserve(bytes: number): { target: Buffer; offset: number };
  /** Adds an event whose row was written at the reserved place and ends at `rowEnd` (equal to the start: no row). */
  event(entry: EventEntry, rowEnd: number): void;
  readonly events: number;
  /** The packed batch. The builder is empty again afterwards. */
  finish(): ArrayBuffer;
}

/** A builder with growing arenas of its own, kept between batches. */
export function createBatchBuilder(): BatchBuilder {
  let heads: Buffer = Buffer.allocUnsafeSlow(16 * REQUEST_BYTES);
  let entries: Buffer = Buffer.allocUnsafeSlow(256 * EVENT_BYTES);
  let rows: Buffer = Buffer.allocUnsafeSlow(256 * 1024);
  let requests = 0;
  let events = 0;
  let rowsEnd = 0;
  let entryView = new DataView(entries.buffer);
  const place = { target: rows, offset: 0 };

  return {
    get events() {
      return events;
    },
    request(slot, kind, tenant, store, deadlineMs, flags = 0) {
      const at = requests * REQUEST_BYTES;
      if (at === heads.length) heads = grow(heads, at + REQUEST_BYTES);
      const view = new DataView(heads.buffer, at, REQUEST_BYTES);
      view.setUint32(0, slot, true);
      view.setUint32(4, kind, true);
      view.setUint32(8, events, true);
      view.setUint32(12, 0, true);
      view.setFloat64(16, deadlineMs, true);
      heads.set(tenant, at + REQUEST_TENANT);
      heads.set(store, at + REQUEST_STORE);
      view.setUint32(REQUEST_FLAGS, flags, true);
      requests++;
    },
    reserve(bytes) {
      if (rowsEnd + bytes > rows.length) rows = grow(rows, rowsEnd + bytes);
      place.target = rows;
      place.offset = rowsEnd;
      return place;
    },
    event(entry, rowEnd) {
      const at = events * EVENT_BYTES;
      if (at === entries.length) {
        entries = grow(entries, at + EVENT_BYTES);
        entryView = new DataView(entries.buffer);
      }
      copyBytes(entry.idBytes, entry.idOffset, entries, at + EVENT_ID, 16);
      if (entry.commandBytes)
        copyBytes(entry.commandBytes, entry.commandOffset, entries, at + EVENT_COMMAND, 16);
      entries.set(entry.digest, at + EVENT_DIGEST);
      entries.set(entry.entityKey, at + EVENT_ENTITY_KEY);
      entryView.setFloat64(at + EVENT_BASE_VERSION, entry.baseVersion ?? 0, true);
      const flags =
        (entry.commandBytes ? FLAG_COMMAND : 0) | (entry.baseVersion === undefined ? 0 : FLAG_BASE_VERSION);
      entryView.setUint32(at + EVENT_FLAGS, flags, true);
      entryView.setUint32(at + EVENT_VERDICT, entry.verdict, true);
      entryView.setUint32(at + EVENT_ROW, rowsEnd, true);
      entryView.setUint32(at + EVENT_ROW_LENGTH, rowEnd - rowsEnd, true);
      entryView.setUint32(at + EVENT_PROOF, entry.proof, true);
      entryView.setUint32(at + EVENT_ENTITY, entry.entity, true);
      rowsEnd = rowEnd;
      events++;
      const count = (requests - 1) * REQUEST_BYTES + 12;
      heads.writeUInt32LE(heads.readUInt32LE(count) + 1, count);
    },
    finish() {
      const rowsAt = HEADER_BYTES + requests * REQUEST_BYTES + events * EVENT_BYTES;
      // A multiple of 8, so that Float64Array views fit.
      const buffer = new ArrayBuffer((rowsAt + rowsEnd + 7) & ~7);
      const header = new Uint32Array(buffer, 0, 4);
      header[0] = requests;
      header[1] = events;
      header[2] = rowsAt;
      header[3] = rowsEnd;
      const bytes = new Uint8Array(buffer);
      bytes.set(heads.subarray(0, requests * REQUEST_BYTES), HEADER_BYTES);
      bytes.set(entries.subarray(0, events * EVENT_BYTES), HEADER_BYTES + requests * REQUEST_BYTES);
      bytes.set(rows.subarray(0, rowsEnd), rowsAt);
      requests = 0;
      events = 0;
      rowsEnd = 0;
      if (rows.length > ROWS_KEPT_MAX) rows = Buffer.allocUnsafeSlow(256 * 1024);
      return buffer;
    },
  };
}

/** An arena that grew beyond this for one large batch is let go again. */
const ROWS_KEPT_MAX = 4 * 1024 * 1024;

function grow(buffer: Buffer, needed: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, needed));
  larger.set(buffer);
  return larger;
}

function copyBytes(source: Uint8Array, from: number, target: Uint8Array, to: number, length: number): void {
  for (let i = 0; i < length; i++) target[to + i] = source[from + i]!;
}

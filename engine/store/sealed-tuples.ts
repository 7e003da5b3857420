/** Sealed payloads in COPY tuples: where they are bound to, and tuples with another payload. */
import type { Sql } from './connection.js';
import { COPY_HEADER, COPY_TRAILER } from './copy-row.js';
import { createTupleReader, type Tuple, type TupleSink } from './copy-tuples.js';
import { LEGACY, LEGACY_EVENTS } from './legacy-columns.js';
import {
  isSealed,
  noOpener,
  openerOf,
  PAYLOAD_FORM,
  type PayloadPlace,
  plainRefused,
} from './sealed-payload.js';
import { VES, VES_EVENTS } from './ves-columns.js';

/** The two event tables: columns, and which of them holds the payload. */
export const EVENT_TABLES = {
  ves: { ...VES_EVENTS, payload: VES.payload, rowCheck: VES.rowCheck },
  legacy: { ...LEGACY_EVENTS, payload: LEGACY.payload, rowCheck: LEGACY.rowCheck },
} as const;
export type EventTable = keyof typeof EVENT_TABLES;

/** What the payload of a tuple is bound to. Copies: it outlives the tuple. */
export function placeOfTuple(table: EventTable, { bytes, at, length }: Tuple): PayloadPlace {
  const columns = table === 'ves' ? VES : LEGACY;
  const copyOf = (from: number, count: number) => Buffer.from(bytes.subarray(from, from + count));
  const ids = Buffer.concat(
    [columns.tenant, columns.store, columns.eventId].map((id) => copyOf(at[id]!, 16)),
  );
  const common = {
    ids,
    idsOffset: 0,
    plainHashOffset: 0,
    sequence: bytes.readBigInt64BE(at[columns.sequence]!),
  };
  if (table === 'ves')
    return {
      ...common,
      form:
        bytes.readUInt16BE(at[VES.payloadKind]!) === 1 ? PAYLOAD_FORM.vesEncrypted : PAYLOAD_FORM.vesPlain,
      plainHash: copyOf(at[VES.hashes]! + 96, 32),
      bound: copyOf(at[VES.hashes]!, 32),
    };
  // The three texts stand in the tuple as they are bound, length and bytes.
  const from = at[LEGACY.entityType]! - 4;
  return {
    ...common,
    form: PAYLOAD_FORM.legacy,
    plainHash: copyOf(at[LEGACY.payloadHash]!, 32),
    bound: copyOf(from, at[LEGACY.eventType]! + length[LEGACY.eventType]! - from),
  };
}

/** The stored payload of a tuple, a view. */
export const payloadOf = (table: EventTable, { bytes, at, length }: Tuple): Buffer => {
  const column = EVENT_TABLES[table].payload;
  return bytes.subarray(at[column]!, at[column]! + length[column]!);
};

/** A copy of the tuple with another payload; its check value is the old one. */
export function withPayload(
  table: EventTable,
  { bytes, start, end, at, length }: Tuple,
  payload: Uint8Array,
): Buffer {
  const column = EVENT_TABLES[table].payload;
  const from = at[column]!;
  const head = Buffer.alloc(4);
  head.writeInt32BE(payload.length);
  return Buffer.concat([
    bytes.subarray(start, from - 4),
    head,
    payload,
    bytes.subarray(from + length[column]!, end),
  ]);
}

/**
 * A COPY stream of events with all payloads opened, as one piece; an erased payload is empty. The stream itself where nothing in it is
 * sealed.
 *
 * @throws ServiceError ENCRYPTION_ERROR
 */
export async function openTuples(sql: Sql, table: EventTable, stream: Buffer): Promise<Buffer> {
  const opener = openerOf(sql);
  const sealed: { readonly place: PayloadPlace; readonly tenant: Uint8Array; readonly record: Buffer }[] = [];
  eachTuple(table, stream, (tuple) => {
    const record = payloadOf(table, tuple);
    if (!isSealed(record)) {
      if (opener && !opener.acceptsPlain) throw plainRefused();
      return;
    }
    const place = placeOfTuple(table, tuple);
    sealed.push({ place, tenant: place.ids.subarray(0, 16), record });
  });
  if (sealed.length === 0) return stream;
  if (!opener) throw noOpener();
  const keys = await opener.keysFor(sealed);
  const pieces: Buffer[] = [COPY_HEADER];
  let next = 0;
  eachTuple(table, stream, (tuple) => {
    if (!isSealed(payloadOf(table, tuple))) return void pieces.push(stream.subarray(tuple.start, tuple.end));
    const { place, record } = sealed[next++]!;
    pieces.push(withPayload(table, tuple, keys.open(place, record) ?? NOTHING));
  });
  return Buffer.concat([...pieces, COPY_TRAILER]);
}

const NOTHING = new Uint8Array(0);

/** `stream` is complete, so the tuples' offsets are offsets in it. */
const eachTuple = (table: EventTable, stream: Buffer, sink: TupleSink): void =>
  createTupleReader(EVENT_TABLES[table].columnCount, sink)(stream);

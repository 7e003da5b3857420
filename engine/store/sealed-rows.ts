/** Opens the payloads of rows that a query answered. */
import type { Sql } from './connection.js';
import { legacyBinding } from './payload-binding.js';
import {
  noOpener,
  openerOf,
  PAYLOAD_FORM,
  type PayloadPlace,
  plainRefused,
  SEALED_MARK,
} from './sealed-payload.js';

type VesRow = {
  readonly sequence: bigint;
  readonly storeId: string;
  readonly eventId: string;
  readonly payloadKind: number;
  readonly payload: string;
  readonly hashes: string;
};

type LegacyRow = {
  readonly sequence: bigint;
  readonly eventId: string;
  readonly entityType: string;
  readonly entityId: string;
  readonly eventType: string;
  readonly payload: string;
  readonly payloadHash: string;
};

/** Rows of ves_events with their payloads opened; an erased one is the empty text. */
export const openVesRows = <Row extends VesRow>(
  sql: Sql,
  tenantId: string,
  rows: readonly Row[],
): Promise<readonly Row[]> =>
  openRows(sql, rows, (row) => {
    const hashes = Buffer.from(row.hashes, 'hex');
    return {
      form: row.payloadKind === 1 ? PAYLOAD_FORM.vesEncrypted : PAYLOAD_FORM.vesPlain,
      ids: idsOf(tenantId, row.storeId, row.eventId),
      idsOffset: 0,
      plainHash: hashes,
      plainHashOffset: 96,
      bound: hashes.subarray(0, 32),
      sequence: row.sequence,
    };
  });

/** Rows of events, in the same way. */
export const openLegacyRows = <Row extends LegacyRow>(
  sql: Sql,
  stream: { readonly tenantId: string; readonly storeId: string },
  rows: readonly Row[],
): Promise<readonly Row[]> =>
  openRows(sql, rows, (row) => ({
    form: PAYLOAD_FORM.legacy,
    ids: idsOf(stream.tenantId, stream.storeId, row.eventId),
    idsOffset: 0,
    plainHash: Buffer.from(row.payloadHash, 'hex'),
    plainHashOffset: 0,
    bound: legacyBinding(row.entityType, row.entityId, row.eventType),
    sequence: row.sequence,
  }));

async function openRows<Row extends { readonly payload: string }>(
  sql: Sql,
  rows: readonly Row[],
  placeOf: (row: Row) => PayloadPlace,
): Promise<readonly Row[]> {
  const opener = openerOf(sql);
  // A stream's head is joined with nothing where there are no events: such a row has no payload.
  const stored = rows.filter((row) => row.payload !== null);
  const sealed = stored.filter((row) => row.payload.startsWith(SEALED_MARK));
  if (opener && !opener.acceptsPlain && sealed.length < stored.length) throw plainRefused();
  if (sealed.length === 0) return rows;
  if (!opener) throw noOpener();
  const records = new Map(
    sealed.map((row) => {
      const place = placeOf(row);
      return [row, { place, tenant: place.ids.subarray(0, 16), record: Buffer.from(row.payload) }] as const;
    }),
  );
  const keys = await opener.keysFor([...records.values()]);
  return rows.map((row) => {
    const found = records.get(row);
    if (!found) return row;
    return { ...row, payload: keys.open(found.place, found.record)?.toString('utf8') ?? '' };
  });
}

const idsOf = (...ids: readonly string[]): Buffer => Buffer.from(ids.join('').replaceAll('-', ''), 'hex');

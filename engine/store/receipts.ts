import type { Sql } from './connection.js';

/** What all receipts of one committed group and stream have in common. */
export type ReceiptGroup = {
  /** The group's events of this stream. */
  readonly firstSequence: bigint;
  readonly lastSequence: bigint;
  /** UUID text. */
  readonly sequencerId: string;
  readonly keyVersion: number;
  /** The server's text, UTC: `2026-01-31 12:00:00.123456+00`. */
  readonly sequencedAt: string;
};

/** The group in which an event was committed. By the primary key (tenant_id, store_id, last_sequence). */
export async function findReceiptGroup(
  sql: Sql,
  stream: { tenantId: string; storeId: string },
  sequence: bigint,
): Promise<ReceiptGroup | undefined> {
  const [row] = await sql<ReceiptGroup[]>`
    select sequencer_id as "sequencerId", sequencer_key_version as "keyVersion", sequenced_at as "sequencedAt",
           first_sequence as "firstSequence", last_sequence as "lastSequence"
    from ves_sequencer_receipts
    where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId} and last_sequence >= ${sequence}
    order by last_sequence limit 1`;
  return row !== undefined && row.firstSequence <= sequence ? row : undefined;
}

import { parseUuid } from '../protocol/index.js';
import {
  type CommitmentAnchor,
  type CommitmentPage,
  type CommitmentStream,
  microsOf,
  ownBytes,
  type Statements,
  timestampOf,
} from './commitment-rows.js';
import type { Sql } from './connection.js';
import { rowCheck } from './row-check.js';

/** A commitment of a legacy stream. Hashes are `Uint8Array(32)`. */
export type LegacyCommitment = CommitmentStream &
  CommitmentAnchor & {
    readonly batchId: string;
    readonly sequenceStart: bigint;
    readonly sequenceEnd: bigint;
    readonly eventCount: number;
    readonly eventsRoot: Uint8Array;
    readonly prevStateRoot: Uint8Array;
    readonly newStateRoot: Uint8Array;
    /** Heads of the store's two streams up to which events are counted in `newStateRoot`. */
    readonly vesHead: bigint;
    readonly legacyHead: bigint;
    /** Microseconds since 1970, by the database's clock. */
    readonly committedAtMicros: bigint;
  };

/** The check value of a row of commitments. */
export const legacyCommitmentRowCheck = (row: LegacyCommitment): number =>
  rowCheck([
    parseUuid(row.tenantId)!,
    parseUuid(row.storeId)!,
    row.sequenceStart,
    row.sequenceEnd,
    parseUuid(row.batchId)!,
    row.eventCount,
    row.eventsRoot,
    row.prevStateRoot,
    row.newStateRoot,
    row.vesHead,
    row.legacyHead,
    row.committedAtMicros,
    row.chainId,
    row.chainTxHash,
    row.chainBlockNumber,
    row.anchoredAtMicros,
  ]);

const columns = (sql: Statements) => sql`
  tenant_id as "tenantId", store_id as "storeId", sequence_start as "sequenceStart", sequence_end as "sequenceEnd",
  batch_id as "batchId", event_count as "eventCount", events_root as "eventsRoot", prev_state_root as "prevStateRoot",
  new_state_root as "newStateRoot", ves_head as "vesHead", legacy_head as "legacyHead",
  ${microsOf(sql, 'committed_at')} as "committedAtMicros", chain_id::float8 as "chainId", chain_tx_hash as "chainTxHash",
  chain_block_number as "chainBlockNumber", ${microsOf(sql, 'anchored_at')} as "anchoredAtMicros"`;

/** The stream's last commitment. By the primary key; takes no lock. */
export async function lastLegacyCommitment(
  sql: Statements,
  stream: CommitmentStream,
): Promise<LegacyCommitment | undefined> {
  const [row] = await sql<LegacyCommitment[]>`
    select ${columns(sql)} from commitments
    where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId}
    order by sequence_start desc limit 1`;
  return row && plain(row);
}

/** The stream's commitment with the highest start up to `sequence`, which is the one that covers it, if any does. */
export async function legacyCommitmentUpTo(
  sql: Statements,
  stream: CommitmentStream,
  sequence: bigint,
): Promise<LegacyCommitment | undefined> {
  const [row] = await sql<LegacyCommitment[]>`
    select ${columns(sql)} from commitments
    where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId} and sequence_start <= ${sequence}
    order by sequence_start desc limit 1`;
  return row && plain(row);
}

/** By the unique index (batch_id, tenant_id). */
export async function findLegacyCommitment(
  sql: Statements,
  batchId: string,
): Promise<LegacyCommitment | undefined> {
  const [row] = await sql<
    LegacyCommitment[]
  >`select ${columns(sql)} from commitments where batch_id = ${batchId}`;
  return row && plain(row);
}

/** By the primary key, or by the partial index of what is not anchored. */
export async function listLegacyCommitments(
  sql: Sql,
  stream: CommitmentStream,
  page: CommitmentPage,
): Promise<LegacyCommitment[]> {
  const rows = await sql<LegacyCommitment[]>`
    select ${columns(sql)} from commitments
    where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId} and sequence_start > ${page.after}
      ${page.anchored ? sql`` : sql`and chain_tx_hash is null`}
    order by sequence_start limit ${page.limit}`;
  return rows.map(plain);
}

/** Stores a commitment that is not anchored. */
export async function insertLegacyCommitment(sql: Statements, row: LegacyCommitment): Promise<void> {
  await sql`
    insert into commitments (tenant_id, store_id, sequence_start, sequence_end, batch_id, event_count, events_root,
      prev_state_root, new_state_root, ves_head, legacy_head, committed_at, row_check)
    values (${row.tenantId}, ${row.storeId}, ${row.sequenceStart}, ${row.sequenceEnd}, ${row.batchId}, ${row.eventCount},
      ${row.eventsRoot}, ${row.prevStateRoot}, ${row.newStateRoot}, ${row.vesHead}, ${row.legacyHead},
      ${timestampOf(sql, row.committedAtMicros)}, ${legacyCommitmentRowCheck(row)})`;
}

const plain = (row: LegacyCommitment): LegacyCommitment => ({
  ...row,
  eventsRoot: ownBytes(row.eventsRoot),
  prevStateRoot: ownBytes(row.prevStateRoot),
  newStateRoot: ownBytes(row.newStateRoot),
  chainTxHash: row.chainTxHash && ownBytes(row.chainTxHash),
});

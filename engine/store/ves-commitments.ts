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

/** A commitment of a VES stream. Hashes are `Uint8Array(32)`. */
export type VesCommitment = CommitmentStream &
  CommitmentAnchor & {
    readonly batchId: string;
    readonly sequenceStart: bigint;
    readonly sequenceEnd: bigint;
    readonly vesVersion: number;
    readonly treeDepth: number;
    readonly leafCount: number;
    readonly paddedLeafCount: number;
    readonly merkleRoot: Uint8Array;
    readonly prevStateRoot: Uint8Array;
    readonly newStateRoot: Uint8Array;
    /** Microseconds since 1970, by the database's clock. */
    readonly committedAtMicros: bigint;
  };

/** The check value of a row of ves_commitments. */
export const vesCommitmentRowCheck = (row: VesCommitment): number =>
  rowCheck([
    parseUuid(row.tenantId)!,
    parseUuid(row.storeId)!,
    row.sequenceStart,
    row.sequenceEnd,
    parseUuid(row.batchId)!,
    row.vesVersion,
    row.treeDepth,
    row.leafCount,
    row.paddedLeafCount,
    row.merkleRoot,
    row.prevStateRoot,
    row.newStateRoot,
    row.committedAtMicros,
    row.chainId,
    row.chainTxHash,
    row.chainBlockNumber,
    row.anchoredAtMicros,
  ]);

const columns = (sql: Statements) => sql`
  tenant_id as "tenantId", store_id as "storeId", sequence_start as "sequenceStart", sequence_end as "sequenceEnd",
  batch_id as "batchId", ves_version as "vesVersion", tree_depth as "treeDepth", leaf_count as "leafCount",
  padded_leaf_count as "paddedLeafCount", merkle_root as "merkleRoot", prev_state_root as "prevStateRoot",
  new_state_root as "newStateRoot", ${microsOf(sql, 'committed_at')} as "committedAtMicros",
  chain_id::float8 as "chainId", chain_tx_hash as "chainTxHash", chain_block_number as "chainBlockNumber",
  ${microsOf(sql, 'anchored_at')} as "anchoredAtMicros"`;

/** The stream's last commitment. By the primary key; takes no lock. */
export async function lastVesCommitment(
  sql: Statements,
  stream: CommitmentStream,
): Promise<VesCommitment | undefined> {
  const [row] = await sql<VesCommitment[]>`
    select ${columns(sql)} from ves_commitments
    where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId}
    order by sequence_start desc limit 1`;
  return row && plain(row);
}

/** The stream's commitment with the highest start up to `sequence`, which is the one that covers it, if any does. */
export async function vesCommitmentUpTo(
  sql: Statements,
  stream: CommitmentStream,
  sequence: bigint,
): Promise<VesCommitment | undefined> {
  const [row] = await sql<VesCommitment[]>`
    select ${columns(sql)} from ves_commitments
    where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId} and sequence_start <= ${sequence}
    order by sequence_start desc limit 1`;
  return row && plain(row);
}

/** By the unique index (batch_id, tenant_id). `forUpdate` locks the row. */
export async function findVesCommitment(
  sql: Statements,
  batchId: string,
  { forUpdate = false } = {},
): Promise<VesCommitment | undefined> {
  const [row] = await sql<VesCommitment[]>`
    select ${columns(sql)} from ves_commitments where batch_id = ${batchId} ${forUpdate ? sql`for update` : sql``}`;
  return row && plain(row);
}

/** By the primary key, or by the partial index of what is not anchored. */
export async function listVesCommitments(
  sql: Sql,
  stream: CommitmentStream,
  page: CommitmentPage,
): Promise<VesCommitment[]> {
  const rows = await sql<VesCommitment[]>`
    select ${columns(sql)} from ves_commitments
    where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId} and sequence_start > ${page.after}
      ${page.anchored ? sql`` : sql`and chain_tx_hash is null`}
    order by sequence_start limit ${page.limit}`;
  return rows.map(plain);
}

/** What no chain knows of yet, of all tenants, oldest first. By a partial index. */
export async function listPendingVesCommitments(sql: Sql, limit: number): Promise<VesCommitment[]> {
  const rows = await sql<VesCommitment[]>`
    select ${columns(sql)} from ves_commitments where chain_tx_hash is null
    order by committed_at, batch_id limit ${limit}`;
  return rows.map(plain);
}

/** Stores a commitment that is not anchored. */
export async function insertVesCommitment(sql: Statements, row: VesCommitment): Promise<void> {
  await sql`
    insert into ves_commitments (tenant_id, store_id, sequence_start, sequence_end, batch_id, ves_version, tree_depth,
      leaf_count, padded_leaf_count, merkle_root, prev_state_root, new_state_root, committed_at, row_check)
    values (${row.tenantId}, ${row.storeId}, ${row.sequenceStart}, ${row.sequenceEnd}, ${row.batchId}, ${row.vesVersion},
      ${row.treeDepth}, ${row.leafCount}, ${row.paddedLeafCount}, ${row.merkleRoot}, ${row.prevStateRoot},
      ${row.newStateRoot}, ${timestampOf(sql, row.committedAtMicros)}, ${vesCommitmentRowCheck(row)})`;
}

/** Replaces what is known of the commitment's anchoring. The caller holds the row's lock. */
export async function setVesAnchor(sql: Statements, row: VesCommitment): Promise<void> {
  await sql`
    update ves_commitments set chain_id = ${row.chainId}, chain_tx_hash = ${row.chainTxHash},
      chain_block_number = ${row.chainBlockNumber}, anchored_at = ${timestampOf(sql, row.anchoredAtMicros)},
      row_check = ${vesCommitmentRowCheck(row)}
    where batch_id = ${row.batchId} and tenant_id = ${row.tenantId}`;
}

const plain = (row: VesCommitment): VesCommitment => ({
  ...row,
  merkleRoot: ownBytes(row.merkleRoot),
  prevStateRoot: ownBytes(row.prevStateRoot),
  newStateRoot: ownBytes(row.newStateRoot),
  chainTxHash: row.chainTxHash && ownBytes(row.chainTxHash),
});

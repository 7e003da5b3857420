/**
 * How many events each entity of a store has, counted once: what legacy state roots are the hash of. Counts move only together
 * with the heads they are valid for, so whoever reads the heads, then the counts, then the same heads again has read one state.
 */
import { ServiceError } from '../errors/index.js';
import { type EntityVersion, parseUuid } from '../protocol/index.js';
import type { CommitmentStream, Statements } from './commitment-rows.js';
import type { Sql } from './connection.js';
import { literal } from './id-text.js';
import { rowCheck } from './row-check.js';

/** The heads of a store's two streams. */
export type StoreHeads = { readonly ves: bigint; readonly legacy: bigint };

/** A stored count with its check value. */
export type EntityCountRow = {
  readonly entityType: string;
  readonly entityId: string;
  readonly version: bigint;
  readonly check: number;
};

/** Both heads from one snapshot, 0 where there is no such stream. */
export async function readStoreHeads(sql: Statements, stream: CommitmentStream): Promise<StoreHeads> {
  const [row] = await sql<StoreHeads[]>`
    select
      coalesce((select current_sequence from ves_sequence_counters
        where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId}), 0) as ves,
      coalesce((select current_sequence from sequence_counters
        where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId}), 0) as legacy`;
  return row!;
}

/** The heads up to which the store's events are counted. `forUpdate`: the lock of the store's legacy commitments. */
export async function readCountedHeads(
  sql: Statements,
  stream: CommitmentStream,
  { forUpdate = false } = {},
): Promise<StoreHeads> {
  const [row] = await sql<(StoreHeads & { check: number })[]>`
    select ves_head as ves, legacy_head as legacy, row_check as check from commitment_entity_heads
    where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId} ${forUpdate ? sql`for update` : sql``}`;
  if (row === undefined) return { ves: 0n, legacy: 0n };
  if (row.check !== headsRowCheck(stream, row)) throw damaged('commitment_entity_heads', stream);
  return { ves: row.ves, legacy: row.legacy };
}

/** Makes the row of heads if it is missing, so that it can be locked. */
export async function createCountedHeads(sql: Sql, stream: CommitmentStream): Promise<void> {
  const none: StoreHeads = { ves: 0n, legacy: 0n };
  await sql`
    insert into commitment_entity_heads (tenant_id, store_id, ves_head, legacy_head, row_check)
    values (${stream.tenantId}, ${stream.storeId}, 0, 0, ${headsRowCheck(stream, none)}) on conflict do nothing`;
}

/**
 * Counts the events behind `from` up to `to` in both streams, at least one. Inside a transaction that holds the lock of the heads.
 *
 * @throws ServiceError SEQUENCE_GAP when an event is missing (L1)
 * @throws Error when a row's check value does not fit it, or there are counts, but no heads that they are valid for
 */
export async function countEvents(
  sql: Statements,
  stream: CommitmentStream,
  from: StoreHeads,
  to: StoreHeads,
): Promise<void> {
  const { tenantId, storeId } = stream;
  const rows = await sql<(EntityCountRow & { added: bigint; check: number | null })[]>`
    select a.entity_type as "entityType", a.entity_id as "entityId", a.added, coalesce(v.version, 0) as version,
      v.row_check as check
    from (
      select entity_type collate "C" as entity_type, entity_id collate "C" as entity_id, count(*) as added
      from (
        select entity_type, entity_id from ves_events
        where tenant_id = ${tenantId} and store_id = ${storeId}
          and sequence_number > ${from.ves} and sequence_number <= ${to.ves}
        union all
        select entity_type, entity_id from events
        where tenant_id = ${tenantId} and store_id = ${storeId}
          and sequence_number > ${from.legacy} and sequence_number <= ${to.legacy}
      ) behind
      group by 1, 2
    ) a
    left join commitment_entity_versions v on v.tenant_id = ${tenantId} and v.store_id = ${storeId}
      and v.entity_type = a.entity_type and v.entity_id = a.entity_id`;
  const added = rows.reduce((sum, row) => sum + row.added, 0n);
  if (added !== to.ves - from.ves + to.legacy - from.legacy) throw missing(stream, from, to, added);
  for (const row of rows) if (row.check !== null) requireSound(stream, row);
  // Counts move together with the heads: without heads every event would be counted twice.
  if (from.ves === 0n && from.legacy === 0n && rows.some(({ check }) => check !== null))
    throw new Error(`commitment_entity_heads: the row of ${tenantId}/${storeId} is gone, its counts are not`);
  const counted = rows.map((row) => ({ ...row, version: row.version + row.added }));
  await sql`
    insert into commitment_entity_versions (tenant_id, store_id, entity_type, entity_id, version, row_check)
    select ${tenantId}::uuid, ${storeId}::uuid, c.entity_type, c.entity_id, c.version, c.row_check
    from unnest(${counted.map((row) => row.entityType)}::text[], ${counted.map((row) => row.entityId)}::text[],
      ${literal(counted.map((row) => String(row.version)))}::text::bigint[],
      ${literal(counted.map((row) => String(countRowCheck(stream, row))))}::text::int[])
      as c(entity_type, entity_id, version, row_check)
    on conflict (tenant_id, store_id, entity_type, entity_id)
      do update set version = excluded.version, row_check = excluded.row_check`;
  await sql`
    update commitment_entity_heads set ves_head = ${to.ves}, legacy_head = ${to.legacy},
      row_check = ${headsRowCheck(stream, to)}
    where tenant_id = ${tenantId} and store_id = ${storeId}`;
}

/**
 * Counts behind an entity, in the order of their bytes. By the primary key.
 *
 * @throws Error when a row's check value does not fit it
 */
export async function readEntityCounts(
  sql: Sql,
  stream: CommitmentStream,
  after: { readonly entityType: string; readonly entityId: string },
  limit: number,
): Promise<readonly EntityCountRow[]> {
  const rows = await sql<EntityCountRow[]>`
    select entity_type as "entityType", entity_id as "entityId", version, row_check as check
    from commitment_entity_versions
    where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId}
      and (entity_type, entity_id) > (${after.entityType}, ${after.entityId})
    order by entity_type, entity_id limit ${limit}`;
  for (const row of rows) requireSound(stream, row);
  return rows;
}

/** The check value of a row of commitment_entity_heads. */
export const headsRowCheck = (stream: CommitmentStream, heads: StoreHeads): number =>
  rowCheck([parseUuid(stream.tenantId)!, parseUuid(stream.storeId)!, heads.ves, heads.legacy]);

/** The check value of a row of commitment_entity_versions. */
export const countRowCheck = (stream: CommitmentStream, entity: EntityVersion): number =>
  rowCheck([
    parseUuid(stream.tenantId)!,
    parseUuid(stream.storeId)!,
    entity.entityType,
    entity.entityId,
    entity.version,
  ]);

function requireSound(stream: CommitmentStream, row: EntityCountRow): void {
  if (row.check !== countRowCheck(stream, row)) throw damaged('commitment_entity_versions', stream);
}

const missing = (stream: CommitmentStream, from: StoreHeads, to: StoreHeads, found: bigint): ServiceError =>
  new ServiceError(
    'SEQUENCE_GAP',
    `Of ${stream.tenantId}/${stream.storeId} only ${found} events are stored behind ${from.ves} and ${from.legacy} up to ${to.ves} and ${to.legacy}`,
  );

/** A wrong count would go into a state root for good. */
const damaged = (table: string, stream: CommitmentStream): Error =>
  new Error(`${table}: a row of ${stream.tenantId}/${stream.storeId} does not fit its row_check`);

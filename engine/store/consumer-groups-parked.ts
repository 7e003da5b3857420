/** Events a group gave up on. All writers hold the group's lock; why rows are changed by ctid: consumer-groups-deliveries.ts. */
import type { Sql, TransactionSql } from './connection.js';
import type { GroupRow } from './consumer-groups.js';

/** A parked event. */
export interface ParkedRow {
  readonly sequence: bigint;
  readonly eventId: string;
  readonly entityType: string;
  readonly entityId: string;
  readonly eventType: string;
  readonly attempts: number;
  /** Who had it last. */
  readonly consumer: string;
  readonly reason: string;
  /** The server's text. */
  readonly parkedAt: string;
}

/** Parked events behind a number, in order. */
export const listParked = (
  sql: Sql,
  { tenantId, storeId, groupId }: GroupRow,
  after: bigint,
  limit: number,
): Promise<ParkedRow[]> =>
  sql<ParkedRow[]>`
    select p.*, e.*
    from (
      select sequence_number as sequence, attempts, consumer, reason, parked_at as "parkedAt" from consumer_group_parked
      where tenant_id = ${tenantId} and group_id = ${groupId} and sequence_number > ${after}
      order by sequence_number limit ${limit}
    ) p cross join lateral (
      select event_id as "eventId", entity_type as "entityType", entity_id as "entityId", event_type as "eventType"
      from ves_events
      where tenant_id = ${tenantId} and store_id = ${storeId} and sequence_number = p.sequence limit 1
    ) e
    order by p.sequence`;

/** Which parked events a call is about: these numbers, or all; the lowest `max` of them. */
export interface ParkedChoice {
  readonly sequences: readonly bigint[] | 'all';
  readonly max: number;
}

const chosen = (tx: TransactionSql, { tenantId, groupId }: GroupRow, { sequences, max }: ParkedChoice) => tx`
  select ctid from consumer_group_parked
  where tenant_id = ${tenantId} and group_id = ${groupId}
    ${sequences === 'all' ? tx`` : tx`and sequence_number = any(${sequences.map(String)}::int8[])`}
  order by sequence_number limit ${max}`;

/** Puts parked events back into the queue, all their attempts before them; answers how many. */
export async function requeueParked(
  tx: TransactionSql,
  group: GroupRow,
  choice: ParkedChoice,
): Promise<number> {
  const [row] = await tx<{ count: number }[]>`
    with freed as (
      delete from consumer_group_parked
      where ctid = any(array(${chosen(tx, group, choice)}))
      returning tenant_id, group_id, sequence_number, partition, entity_key
    ), queued as (
      insert into consumer_group_deliveries (tenant_id, group_id, sequence_number, partition, entity_key)
      select * from freed
    )
    select count(*)::int as count from freed`;
  return row!.count;
}

/** Forgets parked events; answers how many. */
export async function discardParked(
  tx: TransactionSql,
  group: GroupRow,
  choice: ParkedChoice,
): Promise<number> {
  const { count } = await tx`
    delete from consumer_group_parked
    where ctid = any(array(${chosen(tx, group, choice)}))`;
  return count;
}

/** Events a group gave up on. All writers hold the group's lock. */
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
    select p.sequence_number as sequence, e.event_id as "eventId", e.entity_type as "entityType", e.entity_id as "entityId",
           e.event_type as "eventType", p.attempts, p.consumer, p.reason, p.parked_at as "parkedAt"
    from consumer_group_parked p
    join ves_events e on e.tenant_id = ${tenantId} and e.store_id = ${storeId} and e.sequence_number = p.sequence_number
    where p.tenant_id = ${tenantId} and p.group_id = ${groupId} and p.sequence_number > ${after}
    order by p.sequence_number limit ${limit}`;

/** Which parked events a call is about: these numbers, or all; the lowest `max` of them. */
export interface ParkedChoice {
  readonly sequences: readonly bigint[] | 'all';
  readonly max: number;
}

const chosen = (tx: TransactionSql, { tenantId, groupId }: GroupRow, { sequences, max }: ParkedChoice) => tx`
  select sequence_number from consumer_group_parked
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
      where tenant_id = ${group.tenantId} and group_id = ${group.groupId}
        and sequence_number in (${chosen(tx, group, choice)})
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
    where tenant_id = ${group.tenantId} and group_id = ${group.groupId}
      and sequence_number in (${chosen(tx, group, choice)})`;
  return count;
}

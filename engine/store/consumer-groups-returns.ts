/**
 * Events that come back unacknowledged. All writers hold the group's lock.
 *
 *   in flight --refused or not acknowledged in time, attempts left--> waiting
 *   in flight --the same, last attempt, or the consumer asks for it--> parked
 *   in flight --an earlier event of the entity goes back to waiting--> waiting, and the hand-out does not count ("withdrawn")
 *   in flight --consumer leaves, or its answer could not be given-----> waiting, and the hand-out does not count
 *
 * The third line keeps the order: an entity's events are handed out again from the first one that came back.
 */
import type postgres from 'postgres';
import type { TransactionSql } from './connection.js';
import type { GroupRow } from './consumer-groups.js';
import { type Handout, handoutTable } from './consumer-groups-deliveries.js';

/** What happened to an event that was in flight. */
export interface Returned extends Handout {
  readonly outcome: 'returned' | 'parked' | 'withdrawn';
}

/** How events come back. */
interface Manner {
  /** The hand-out was an attempt: it stays counted, and the last one parks. */
  readonly counted: boolean;
  /** Parks at once. */
  readonly park: boolean;
  /** Not handed out again earlier; 0: at once. */
  readonly delayMs: number;
  /** Kept with parked events. */
  readonly reason: string;
}

type Selection = postgres.PendingQuery<postgres.Row[]>;

/** Events whose time to be acknowledged is over. */
export const returnExpired = (tx: TransactionSql, group: GroupRow): Promise<Returned[]> =>
  giveBack(
    tx,
    group,
    tx`select sequence_number from consumer_group_deliveries
       where tenant_id = ${group.tenantId} and group_id = ${group.groupId} and consumer is not null
         and deadline_at < statement_timestamp()`,
    { counted: true, park: false, delayMs: 0, reason: 'not acknowledged in time' },
  );

/** Those of the hand-outs that the consumer still has in flight. */
export const returnHandouts = (
  tx: TransactionSql,
  group: GroupRow,
  consumer: string,
  handouts: readonly Handout[],
  manner: Manner,
): Promise<Returned[]> =>
  giveBack(
    tx,
    group,
    tx`select d.sequence_number from consumer_group_deliveries d join ${handoutTable(tx, handouts)}
         on d.sequence_number = h.sequence_number and d.handout = h.handout
       where d.tenant_id = ${group.tenantId} and d.group_id = ${group.groupId} and d.consumer = ${consumer}`,
    manner,
  );

/** Everything the consumer has in flight. */
export const returnAllOf = (tx: TransactionSql, group: GroupRow, consumer: string): Promise<Returned[]> =>
  giveBack(
    tx,
    group,
    tx`select sequence_number from consumer_group_deliveries
       where tenant_id = ${group.tenantId} and group_id = ${group.groupId} and consumer = ${consumer}`,
    { counted: false, park: false, delayMs: 0, reason: '' },
  );

/** Each row is changed by exactly one of the parts: parked ones are deleted, all others updated. */
function giveBack(
  tx: TransactionSql,
  group: GroupRow,
  selection: Selection,
  { counted, park, delayMs, reason }: Manner,
): Promise<Returned[]> {
  const { tenantId, groupId } = group;
  return tx<Returned[]>`
    with selected as materialized (
      select d.sequence_number, d.entity_key,
             ${park} or (${counted} and d.attempts >= ${group.maxAttempts}) as parks
      from consumer_group_deliveries d
      where d.tenant_id = ${tenantId} and d.group_id = ${groupId} and d.sequence_number in (${selection})
    ), first as materialized (
      select entity_key, min(sequence_number) as sequence_number from selected where not parks group by entity_key
    ), parked as (
      delete from consumer_group_deliveries d using selected s
      where d.tenant_id = ${tenantId} and d.group_id = ${groupId} and d.sequence_number = s.sequence_number and s.parks
      returning d.*
    ), noted as (
      insert into consumer_group_parked (tenant_id, group_id, sequence_number, partition, entity_key, attempts, consumer,
        reason, parked_at)
      select tenant_id, group_id, sequence_number, partition, entity_key, attempts, consumer, ${reason}, statement_timestamp()
      from parked
    ), returned as (
      update consumer_group_deliveries d
      set consumer = null, deadline_at = null,
          due_at = case when s.sequence_number is not null and ${delayMs}::int > 0
                        then statement_timestamp() + ${delayMs}::int * interval '1 millisecond' end,
          attempts = d.attempts - case when s.sequence_number is not null and ${counted} then 0 else 1 end
      from first f
      join consumer_group_deliveries r on r.tenant_id = ${tenantId} and r.group_id = ${groupId}
        and r.entity_key = f.entity_key and r.sequence_number >= f.sequence_number and r.consumer is not null
      left join selected s on s.sequence_number = r.sequence_number
      where d.tenant_id = ${tenantId} and d.group_id = ${groupId} and d.sequence_number = r.sequence_number
        and s.parks is not true
      returning d.sequence_number, d.handout, s.sequence_number is not null as chosen
    )
    select sequence_number as sequence, handout, 'parked' as outcome from parked
    union all
    select sequence_number, handout, case when chosen then 'returned' else 'withdrawn' end from returned
    order by 1`;
}

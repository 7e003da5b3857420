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

/** A condition on a row `d` that is in flight. */
type Choice = postgres.PendingQuery<postgres.Row[]>;

/** Events whose time to be acknowledged is over. */
export const returnExpired = (tx: TransactionSql, group: GroupRow): Promise<Returned[]> =>
  giveBack(
    tx,
    group,
    { chosen: tx`d.deadline_at < statement_timestamp()`, onlyExpired: true },
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
    {
      chosen: tx`d.consumer = ${consumer}
        and (d.sequence_number, d.handout) in (select sequence_number, handout from ${handoutTable(tx, handouts)})`,
      onlyExpired: false,
    },
    manner,
  );

/** Everything the consumer has in flight. */
export const returnAllOf = (tx: TransactionSql, group: GroupRow, consumer: string): Promise<Returned[]> =>
  giveBack(
    tx,
    group,
    { chosen: tx`d.consumer = ${consumer}`, onlyExpired: false },
    { counted: false, park: false, delayMs: 0, reason: '' },
  );

/**
 * One walk over what is in flight, unless nothing has expired and nothing else is asked for. Each row is then changed by exactly one of
 * the parts, by its ctid, for the reasons told in consumer-groups-deliveries.ts.
 */
function giveBack(
  tx: TransactionSql,
  group: GroupRow,
  { chosen, onlyExpired }: { readonly chosen: Choice; readonly onlyExpired: boolean },
  { counted, park, delayMs, reason }: Manner,
): Promise<Returned[]> {
  const { tenantId, groupId } = group;
  return tx<Returned[]>`
    with flight as materialized (
      select d.ctid as place, d.sequence_number, d.entity_key, ${chosen} as chosen,
             ${park} or (${counted} and d.attempts >= ${group.maxAttempts}) as parks
      from consumer_group_deliveries d
      where d.tenant_id = ${tenantId} and d.group_id = ${groupId} and d.consumer is not null
        and (not ${onlyExpired} or exists (
          select from consumer_group_deliveries x
          where x.tenant_id = ${tenantId} and x.group_id = ${groupId} and x.consumer is not null
            and x.deadline_at < statement_timestamp()))
    ), sorted as materialized (
      select place, chosen, chosen and parks as parks,
             bool_or(chosen and not parks) over (partition by entity_key order by sequence_number) as behind
      from flight
    ), parked as (
      delete from consumer_group_deliveries d using sorted s where d.ctid = s.place and s.parks
      returning d.*
    ), noted as (
      insert into consumer_group_parked (tenant_id, group_id, sequence_number, partition, entity_key, attempts, consumer,
        reason, parked_at)
      select tenant_id, group_id, sequence_number, partition, entity_key, attempts, consumer, ${reason}, statement_timestamp()
      from parked
    ), returned as (
      update consumer_group_deliveries d
      set consumer = null, deadline_at = null,
          due_at = case when s.chosen and ${delayMs}::int > 0
                        then statement_timestamp() + ${delayMs}::int * interval '1 millisecond' end,
          attempts = d.attempts - case when s.chosen and ${counted} then 0 else 1 end
      from sorted s
      where d.ctid = s.place and s.behind and not s.parks
      returning d.sequence_number, d.handout, s.chosen
    )
    select sequence_number as sequence, handout, 'parked' as outcome from parked
    union all
    select sequence_number, handout, case when chosen then 'returned' else 'withdrawn' end from returned
    order by 1`;
}

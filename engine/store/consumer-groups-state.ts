/** What is told about consumer groups. Nothing here takes a lock. */
import type { Sql } from './connection.js';
import type { GroupRow } from './consumer-groups.js';

/** Numbers of a group, from one snapshot. */
export interface GroupCounts {
  readonly head: bigint;
  readonly waiting: bigint;
  readonly inFlight: bigint;
  readonly parked: bigint;
  /** The lowest number in the queue. */
  readonly lowest: bigint | null;
}

export async function countGroup(sql: Sql, group: GroupRow): Promise<GroupCounts> {
  const { tenantId, storeId, groupId } = group;
  const [row] = await sql<GroupCounts[]>`
    select coalesce((select current_sequence from ves_sequence_counters
                     where tenant_id = ${tenantId} and store_id = ${storeId}), 0) as head,
           count(*) filter (where consumer is null) as waiting, count(consumer) as "inFlight",
           (select count(*) from consumer_group_parked where tenant_id = ${tenantId} and group_id = ${groupId}) as parked,
           min(sequence_number) as lowest
    from consumer_group_deliveries where tenant_id = ${tenantId} and group_id = ${groupId}`;
  return row!;
}

/** How far all groups are behind. Reads all groups and counts their queues and parked events. */
export async function measureGroupLag(
  sql: Sql,
  behindBy: number,
): Promise<{ groups: number; behind: number; lagMax: number; inFlight: number; parked: number }> {
  const [row] = await sql<
    { groups: number; behind: number; lag: bigint; inFlight: number; parked: number }[]
  >`
    with queues as (
      select tenant_id, group_id, count(*) as queued, count(consumer) as in_flight
      from consumer_group_deliveries group by tenant_id, group_id
    ), measured as (
      select coalesce(c.current_sequence, 0) - g.read_sequence + coalesce(q.queued, 0) as lag,
             coalesce(q.in_flight, 0) as in_flight
      from consumer_groups g
      left join ves_sequence_counters c using (tenant_id, store_id)
      left join queues q using (tenant_id, group_id)
    )
    select count(*)::int as groups, count(*) filter (where lag > ${behindBy})::int as behind,
           coalesce(max(lag), 0)::int8 as lag, coalesce(sum(in_flight), 0)::int as "inFlight",
           (select count(*)::int from consumer_group_parked) as parked
    from measured`;
  const { groups, behind, lag, inFlight, parked } = row!;
  return { groups, behind, lagMax: Number(lag), inFlight, parked };
}

/**
 * The way of an event through a group: read, handed out, acknowledged. All writers hold the group's lock.
 *
 * The queue grows and shrinks faster than statistics follow, and a planner that believes in one row joins by walking all of them for
 * each. So the statements here leave it no such choice: rows are looked up in subqueries that cannot be turned into joins (lateral with
 * a limit, or `offset 0`), always by the full primary key, and changed by their ctid, which the lock keeps from moving.
 */
import type { Sql, TransactionSql } from './connection.js';
import type { GroupRow } from './consumer-groups.js';
import { PAGE_PAYLOAD_BYTES_MAX } from './event-page.js';
import type { VesEventRow } from './ves-events.js';

/** How far reading ahead came. */
export interface ReadAhead {
  readonly readSequence: bigint;
  readonly head: bigint;
  /** Events that passed the filter. */
  readonly found: number;
}

/**
 * Reads the next events of the stream in order, at most `scanMax` of them and at most `foundMax` that pass the filter, and puts those
 * into the queue. By the primary key of ves_events, from the group's read position on, so its cost does not depend on the stream's
 * length. Head and events are of one snapshot, and events become visible in order, so none is passed over (L7).
 */
export async function readAhead(
  tx: TransactionSql,
  group: GroupRow,
  limits: { readonly scanMax: number; readonly foundMax: number },
): Promise<ReadAhead> {
  const { tenantId, storeId, groupId } = group;
  const [row] = await tx<{ readSequence: bigint; head: bigint; found: number }[]>`
    with range as materialized (
      select g.read_sequence as after, coalesce(c.current_sequence, 0) as head,
             least(coalesce(c.current_sequence, 0), g.read_sequence + ${limits.scanMax}) as last
      from consumer_groups g
      left join ves_sequence_counters c using (tenant_id, store_id)
      where g.tenant_id = ${tenantId} and g.store_id = ${storeId} and g.name = ${group.name}
    ), found as materialized (
      select e.sequence_number, e.entity_key from ves_events e
      where e.tenant_id = ${tenantId} and e.store_id = ${storeId}
        and e.sequence_number > (select after from range) and e.sequence_number <= (select last from range)
        and (cardinality(${[...group.entityTypes]}::text[]) = 0 or e.entity_type = any(${[...group.entityTypes]}::text[]))
        and (cardinality(${[...group.eventTypes]}::text[]) = 0 or e.event_type = any(${[...group.eventTypes]}::text[]))
        and (cardinality(${[...group.agents]}::uuid[]) = 0 or e.source_agent_id = any(${[...group.agents]}::uuid[]))
      order by e.sequence_number limit ${limits.foundMax}
    ), queued as (
      insert into consumer_group_deliveries (tenant_id, group_id, sequence_number, partition, entity_key)
      select ${tenantId}, ${groupId}, sequence_number, ((entity_key & 1023) % ${group.partitions})::int, entity_key from found
    ), reached as materialized (
      select case when (select count(*) from found) >= ${limits.foundMax} then (select max(sequence_number) from found)
                  else greatest(after, last) end as read_sequence
      from range
    ), moved as (
      update consumer_groups g set read_sequence = r.read_sequence from reached r
      where g.tenant_id = ${tenantId} and g.store_id = ${storeId} and g.name = ${group.name}
        and g.read_sequence < r.read_sequence
    )
    select r.read_sequence as "readSequence", range.head, (select count(*) from found)::int as found from reached r, range`;
  return row!;
}

/** Events in the queue: waiting and in flight. Counts at most `max`. */
export async function countQueued(
  tx: TransactionSql,
  { tenantId, groupId }: GroupRow,
  max: number,
): Promise<number> {
  const [row] = await tx<{ count: number }[]>`
    select count(*)::int as count from (
      select from consumer_group_deliveries where tenant_id = ${tenantId} and group_id = ${groupId} limit ${max}
    ) queued`;
  return row!.count;
}

/** An event that was handed out. */
export interface HandedOut extends VesEventRow {
  readonly handout: bigint;
  /** 1 at the first hand-out. */
  readonly attempt: number;
  readonly deadlineAt: string;
}

/**
 * Hands out waiting events of some partitions, the lowest numbers first, until their payloads are {@link PAGE_PAYLOAD_BYTES_MAX}. An
 * event stays back while an earlier one of its entity is delayed, or in flight since an earlier call: what one call hands out can be
 * settled or given back together, so that order holds whatever becomes of it. Walks the queue in the order of its primary key.
 */
export async function handOut(
  tx: TransactionSql,
  group: GroupRow,
  to: { readonly consumer: string; readonly partitions: readonly number[]; readonly max: number },
): Promise<HandedOut[]> {
  const { tenantId, storeId, groupId } = group;
  return tx<HandedOut[]>`
    with candidates as materialized (
      select d.ctid as place, d.sequence_number from consumer_group_deliveries d
      where d.tenant_id = ${tenantId} and d.group_id = ${groupId} and d.consumer is null
        and d.partition = any(${[...to.partitions]}::int[])
        and (d.due_at is null or d.due_at <= statement_timestamp())
        and not exists (
          select from consumer_group_deliveries b
          where b.tenant_id = ${tenantId} and b.group_id = ${groupId} and b.entity_key = d.entity_key
            and b.sequence_number < d.sequence_number and (b.consumer is not null or b.due_at > statement_timestamp())
          offset 0)
      order by d.sequence_number limit ${to.max}
    ), sized as materialized (
      select c.place, sum(e.bytes) over (order by c.sequence_number) - e.bytes as bytes_before
      from candidates c cross join lateral (
        select octet_length(payload) as bytes from ves_events
        where tenant_id = ${tenantId} and store_id = ${storeId} and sequence_number = c.sequence_number limit 1
      ) e
    ), pull as materialized (
      select nextval('consumer_group_handouts') as handout
    ), handed as (
      update consumer_group_deliveries d
      set consumer = ${to.consumer}, handout = p.handout, attempts = d.attempts + 1, due_at = null,
          deadline_at = statement_timestamp() + ${group.ackTimeoutMs} * interval '1 millisecond'
      from sized s, pull p
      where d.ctid = s.place and s.bytes_before < ${PAGE_PAYLOAD_BYTES_MAX}
      returning d.sequence_number, d.handout, d.attempts, d.deadline_at
    )
    select h.handout, h.attempts as attempt, h.deadline_at as "deadlineAt", e.*
    from handed h cross join lateral (
      select sequence_number as sequence, sequenced_at as "sequencedAt", store_id as "storeId",
             event_id as "eventId", source_agent_id as "sourceAgentId", command_id as "commandId",
             base_version as "baseVersion", agent_key_id as "agentKeyId", ves_version as "vesVersion",
             payload_kind as "payloadKind", entity_type as "entityType", entity_id as "entityId",
             event_type as "eventType", created_at_str as "createdAt", payload, encode(hashes, 'hex') as hashes
      from ves_events
      where tenant_id = ${tenantId} and store_id = ${storeId} and sequence_number = h.sequence_number limit 1
    ) e
    order by h.sequence_number`;
}

/** One hand-out of one event. */
export interface Handout {
  readonly sequence: bigint;
  readonly handout: bigint;
}

/** The hand-outs as a table (sequence_number, handout). */
export const handoutTable = (sql: Sql | TransactionSql, handouts: readonly Handout[]) => sql`
  unnest(${handouts.map((each) => String(each.sequence))}::int8[], ${handouts.map((each) => String(each.handout))}::int8[])
    as h (sequence_number, handout)`;

/** Takes events off the queue that the consumer still has in flight from these hand-outs; answers their numbers. */
export async function acknowledge(
  tx: TransactionSql,
  { tenantId, groupId }: GroupRow,
  consumer: string,
  handouts: readonly Handout[],
): Promise<bigint[]> {
  const rows = await tx<{ sequence: bigint }[]>`
    with held as materialized (
      select distinct r.place from ${handoutTable(tx, handouts)} cross join lateral (
        select d.ctid as place, d.handout, d.consumer from consumer_group_deliveries d
        where d.tenant_id = ${tenantId} and d.group_id = ${groupId} and d.sequence_number = h.sequence_number limit 1
      ) r
      where r.handout = h.handout and r.consumer = ${consumer}
    )
    delete from consumer_group_deliveries d using held where d.ctid = held.place
    returning d.sequence_number as sequence`;
  return rows.map((row) => row.sequence);
}

/** What can be told about events that are not in flight at the consumer. */
export type NotInFlight = 'queued' | 'parked' | 'settled';

/** Where the events are. Beyond the read position nothing was settled: the group was set back. */
export async function locate(
  tx: TransactionSql,
  { tenantId, groupId, readSequence }: GroupRow,
  sequences: readonly bigint[],
): Promise<Map<bigint, NotInFlight>> {
  const rows = await tx<{ sequence: bigint; place: NotInFlight }[]>`
    select a.sequence, case
        when a.sequence > ${readSequence} or exists (
          select from consumer_group_deliveries d
          where d.tenant_id = ${tenantId} and d.group_id = ${groupId} and d.sequence_number = a.sequence offset 0) then 'queued'
        when exists (
          select from consumer_group_parked p
          where p.tenant_id = ${tenantId} and p.group_id = ${groupId} and p.sequence_number = a.sequence offset 0) then 'parked'
        else 'settled' end as place
    from unnest(${sequences.map(String)}::int8[]) as a (sequence)`;
  return new Map(rows.map((row) => [row.sequence, row.place]));
}

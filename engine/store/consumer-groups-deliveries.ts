/** The way of an event through a group: read, handed out, acknowledged. All writers hold the group's lock. */
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
 * event stays back while an earlier one of its entity is delayed. Walks the queue in the order of its primary key.
 */
export async function handOut(
  tx: TransactionSql,
  group: GroupRow,
  to: { readonly consumer: string; readonly partitions: readonly number[]; readonly max: number },
): Promise<HandedOut[]> {
  const { tenantId, storeId, groupId } = group;
  return tx<HandedOut[]>`
    with candidates as materialized (
      select d.sequence_number from consumer_group_deliveries d
      where d.tenant_id = ${tenantId} and d.group_id = ${groupId} and d.consumer is null
        and d.partition = any(${[...to.partitions]}::int[])
        and (d.due_at is null or d.due_at <= statement_timestamp())
        and not exists (
          select from consumer_group_deliveries b
          where b.tenant_id = ${tenantId} and b.group_id = ${groupId} and b.entity_key = d.entity_key
            and b.sequence_number < d.sequence_number and b.due_at is not null and b.due_at > statement_timestamp())
      order by d.sequence_number limit ${to.max}
    ), sized as materialized (
      select c.sequence_number,
             sum(octet_length(e.payload)) over (order by c.sequence_number) - octet_length(e.payload) as bytes_before
      from candidates c join ves_events e
        on e.tenant_id = ${tenantId} and e.store_id = ${storeId} and e.sequence_number = c.sequence_number
    ), pull as materialized (
      select nextval('consumer_group_handouts') as handout
    ), handed as (
      update consumer_group_deliveries d
      set consumer = ${to.consumer}, handout = p.handout, attempts = d.attempts + 1, due_at = null,
          deadline_at = statement_timestamp() + ${group.ackTimeoutMs} * interval '1 millisecond'
      from sized s, pull p
      where d.tenant_id = ${tenantId} and d.group_id = ${groupId} and d.sequence_number = s.sequence_number
        and s.bytes_before < ${PAGE_PAYLOAD_BYTES_MAX}
      returning d.sequence_number, d.handout, d.attempts, d.deadline_at
    )
    select h.handout, h.attempts as attempt, h.deadline_at as "deadlineAt",
           e.sequence_number as sequence, e.sequenced_at as "sequencedAt", e.store_id as "storeId",
           e.event_id as "eventId", e.source_agent_id as "sourceAgentId", e.command_id as "commandId",
           e.base_version as "baseVersion", e.agent_key_id as "agentKeyId", e.ves_version as "vesVersion",
           e.payload_kind as "payloadKind", e.entity_type as "entityType", e.entity_id as "entityId",
           e.event_type as "eventType", e.created_at_str as "createdAt", e.payload, encode(e.hashes, 'hex') as hashes
    from handed h join ves_events e
      on e.tenant_id = ${tenantId} and e.store_id = ${storeId} and e.sequence_number = h.sequence_number
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
    delete from consumer_group_deliveries d using ${handoutTable(tx, handouts)}
    where d.tenant_id = ${tenantId} and d.group_id = ${groupId} and d.sequence_number = h.sequence_number
      and d.handout = h.handout and d.consumer = ${consumer}
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
    select a.sequence, case when d.sequence_number is not null or a.sequence > ${readSequence} then 'queued'
                            when p.sequence_number is not null then 'parked' else 'settled' end as place
    from unnest(${sequences.map(String)}::int8[]) as a (sequence)
    left join consumer_group_deliveries d
      on d.tenant_id = ${tenantId} and d.group_id = ${groupId} and d.sequence_number = a.sequence
    left join consumer_group_parked p
      on p.tenant_id = ${tenantId} and p.group_id = ${groupId} and p.sequence_number = a.sequence`;
  return new Map(rows.map((row) => [row.sequence, row.place]));
}

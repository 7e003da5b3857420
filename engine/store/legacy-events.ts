import type { Sql } from './connection.js';
import { entityKey } from './entity-key.js';
import {
  type EntityPage,
  type EventPage,
  type HeadRow,
  PAGE_PAYLOAD_BYTES_MAX,
  type TotalRow,
  toEntityPage,
  toEventPage,
} from './event-page.js';
import { openLegacyRows } from './sealed-rows.js';

/** A stored legacy event, as much of it as an envelope shows. Ids are lower-case hyphenated UUIDs. */
export type LegacyEventRow = {
  readonly sequence: bigint;
  /** The server's text, UTC: `2026-01-31 12:00:00.123456+00`. */
  readonly sequencedAt: string;
  readonly eventId: string;
  readonly sourceAgent: string;
  readonly commandId: string | null;
  readonly baseVersion: bigint | null;
  readonly envelopeVersion: bigint;
  readonly entityType: string;
  readonly entityId: string;
  readonly eventType: string;
  readonly createdAt: string;
  /** Compact JSON text. Empty: erased. */
  readonly payload: string;
  /** Lower-case hex, 32 bytes. */
  readonly payloadHash: string;
  readonly signature: Uint8Array | null;
};

/**
 * The events `from..to` of a legacy stream, both inclusive, and its head, from one snapshot. By the primary key; takes no
 * lock. Fewer than asked for when their payloads are large.
 *
 * @throws ServiceError SEQUENCE_GAP when a number up to the head is missing
 */
export async function readLegacyEvents(
  sql: Sql,
  stream: { tenantId: string; storeId: string },
  from: bigint,
  to: bigint,
): Promise<EventPage<LegacyEventRow>> {
  const rows = await sql<HeadRow<LegacyEventRow>[]>`
    select c.current_sequence as head, e.*
    from sequence_counters c
    left join lateral (
      select found, sequence_number as sequence, sequenced_at as "sequencedAt", event_id as "eventId",
             source_agent as "sourceAgent", command_id as "commandId", base_version as "baseVersion",
             envelope_version as "envelopeVersion", entity_type as "entityType", entity_id as "entityId",
             event_type as "eventType", created_at_str as "createdAt", payload,
             encode(payload_hash, 'hex') as "payloadHash", signature
      from (
        select *, count(*) over () as found,
               sum(octet_length(payload)) over (order by sequence_number) - octet_length(payload) as payload_bytes_before
        from events
        where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId}
          and sequence_number between ${from} and ${to}
      ) numbered
      where payload_bytes_before < ${PAGE_PAYLOAD_BYTES_MAX}
    ) e on true
    where c.tenant_id = ${stream.tenantId} and c.store_id = ${stream.storeId}
    order by e.sequence`;
  return toEventPage(await openLegacyRows(sql, stream, rows), from, to);
}

/** Legacy events of one entity; as `readVesEntity`. */
export async function readLegacyEntity(
  sql: Sql,
  stream: { tenantId: string; storeId: string; key: Uint8Array },
  entity: { type: string; id: string },
  offset: bigint,
  limit: number,
): Promise<EntityPage<LegacyEventRow>> {
  const key = entityKey(stream.key, entity.type, entity.id);
  const rows = await sql<TotalRow<LegacyEventRow>[]>`
    select t.total, e.*
    from (
      select count(*) as total from events
      where entity_key = ${key} and tenant_id = ${stream.tenantId} and store_id = ${stream.storeId}
        and entity_type = ${entity.type} and entity_id = ${entity.id}
    ) t
    left join lateral (
      select sequence_number as sequence, sequenced_at as "sequencedAt", event_id as "eventId",
             source_agent as "sourceAgent", command_id as "commandId", base_version as "baseVersion",
             envelope_version as "envelopeVersion", entity_type as "entityType", entity_id as "entityId",
             event_type as "eventType", created_at_str as "createdAt", payload,
             encode(payload_hash, 'hex') as "payloadHash", signature
      from (
        select *,
               sum(octet_length(payload)) over (order by sequence_number) - octet_length(payload) as payload_bytes_before
        from (
          select * from events
          where entity_key = ${key} and tenant_id = ${stream.tenantId} and store_id = ${stream.storeId}
            and entity_type = ${entity.type} and entity_id = ${entity.id}
          order by sequence_number offset ${offset} limit ${limit}
        ) page
      ) measured
      where payload_bytes_before < ${PAGE_PAYLOAD_BYTES_MAX}
    ) e on true
    order by e.sequence`;
  return toEntityPage(await openLegacyRows(sql, stream, rows));
}

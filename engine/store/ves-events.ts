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
import { openVesRows } from './sealed-rows.js';

/** A stored VES event, as much of it as an envelope shows. Ids are lower-case hyphenated UUIDs. */
export type VesEventRow = {
  readonly sequence: bigint;
  /** The server's text, UTC: `2026-01-31 12:00:00.123456+00`. */
  readonly sequencedAt: string;
  readonly storeId: string;
  readonly eventId: string;
  readonly sourceAgentId: string;
  readonly commandId: string | null;
  readonly baseVersion: bigint | null;
  readonly agentKeyId: bigint;
  readonly vesVersion: number;
  /** 0: plaintext, 1: encrypted. */
  readonly payloadKind: number;
  readonly entityType: string;
  readonly entityId: string;
  readonly eventType: string;
  readonly createdAt: string;
  /** The JSON text that was hashed: the payload, or the encryption envelope. Empty: erased. */
  readonly payload: string;
  /** Lower-case hex of signing hash (32) ‖ signature (64) ‖ plain hash (32) [‖ cipher hash (32)]. */
  readonly hashes: string;
};

/**
 * The events `from..to` of a stream, both inclusive, and its head, from one snapshot. By the primary key; takes no lock.
 * Fewer than asked for when their payloads are large (see {@link PAGE_PAYLOAD_BYTES_MAX}).
 *
 * @throws ServiceError SEQUENCE_GAP when a number up to the head is missing
 */
export async function readVesEvents(
  sql: Sql,
  stream: { tenantId: string; storeId: string },
  from: bigint,
  to: bigint,
): Promise<EventPage<VesEventRow>> {
  // payload_bytes_before is what the page holds before the row; lengths of large values are known without reading them.
  const rows = await sql<HeadRow<VesEventRow>[]>`
    select c.current_sequence as head, e.*
    from ves_sequence_counters c
    left join lateral (
      select found, sequence_number as sequence, sequenced_at as "sequencedAt", store_id as "storeId",
             event_id as "eventId", source_agent_id as "sourceAgentId", command_id as "commandId",
             base_version as "baseVersion", agent_key_id as "agentKeyId", ves_version as "vesVersion",
             payload_kind as "payloadKind", entity_type as "entityType", entity_id as "entityId",
             event_type as "eventType", created_at_str as "createdAt", payload, encode(hashes, 'hex') as hashes
      from (
        select *, count(*) over () as found,
               sum(octet_length(payload)) over (order by sequence_number) - octet_length(payload) as payload_bytes_before
        from ves_events
        where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId}
          and sequence_number between ${from} and ${to}
      ) numbered
      where payload_bytes_before < ${PAGE_PAYLOAD_BYTES_MAX}
    ) e on true
    where c.tenant_id = ${stream.tenantId} and c.store_id = ${stream.storeId}
    order by e.sequence`;
  return toEventPage(await openVesRows(sql, stream.tenantId, rows), from, to);
}

/**
 * Events of one entity, oldest first, and how many it has. By the index (entity_key, sequence_number); the real columns are
 * compared as well. Counting and skipping cost in proportion to the entity's events.
 *
 * @param stream `key` is tenant and store, 16 bytes each
 * @param offset events to skip
 */
export async function readVesEntity(
  sql: Sql,
  stream: { tenantId: string; storeId: string; key: Uint8Array },
  entity: { type: string; id: string },
  offset: bigint,
  limit: number,
): Promise<EntityPage<VesEventRow>> {
  const key = entityKey(stream.key, entity.type, entity.id);
  const rows = await sql<TotalRow<VesEventRow>[]>`
    select t.total, e.*
    from (
      select count(*) as total from ves_events
      where entity_key = ${key} and tenant_id = ${stream.tenantId} and store_id = ${stream.storeId}
        and entity_type = ${entity.type} and entity_id = ${entity.id}
    ) t
    left join lateral (
      select sequence_number as sequence, sequenced_at as "sequencedAt", store_id as "storeId",
             event_id as "eventId", source_agent_id as "sourceAgentId", command_id as "commandId",
             base_version as "baseVersion", agent_key_id as "agentKeyId", ves_version as "vesVersion",
             payload_kind as "payloadKind", entity_type as "entityType", entity_id as "entityId",
             event_type as "eventType", created_at_str as "createdAt", payload, encode(hashes, 'hex') as hashes
      from (
        select *,
               sum(octet_length(payload)) over (order by sequence_number) - octet_length(payload) as payload_bytes_before
        from (
          select * from ves_events
          where entity_key = ${key} and tenant_id = ${stream.tenantId} and store_id = ${stream.storeId}
            and entity_type = ${entity.type} and entity_id = ${entity.id}
          order by sequence_number offset ${offset} limit ${limit}
        ) page
      ) measured
      where payload_bytes_before < ${PAGE_PAYLOAD_BYTES_MAX}
    ) e on true
    order by e.sequence`;
  return toEntityPage(await openVesRows(sql, stream.tenantId, rows));
}

/** The event with this id, in whatever store of the tenant. By the unique index (event_id, tenant_id). */
export async function findVesEvent(
  sql: Sql,
  tenantId: string,
  eventId: string,
): Promise<VesEventRow | undefined> {
  const rows = await sql<VesEventRow[]>`
    select sequence_number as sequence, sequenced_at as "sequencedAt", store_id as "storeId",
           event_id as "eventId", source_agent_id as "sourceAgentId", command_id as "commandId",
           base_version as "baseVersion", agent_key_id as "agentKeyId", ves_version as "vesVersion",
           payload_kind as "payloadKind", entity_type as "entityType", entity_id as "entityId",
           event_type as "eventType", created_at_str as "createdAt", payload, encode(hashes, 'hex') as hashes
    from ves_events where event_id = ${eventId} and tenant_id = ${tenantId}`;
  return (await openVesRows(sql, tenantId, rows))[0];
}

/** The event that a command produced in a store. By the unique index (tenant_id, store_id, command_id). */
export async function findVesEventByCommand(
  sql: Sql,
  stream: { tenantId: string; storeId: string },
  commandId: string,
): Promise<VesEventRow | undefined> {
  const rows = await sql<VesEventRow[]>`
    select sequence_number as sequence, sequenced_at as "sequencedAt", store_id as "storeId",
           event_id as "eventId", source_agent_id as "sourceAgentId", command_id as "commandId",
           base_version as "baseVersion", agent_key_id as "agentKeyId", ves_version as "vesVersion",
           payload_kind as "payloadKind", entity_type as "entityType", entity_id as "entityId",
           event_type as "eventType", created_at_str as "createdAt", payload, encode(hashes, 'hex') as hashes
    from ves_events
    where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId} and command_id = ${commandId}`;
  return (await openVesRows(sql, stream.tenantId, rows))[0];
}

import { ENTITY_ID_BYTES_MAX, ENTITY_TYPE_BYTES_MAX } from '../../engine/protocol/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { readVesHead } from '../../engine/store/heads.js';
import { readVesEntity, readVesEvents, type VesEventRow } from '../../engine/store/ves-events.js';
import { answering, type Exchange } from '../http/exchange.js';
import { json, jsonText, type Reply } from '../http/reply.js';
import type { Route } from '../http/router.js';
import { pathText } from '../input/parse.js';
import { entityPageOf, eventRangeOf, streamOf } from '../input/stream-query.js';
import { renderVesEnvelope } from '../render/ves-envelope.js';
import { type LookupDeps, lookupRoutes } from './event-lookup.js';

/** Reads of the VES streams, the newest always; only the history of an entity may come from a replica that is a little behind. */
export const vesReadRoutes = (deps: LookupDeps & { readonly readSql?: Sql }): Route[] => {
  const { sql, readSql = sql } = deps;
  const lookup = lookupRoutes(deps);
  return [
    {
      method: 'GET',
      path: '/api/v1/ves/events',
      scope: 'read',
      // With `command_id` it asks for one event, otherwise for a range.
      handler: answering((exchange) =>
        new URLSearchParams(exchange.head.query).has('command_id')
          ? lookup.byCommand(exchange)
          : listEvents(sql, exchange),
      ),
    },
    {
      method: 'GET',
      path: '/api/v1/ves/events/:event_id',
      scope: 'read',
      handler: answering(lookup.byEventId),
    },
    {
      method: 'GET',
      path: '/api/v1/ves/head',
      scope: 'read',
      handler: answering(async (exchange) => {
        const { tenantId, storeId } = streamOf(exchange);
        return json({ head_sequence: Number(await readVesHead(sql, tenantId, storeId)) });
      }),
    },
    {
      method: 'GET',
      path: '/api/v1/ves/entities/:entity_type/:entity_id',
      scope: 'read',
      handler: answering((exchange) => listEntity(readSql, exchange)),
    },
  ];
};

async function listEvents(sql: Sql, exchange: Exchange): Promise<Reply> {
  const { stream, from, to } = eventRangeOf(exchange);
  const { events, head } = await readVesEvents(sql, stream, from, to);
  const next = events.length === 0 ? from : events.at(-1)!.sequence + 1n;
  return jsonText(
    `{"events":[${renderAll(events, stream.tenantId)}],"count":${events.length},"next_sequence":${next}` +
      `,"head_sequence":${head},"has_more":${next <= head}}`,
  );
}

async function listEntity(sql: Sql, exchange: Exchange): Promise<Reply> {
  const type = pathText(exchange, 0, 'entity_type', ENTITY_TYPE_BYTES_MAX);
  const id = pathText(exchange, 1, 'entity_id', ENTITY_ID_BYTES_MAX);
  const { stream, offset, limit } = entityPageOf(exchange);
  const { events, total } = await readVesEntity(sql, stream, { type, id }, offset, limit);
  return jsonText(
    `{"entity_type":${JSON.stringify(type)},"entity_id":${JSON.stringify(id)}` +
      `,"events":[${renderAll(events, stream.tenantId)}],"count":${events.length},"total":${total}` +
      `,"current_version":${total},"has_more":${offset + BigInt(events.length) < BigInt(total)}}`,
  );
}

const renderAll = (events: readonly VesEventRow[], tenantId: string): string =>
  events.map((event) => `{"envelope":${renderVesEnvelope(event, tenantId)}}`).join(',');

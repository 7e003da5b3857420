import { ENTITY_ID_BYTES_MAX, ENTITY_TYPE_BYTES_MAX } from '../../engine/protocol/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { readLegacyHead } from '../../engine/store/heads.js';
import { readLegacyEntity, readLegacyEvents } from '../../engine/store/legacy-events.js';
import { answering, type Exchange } from '../http/exchange.js';
import { json, jsonText, type Reply } from '../http/reply.js';
import type { Route } from '../http/router.js';
import { pathText } from '../input/parse.js';
import { entityPageOf, eventRangeOf, streamOf } from '../input/stream-query.js';
import { renderLegacyEvent } from '../render/legacy-envelope.js';

/** Reads of the legacy streams. The head is the newest; events and histories may come from a replica that is a little behind. */
export const legacyReadRoutes = ({ sql, readSql = sql }: { sql: Sql; readSql?: Sql }): Route[] => [
  {
    method: 'GET',
    path: '/api/v1/events',
    scope: 'read',
    handler: answering((exchange) => listEvents(readSql, exchange)),
  },
  {
    method: 'GET',
    path: '/api/v1/head',
    scope: 'read',
    handler: answering(async (exchange) => {
      const { tenantId, storeId } = streamOf(exchange);
      return json({ head_sequence: Number(await readLegacyHead(sql, tenantId, storeId)) });
    }),
  },
  {
    method: 'GET',
    path: '/api/v1/entities/:entity_type/:entity_id',
    scope: 'read',
    handler: answering((exchange) => listEntity(readSql, exchange)),
  },
];

async function listEvents(sql: Sql, exchange: Exchange): Promise<Reply> {
  const { stream, from, to } = eventRangeOf(exchange);
  const { events, head } = await readLegacyEvents(sql, stream, from, to);
  const next = events.length === 0 ? from : events.at(-1)!.sequence + 1n;
  const rendered = events.map((event) => renderLegacyEvent(event, stream)).join(',');
  return jsonText(
    `{"events":[${rendered}],"count":${events.length},"next_sequence":${next},"head_sequence":${head}` +
      `,"has_more":${next <= head}}`,
  );
}

async function listEntity(sql: Sql, exchange: Exchange): Promise<Reply> {
  const type = pathText(exchange, 0, 'entity_type', ENTITY_TYPE_BYTES_MAX);
  const id = pathText(exchange, 1, 'entity_id', ENTITY_ID_BYTES_MAX);
  const { stream, offset, limit } = entityPageOf(exchange);
  const { events, total } = await readLegacyEntity(sql, stream, { type, id }, offset, limit);
  const rendered = events.map((event) => renderLegacyEvent(event, stream)).join(',');
  return jsonText(
    `{"entity_type":${JSON.stringify(type)},"entity_id":${JSON.stringify(id)},"events":[${rendered}]` +
      `,"count":${events.length},"total":${total},"has_more":${offset + BigInt(events.length) < BigInt(total)}}`,
  );
}

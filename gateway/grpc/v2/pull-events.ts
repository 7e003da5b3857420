import {
  ENTITY_ID_BYTES_MAX,
  ENTITY_TYPE_BYTES_MAX,
  EVENT_TYPE_BYTES_MAX,
} from '../../../engine/protocol/index.js';
import type { Sql } from '../../../engine/store/connection.js';
import { readVesHead } from '../../../engine/store/heads.js';
import type { EventFilter } from '../../../engine/subscriptions/filter.js';
import { createWireWriter, v2 } from '../../../engine/wire-proto/index.js';
import type { AuthContext } from '../../auth/context.js';
import type { GrpcDeps } from '../deps.js';
import { readMessage, type UnaryRpc } from '../rpc.js';
import { listOf, optionalText, sequenceOf, streamOf, textOf, uuidOf } from '../values.js';
import { readProtoPage } from './event-page.js';

const PAGE_EVENTS_MAX = 1000;
const PAGE_EVENTS_DEFAULT = 100;

/** One page of a stream as the bytes of PullEventsResponse. */
export async function pullEvents(
  sql: Sql,
  auth: AuthContext,
  request: v2.PullEventsRequest,
): Promise<Uint8Array> {
  const stream = streamOf(auth, request);
  const filter = filterOf(request);
  const limit = Math.min(request.limit || PAGE_EVENTS_DEFAULT, PAGE_EVENTS_MAX);
  const from = Math.max(1, sequenceOf(request.fromSequence, 'from_sequence'));
  const head = Number(await readVesHead(sql, stream.tenantId, stream.storeId));
  const page = await readProtoPage(sql, stream, filter, from, Math.min(from + limit - 1, head));
  const writer = createWireWriter();
  for (const event of page.events) writer.bytes(1, event);
  const next = page.last + 1;
  writer.uint(2, next);
  writer.uint(3, next <= head ? 1 : 0);
  writer.uint(4, head);
  return writer.finish();
}

function filterOf(request: v2.PullEventsRequest): EventFilter {
  const type = optionalText(request.entityTypeFilter, 'entity_type_filter', ENTITY_TYPE_BYTES_MAX);
  const id = optionalText(request.entityIdFilter, 'entity_id_filter', ENTITY_ID_BYTES_MAX);
  return {
    entityTypes: type === undefined ? [] : [type],
    entityIds: id === undefined ? [] : [id],
    eventTypes: listOf(request.eventTypeFilter, 'event_type_filter', (text) =>
      textOf(text, 'event_type_filter', EVENT_TYPE_BYTES_MAX),
    ),
    agents: listOf(request.agentFilter, 'agent_filter', (text) => uuidOf(text, 'agent_filter')),
  };
}

export const pullEventsRpc = ({ sql }: GrpcDeps): UnaryRpc => ({
  kind: 'unary',
  answer: (request, { auth }) => pullEvents(sql, auth, readMessage(v2.PullEventsRequestSchema, request)),
});

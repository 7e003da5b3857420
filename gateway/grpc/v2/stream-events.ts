import { Metadata } from '@grpc/grpc-js';
import { ServiceError } from '../../../engine/errors/index.js';
import {
  ENTITY_ID_BYTES_MAX,
  ENTITY_TYPE_BYTES_MAX,
  EVENT_TYPE_BYTES_MAX,
} from '../../../engine/protocol/index.js';
import { readVesHead } from '../../../engine/store/heads.js';
import { v2 } from '../../../engine/wire-proto/index.js';
import type { GrpcDeps } from '../deps.js';
import { serverStream } from '../rpc.js';
import { followedStream, listOf, type StreamRef, sequenceOf, textOf, uuidOf } from '../values.js';
import { follow } from './follow.js';

const HEARTBEAT_MS_MIN = 1000;
const HEARTBEAT_MS_MAX = 600_000;

/** History from a number on if asked for, then live events, as one sequence. */
export const streamEventsRpc = ({ sql, hub }: GrpcDeps) =>
  serverStream(v2.StreamEventsRequestSchema, async (request, call, out) => {
    const stream = followedStream(call, request);
    const filter = {
      entityTypes: listOf(request.entityTypeFilter, 'entity_type_filter', (text) =>
        textOf(text, 'entity_type_filter', ENTITY_TYPE_BYTES_MAX),
      ),
      eventTypes: listOf(request.eventTypeFilter, 'event_type_filter', (text) =>
        textOf(text, 'event_type_filter', EVENT_TYPE_BYTES_MAX),
      ),
      agents: listOf(request.agentFilter, 'agent_filter', (text) => uuidOf(text, 'agent_filter')),
    };
    const heartbeatMs = heartbeatOf(request.heartbeatIntervalMs);
    const from = Math.max(1, sequenceOf(request.fromSequence, 'from_sequence'));
    const after = request.includeHistory ? from - 1 : await headOf(sql, stream);
    const metadata = new Metadata();
    if (heartbeatMs > 0) {
      call.ping(heartbeatMs);
      metadata.set('x-heartbeat-interval-ms', String(heartbeatMs));
    }
    call.begin(metadata);
    await follow(hub, { stream, after, filter, signal: call.signal }, out);
  });

/** Everything of one entity, or what happens to it from now on. */
export const subscribeEntityRpc = ({ sql, hub }: GrpcDeps) =>
  serverStream(v2.SubscribeEntityRequestSchema, async (request, call, out) => {
    const stream = followedStream(call, request);
    const filter = {
      entityTypes: [textOf(request.entityType, 'entity_type', ENTITY_TYPE_BYTES_MAX)],
      entityIds: [textOf(request.entityId, 'entity_id', ENTITY_ID_BYTES_MAX)],
    };
    const after = request.includeHistory
      ? sequenceOf(request.afterSequence, 'after_sequence')
      : await headOf(sql, stream);
    call.begin(new Metadata());
    await follow(hub, { stream, after, filter, signal: call.signal }, out);
  });

const headOf = async (sql: GrpcDeps['sql'], { tenantId, storeId }: StreamRef): Promise<number> =>
  Number(await readVesHead(sql, tenantId, storeId));

function heartbeatOf(intervalMs: number): number {
  if (intervalMs !== 0 && (intervalMs < HEARTBEAT_MS_MIN || intervalMs > HEARTBEAT_MS_MAX))
    throw new ServiceError(
      'INVALID_FIELD_VALUE',
      `heartbeat_interval_ms must be 0, or from ${HEARTBEAT_MS_MIN} to ${HEARTBEAT_MS_MAX}`,
    );
  return intervalMs;
}

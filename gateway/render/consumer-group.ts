import type {
  Acknowledged,
  Delivery,
  GroupRow,
  GroupState,
  Nacked,
  ParkedRow,
  Refused,
} from '../../engine/consumers/index.js';
import { renderTimestamp, timestampOrNull } from './timestamp.js';
import { renderVesEnvelope } from './ves-envelope.js';

/** A group's settings and place. */
export const groupJson = (group: GroupRow) => ({
  tenant_id: group.tenantId,
  store_id: group.storeId,
  name: group.name,
  entity_types: group.entityTypes,
  event_types: group.eventTypes,
  agents: group.agents,
  partitions: group.partitions,
  ack_timeout_ms: group.ackTimeoutMs,
  max_attempts: group.maxAttempts,
  max_in_flight: group.maxInFlight,
  read_sequence: Number(group.readSequence),
  created_at: renderTimestamp(group.createdAt),
  updated_at: renderTimestamp(group.updatedAt),
});

export const groupStateJson = (state: GroupState) => ({
  ...groupJson(state.group),
  head_sequence: Number(state.head),
  settled_sequence: Number(state.settledSequence),
  lag: Number(state.lag),
  waiting: Number(state.waiting),
  in_flight: Number(state.inFlight),
  parked: Number(state.parked),
  consumers: state.consumers,
  partition_owners: state.partitions.map(({ partition, consumer, leaseUntil, inFlight }) => ({
    partition,
    consumer,
    lease_until: timestampOrNull(leaseUntil),
    in_flight: inFlight,
  })),
});

/** JSON text of deliveries; the envelopes go in as text, because their payloads must not be parsed and printed again (L3). */
export const renderDeliveries = (deliveries: readonly Delivery[], tenantId: string): string => {
  const rendered = deliveries.map(
    (each) =>
      `{"delivery_id":"${each.deliveryId}","sequence_number":${each.sequence},"attempt":${each.attempt}` +
      `,"ack_deadline":"${renderTimestamp(each.deadlineAt)}","envelope":${renderVesEnvelope(each.event, tenantId)}}`,
  );
  return `{"deliveries":[${rendered.join(',')}],"count":${deliveries.length}}`;
};

const REFUSALS: Record<Refused['why'], string> = {
  lost: 'The delivery was taken back: not acknowledged in time, withdrawn, or the group was set back. The event is handed out again.',
  settled: 'The event is settled already: acknowledged or discarded.',
  parked: 'The event is parked.',
};
const refusalsJson = (refused: readonly Refused[]) =>
  refused.map(({ deliveryId, why }) => ({ delivery_id: deliveryId, reason: why, message: REFUSALS[why] }));

export const acknowledgedJson = ({ acknowledged, refused }: Acknowledged) => ({
  acknowledged,
  refused: refusalsJson(refused),
});

export const nackedJson = ({ returned, parked, withdrawn, refused }: Nacked) => ({
  returned,
  parked,
  withdrawn,
  refused: refusalsJson(refused),
});

export const parkedJson = (row: ParkedRow) => ({
  sequence_number: Number(row.sequence),
  event_id: row.eventId,
  entity_type: row.entityType,
  entity_id: row.entityId,
  event_type: row.eventType,
  attempts: row.attempts,
  consumer: row.consumer,
  reason: row.reason,
  parked_at: renderTimestamp(row.parkedAt),
});

/** The columns of events in the order in which COPY wrote them, as ves-columns.ts has those of ves_events. */
import type { CopyColumns } from './copy-tuples.js';

/** Columns of a tuple, in the order of {@link LEGACY_EVENTS}. */
export const LEGACY = {
  sequence: 0,
  sequencedAt: 1,
  entityKey: 2,
  baseVersion: 3,
  envelopeVersion: 4,
  tenant: 5,
  store: 6,
  eventId: 7,
  agent: 8,
  command: 9,
  entityType: 10,
  entityId: 11,
  eventType: 12,
  createdAt: 13,
  payload: 14,
  payloadHash: 15,
  signature: 16,
  rowCheck: 17,
} as const;

export const LEGACY_EVENTS: CopyColumns = {
  table: 'events',
  columns: `sequence_number, sequenced_at, entity_key, base_version, envelope_version, tenant_id, store_id, event_id, source_agent,
    command_id, entity_type, entity_id, event_type, created_at_str, payload, payload_hash, signature, row_check`,
  columnCount: 18,
};

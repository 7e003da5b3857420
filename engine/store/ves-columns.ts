/** The columns of ves_events in the order in which COPY wrote them: check values cover this very order, and readers of tuples rely on it. */
import type { CopyColumns } from './copy-tuples.js';

/** Columns of a tuple, in the order of {@link VES_EVENTS}. */
export const VES = {
  sequence: 0,
  sequencedAt: 1,
  entityKey: 2,
  baseVersion: 3,
  agentKeyId: 4,
  vesVersion: 5,
  payloadKind: 6,
  tenant: 7,
  store: 8,
  eventId: 9,
  agent: 10,
  command: 11,
  entityType: 12,
  entityId: 13,
  eventType: 14,
  createdAt: 15,
  payload: 16,
  hashes: 17,
  rowCheck: 18,
} as const;

export const VES_EVENTS: CopyColumns = {
  table: 'ves_events',
  columns: `sequence_number, sequenced_at, entity_key, base_version, agent_key_id, ves_version, payload_kind, tenant_id, store_id,
    event_id, source_agent_id, command_id, entity_type, entity_id, event_type, created_at_str, payload, hashes, row_check`,
  columnCount: 19,
};

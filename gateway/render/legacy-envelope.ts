import type { LegacyEventRow } from '../../engine/store/legacy-events.js';
import { renderTimestamp } from './timestamp.js';
import { ERASED } from './ves-envelope.js';

/** JSON of a stored legacy event, `{envelope, sequenced_at}`; the payload's text goes in as it is stored. */
export function renderLegacyEvent(
  event: LegacyEventRow,
  stream: { tenantId: string; storeId: string },
): string {
  return (
    `{"envelope":{"envelope_version":${event.envelopeVersion},"event_id":"${event.eventId}"` +
    (event.commandId === null ? '' : `,"command_id":"${event.commandId}"`) +
    `,"tenant_id":"${stream.tenantId}","store_id":"${stream.storeId}"` +
    `,"entity_type":${JSON.stringify(event.entityType)},"entity_id":${JSON.stringify(event.entityId)}` +
    `,"event_type":${JSON.stringify(event.eventType)},"payload":${event.payload || ERASED}` +
    `,"payload_hash":"${event.payloadHash}"` +
    (event.baseVersion === null ? '' : `,"base_version":${event.baseVersion}`) +
    `,"created_at":${JSON.stringify(event.createdAt)},"sequence_number":${event.sequence}` +
    `,"source_agent":"${event.sourceAgent}"` +
    (event.signature === null ? '' : `,"signature":[${event.signature.join(',')}]`) +
    `},"sequenced_at":"${renderTimestamp(event.sequencedAt)}"}`
  );
}

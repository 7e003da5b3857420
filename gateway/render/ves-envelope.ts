import type { VesEventRow } from '../../engine/store/ves-events.js';
import { renderTimestamp } from './timestamp.js';

/** Hex digits of the parts of `hashes`. */
const SIGNATURE = 64;
const PLAIN_HASH = 192;
const CIPHER_HASH = 256;

const NO_CIPHER_HASH = '0'.repeat(64);
/** In place of a payload that was erased, which is the empty text. */
export const ERASED = 'null,"payload_erased":true';

/** The event signing hash of a stored event, 32 bytes. */
export const signingHashOf = (event: VesEventRow): Uint8Array =>
  Buffer.from(event.hashes.slice(0, SIGNATURE), 'hex');

/**
 * JSON of a stored event's envelope. Ids, numbers and hashes need no escaping; the payload's text goes in as it was hashed,
 * byte by byte (L3).
 */
export function renderVesEnvelope(event: VesEventRow, tenantId: string): string {
  const { hashes } = event;
  const encrypted = event.payloadKind === 1;
  const cipherHash = encrypted ? hashes.slice(CIPHER_HASH) : NO_CIPHER_HASH;
  return (
    `{"ves_version":${event.vesVersion},"event_id":"${event.eventId}","tenant_id":"${tenantId}"` +
    `,"store_id":"${event.storeId}","source_agent_id":"${event.sourceAgentId}","agent_key_id":${event.agentKeyId}` +
    `,"entity_type":${JSON.stringify(event.entityType)},"entity_id":${JSON.stringify(event.entityId)}` +
    `,"event_type":${JSON.stringify(event.eventType)},"created_at":${JSON.stringify(event.createdAt)}` +
    `,"payload_kind":${event.payloadKind},"${encrypted ? 'payload_encrypted' : 'payload'}":${event.payload || ERASED}` +
    `,"payload_plain_hash":"0x${hashes.slice(PLAIN_HASH, CIPHER_HASH)}","payload_cipher_hash":"0x${cipherHash}"` +
    `,"agent_signature":"0x${hashes.slice(SIGNATURE, PLAIN_HASH)}","sequence_number":${event.sequence}` +
    `,"sequenced_at":"${renderTimestamp(event.sequencedAt)}"` +
    (event.commandId === null ? '' : `,"command_id":"${event.commandId}"`) +
    (event.baseVersion === null ? '}' : `,"base_version":${event.baseVersion}}`)
  );
}

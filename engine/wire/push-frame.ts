/**
 * Pushes: `[push, id, tenant bin16, store bin16, agent bin16, receipts, events]`, and an event as
 *
 * `[event_id bin16, ves_version, payload_kind, agent_key_id, entity_type, entity_id, event_type, created_at, payload, hashes,
 * command_id bin16|nil, base_version|nil, signature_scheme]`
 *
 * with `payload` the JSON text of the payload (or of the encryption envelope, kind 1) and `hashes` = plain hash 32 ‖ agent's signature
 * 64 [‖ cipher hash 32]. The last element may be left out: scheme 0, Ed25519.
 */
import { decodeHex, FIXED, parseUuid, type VesEnvelopeJson } from '../protocol/index.js';
import { FRAME } from './frame-types.js';
import { createFrameWriter, type FrameWriter } from './frame-writer.js';

/** Elements of a push, and of an event with and without its signature scheme. */
export const PUSH_ITEMS = 7;
export const PUSH_EVENT_ITEMS = 13;
export const PUSH_EVENT_ITEMS_MIN = 12;

/** Bytes of `hashes` without and with a cipher hash. */
export const PUSH_HASHES_BYTES = 96;
export const PUSH_HASHES_CIPHER_BYTES = 128;

/** An event ready to be sent: what its array holds. Ids 16 bytes, hashes 96 or 128. */
export interface PushEvent {
  readonly eventId: Uint8Array;
  readonly vesVersion: number;
  readonly payloadKind: number;
  readonly agentKeyId: number;
  readonly entityType: string;
  readonly entityId: string;
  readonly eventType: string;
  readonly createdAt: string;
  /** JSON text. The service is fastest with the canonical form (RFC 8785), and takes any. */
  readonly payload: string;
  readonly hashes: Uint8Array;
  readonly commandId: Uint8Array | undefined;
  readonly baseVersion: number | undefined;
  readonly signatureScheme: number;
}

export interface Push {
  readonly id: number;
  /** 16 bytes each. */
  readonly tenant: Uint8Array;
  readonly store: Uint8Array;
  readonly agent: Uint8Array;
  /** A sum of WANT_EVENT_RECEIPTS and WANT_GROUP_RECEIPTS. */
  readonly receipts: number;
  readonly events: readonly PushEvent[];
}

export function encodePush({ id, tenant, store, agent, receipts, events }: Push): Uint8Array<ArrayBuffer> {
  const writer = createFrameWriter(128 + events.reduce((sum, event) => sum + 320 + event.payload.length, 0));
  writer.array(PUSH_ITEMS).uint(FRAME.push).uint(id).bin(tenant).bin(store).bin(agent).uint(receipts);
  writer.array(events.length);
  for (const event of events) writeEvent(writer, event);
  return writer.done();
}

function writeEvent(writer: FrameWriter, event: PushEvent): void {
  const plain = event.signatureScheme === 0;
  writer.array(plain ? PUSH_EVENT_ITEMS_MIN : PUSH_EVENT_ITEMS).bin(event.eventId);
  writer.uint(event.vesVersion).uint(event.payloadKind).uint(event.agentKeyId);
  writer.str(event.entityType).str(event.entityId).str(event.eventType).str(event.createdAt);
  writer.str(event.payload).bin(event.hashes);
  writer.optional(event.commandId, writer.bin).optional(event.baseVersion, writer.uint);
  if (!plain) writer.uint(event.signatureScheme);
}

/**
 * The pushable form of a signed envelope.
 *
 * @throws RangeError for an envelope whose ids or hashes are malformed
 */
export function pushEventOf(envelope: VesEnvelopeJson): PushEvent {
  const encrypted = envelope.payload_kind === 1;
  const plainHash = bytesOf(envelope.payload_plain_hash, 32, 'payload_plain_hash');
  const signature = bytesOf(envelope.agent_signature, 64, 'agent_signature');
  const cipherHash = bytesOf(envelope.payload_cipher_hash, 32, 'payload_cipher_hash');
  const withCipher = encrypted || cipherHash.some((byte) => byte !== 0);
  const hashes = new Uint8Array(withCipher ? PUSH_HASHES_CIPHER_BYTES : PUSH_HASHES_BYTES);
  hashes.set(plainHash);
  hashes.set(signature, 32);
  if (withCipher) hashes.set(cipherHash, 96);
  return {
    eventId: idOf(envelope.event_id, 'event_id'),
    vesVersion: envelope.ves_version,
    payloadKind: envelope.payload_kind,
    agentKeyId: envelope.agent_key_id,
    entityType: envelope.entity_type,
    entityId: envelope.entity_id,
    eventType: envelope.event_type,
    createdAt: envelope.created_at,
    payload: JSON.stringify(encrypted ? envelope.payload_encrypted : envelope.payload),
    hashes,
    commandId: envelope.command_id === undefined ? undefined : idOf(envelope.command_id, 'command_id'),
    baseVersion: envelope.base_version,
    signatureScheme: envelope.agent_signature_scheme ?? 0,
  };
}

/** A UUID's 16 bytes. @throws RangeError */
export function idOf(text: string, what: string): Uint8Array {
  const bytes = parseUuid(text);
  if (bytes === undefined) throw new RangeError(`${what} is not a UUID: ${JSON.stringify(text)}`);
  return bytes;
}

function bytesOf(hex: string, length: number, what: string): Uint8Array {
  const bytes = decodeHex(hex, length);
  if (bytes === undefined) throw new RangeError(`${what} is not ${length} bytes of hex`);
  return bytes;
}

/** Where each piece of `hashes` goes in an envelope's block of fixed fields, in its order: offset and length. */
export const PUSH_HASHES_LAYOUT = [
  [FIXED.payloadPlainHash, 32],
  [FIXED.agentSignature, 64],
  [FIXED.payloadCipherHash, 32],
] as const;

import { encodeHex } from './bytes.js';
import type { EncryptedPayload } from './encrypted-payload.js';
import type { VesEnvelope } from './envelope.js';
import { FIXED } from './fixed-fields.js';
import { formatUuid } from './uuid.js';

/** A VES envelope as it travels in JSON. Hashes and signature are emitted as `0x` and lower-case hex. */
export type VesEnvelopeJson = {
  ves_version: number;
  event_id: string;
  tenant_id: string;
  store_id: string;
  source_agent_id: string;
  agent_key_id: number;
  entity_type: string;
  entity_id: string;
  event_type: string;
  created_at: string;
  payload_kind: 0 | 1;
  payload?: unknown;
  payload_encrypted?: EncryptedPayload;
  payload_plain_hash: string;
  payload_cipher_hash: string;
  agent_signature: string;
  agent_signature_scheme?: number;
  agent_signature_bundle?: { ed25519_signature?: number[]; ml_dsa_65_signature?: number[] };
  sequence_number?: number;
  sequenced_at?: string;
  command_id?: string;
  base_version?: number;
};

/** Renders an envelope; absent optional members are left out. */
export function envelopeToJson(
  envelope: VesEnvelope,
  sequenced?: { sequenceNumber: number | bigint; sequencedAt: string },
): VesEnvelopeJson {
  const { fixed, fixedOffset } = envelope;
  const id = (offset: number) => formatUuid(fixed, fixedOffset + offset);
  const hex = (offset: number, bytes: number) =>
    `0x${encodeHex(fixed, fixedOffset + offset, fixedOffset + offset + bytes)}`;
  const json: VesEnvelopeJson = {
    ves_version: envelope.vesVersion,
    event_id: id(FIXED.eventId),
    tenant_id: id(FIXED.tenantId),
    store_id: id(FIXED.storeId),
    source_agent_id: id(FIXED.sourceAgentId),
    agent_key_id: envelope.agentKeyId,
    entity_type: envelope.entityType,
    entity_id: envelope.entityId,
    event_type: envelope.eventType,
    created_at: envelope.createdAt,
    payload_kind: envelope.payloadKind,
    payload_plain_hash: hex(FIXED.payloadPlainHash, 32),
    payload_cipher_hash: hex(FIXED.payloadCipherHash, 32),
    agent_signature: hex(FIXED.agentSignature, 64),
  };
  if (envelope.payload !== undefined) json.payload = envelope.payload;
  if (envelope.payloadEncrypted !== undefined) json.payload_encrypted = envelope.payloadEncrypted.json;
  if (envelope.signatureScheme !== 0) json.agent_signature_scheme = envelope.signatureScheme;
  if (envelope.signatureBundle !== undefined) {
    const { ed25519Signature, mlDsa65Signature } = envelope.signatureBundle;
    json.agent_signature_bundle = {
      ...(ed25519Signature && { ed25519_signature: [...ed25519Signature] }),
      ...(mlDsa65Signature && { ml_dsa_65_signature: [...mlDsa65Signature] }),
    };
  }
  if (sequenced !== undefined) {
    json.sequence_number = Number(sequenced.sequenceNumber);
    json.sequenced_at = sequenced.sequencedAt;
  }
  if (envelope.hasCommandId) json.command_id = id(FIXED.commandId);
  if (envelope.baseVersion !== undefined) json.base_version = envelope.baseVersion;
  return json;
}

import {
  canonicalize,
  type EventSigningFields,
  encodeHex,
  eventSigningHash,
  packFixedFields,
  payloadPlainHash,
  portableSha256,
  type Sha256,
  type VesEnvelopeJson,
} from '../engine/protocol/index.js';

/** What an agent says; ids are UUID text. */
export interface EventDraft {
  readonly eventId: string;
  readonly tenantId: string;
  readonly storeId: string;
  readonly agentId: string;
  readonly keyId: number;
  readonly entityType: string;
  readonly entityId: string;
  readonly eventType: string;
  /** RFC 3339; the exact characters are signed. */
  readonly createdAt: string;
  readonly payload: unknown;
  readonly commandId?: string;
  /** The entity's version the agent saw; the event is refused if another came in between. */
  readonly baseVersion?: number;
  /** Signature version; 2 (the default) also covers commandId and baseVersion. */
  readonly vesVersion?: 1 | 2;
}

/** A signed envelope and the hash that was signed (32 bytes), which receipts are checked against. */
export interface SignedEvent {
  readonly envelope: VesEnvelopeJson;
  readonly signingHash: Uint8Array;
}

/**
 * Makes the signed VES envelope of a plaintext event.
 *
 * @param sign Ed25519 over the 32-byte signing hash, 64 bytes out
 * @throws JcsError when the payload is not JSON, RangeError when an id is not a UUID
 * @example signEvent(draft, (hash) => signEd25519(hash, seed))
 */
export function signEvent(
  draft: EventDraft,
  sign: (hash: Uint8Array) => Uint8Array,
  sha256: Sha256 = portableSha256,
): SignedEvent {
  const plainHash = payloadPlainHash(canonicalize(draft.payload), { sha256 });
  const vesVersion = draft.vesVersion ?? 2;
  const fields: EventSigningFields = {
    vesVersion,
    agentKeyId: draft.keyId,
    entityType: draft.entityType,
    entityId: draft.entityId,
    eventType: draft.eventType,
    createdAt: draft.createdAt,
    payloadKind: 0,
    hasCommandId: draft.commandId !== undefined,
    baseVersion: draft.baseVersion,
    fixed: packFixedFields({
      tenantId: draft.tenantId,
      storeId: draft.storeId,
      eventId: draft.eventId,
      sourceAgentId: draft.agentId,
      commandId: draft.commandId,
      payloadPlainHash: plainHash,
    }),
    fixedOffset: 0,
  };
  const signingHash = eventSigningHash(fields, sha256);
  const envelope: VesEnvelopeJson = {
    ves_version: vesVersion,
    event_id: draft.eventId,
    tenant_id: draft.tenantId,
    store_id: draft.storeId,
    source_agent_id: draft.agentId,
    agent_key_id: draft.keyId,
    entity_type: draft.entityType,
    entity_id: draft.entityId,
    event_type: draft.eventType,
    created_at: draft.createdAt,
    payload_kind: 0,
    payload: draft.payload,
    payload_plain_hash: `0x${encodeHex(plainHash)}`,
    payload_cipher_hash: `0x${'00'.repeat(32)}`,
    agent_signature: `0x${encodeHex(sign(signingHash))}`,
    ...(draft.commandId === undefined ? {} : { command_id: draft.commandId }),
    ...(draft.baseVersion === undefined ? {} : { base_version: draft.baseVersion }),
  };
  return { envelope, signingHash };
}

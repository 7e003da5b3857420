import { decodeHex, type EventSigningFields, packFixedFields } from '../../engine/protocol/index.js';

/** Bytes of hex that must be right. */
export function hex(text: string): Uint8Array {
  const bytes = decodeHex(text);
  if (bytes === undefined) throw new Error(`bad hex in a test: ${text}`);
  return bytes;
}

export const ZERO_HEX = '00'.repeat(32);

/** Seed and public key of RFC 8032 section 7.1 test 1, used as the agent's. */
export const AGENT_SEED = hex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60');
export const AGENT_PUBLIC_KEY = hex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a');
/** Seed of RFC 8032 section 7.1 test 2, used as the sequencer's. */
export const SEQUENCER_SEED = hex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb');

/** The cross-platform vector of the protocol. */
export const VECTOR_A: EventSigningFields = {
  vesVersion: 1,
  agentKeyId: 1,
  entityType: 'order',
  entityId: 'ORD-001',
  eventType: 'order.created',
  createdAt: '2025-12-20T17:51:10.243Z',
  payloadKind: 0,
  hasCommandId: false,
  baseVersion: undefined,
  fixed: packFixedFields({
    tenantId: '64527dd3-a654-4410-9327-e58a1492ce77',
    storeId: '91def158-819a-4461-b5c9-7759750ad157',
    eventId: '861910c9-7a1d-4b6f-83d6-51bbf4ae2849',
    sourceAgentId: '80441726-74e2-430a-95ae-97ce21c6351b',
    payloadPlainHash: '7777c3fef466a0e9df7e07ea4ff13dc8ffbb9e487098f1b65530cdce7b6bbbe7',
  }),
  fixedOffset: 0,
};

export const IDS_B = {
  tenantId: '00000000-0000-0000-0000-000000000001',
  storeId: '00000000-0000-0000-0000-000000000002',
  eventId: '11111111-1111-1111-1111-111111111111',
  sourceAgentId: '22222222-2222-2222-2222-222222222222',
};

/** The complete signed event of the protocol, with a chosen plain hash. */
export function vectorB(payloadPlainHash: string): EventSigningFields {
  return {
    vesVersion: 1,
    agentKeyId: 1,
    entityType: 'InventoryItem',
    entityId: 'WIDGET-001',
    eventType: 'Adjusted',
    createdAt: '2025-01-01T00:00:00Z',
    payloadKind: 0,
    hasCommandId: false,
    baseVersion: undefined,
    fixed: packFixedFields({ ...IDS_B, payloadPlainHash }),
    fixedOffset: 0,
  };
}

export const VECTOR_B = vectorB('815ab060b3f26dacf429ce062f8befb81f52938e692010255f86d12c3e4c2cda');

/** A correct wire envelope; members can be replaced, or removed with `undefined`. */
export function wireEnvelope(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    ves_version: 1,
    event_id: IDS_B.eventId,
    tenant_id: IDS_B.tenantId,
    store_id: IDS_B.storeId,
    source_agent_id: IDS_B.sourceAgentId,
    agent_key_id: 1,
    entity_type: 'InventoryItem',
    entity_id: 'WIDGET-001',
    event_type: 'Adjusted',
    created_at: '2025-01-01T00:00:00Z',
    payload_kind: 0,
    payload: { delta: 100, reason: 'test' },
    payload_plain_hash: '0x815ab060b3f26dacf429ce062f8befb81f52938e692010255f86d12c3e4c2cda',
    payload_cipher_hash: `0x${ZERO_HEX}`,
    agent_signature:
      '0xa0478a20df91042a3a3cf4388553875e6ef488aaae9726cffb9968e352cbd1214fd6b13d77b19fd29b4584743984aa96a90183a41f89e09ddfbfbcc837f9b00a',
    ...changes,
  };
}

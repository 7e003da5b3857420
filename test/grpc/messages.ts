/** Signed events of the tests as v2 messages. */
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { SignedEvent } from '../../agent/sign-event.js';
import { decodeHex, parseInstant, type VesEnvelopeJson } from '../../engine/protocol/index.js';
import { v2 } from '../../engine/wire-proto/index.js';

export const timestampOf = (text: string) => {
  const timestamp = timestampFromDate(new Date(Number(parseInstant(text)! / 1000n)));
  timestamp.nanos = Number(parseInstant(text)! % 1_000_000n) * 1000;
  return timestamp;
};

/** How the timestamp travels: its text alone, the instant alone, or both. */
export type Clock = 'text' | 'instant' | 'both';

export function envelopeMessage(
  event: SignedEvent | VesEnvelopeJson,
  clock: Clock = 'both',
): v2.EventEnvelope {
  const json = 'envelope' in event ? event.envelope : event;
  return create(v2.EventEnvelopeSchema, {
    eventId: json.event_id,
    commandId: json.command_id ?? '',
    tenantId: json.tenant_id,
    storeId: json.store_id,
    entityType: json.entity_type,
    entityId: json.entity_id,
    eventType: json.event_type,
    sourceAgent: json.source_agent_id,
    vesVersion: json.ves_version,
    payloadKind: json.payload_kind === 0 ? v2.PayloadKind.PLAINTEXT : v2.PayloadKind.ENCRYPTED,
    payload: Buffer.from(JSON.stringify(json.payload)),
    payloadPlainHash: decodeHex(json.payload_plain_hash)!,
    agentKeyId: json.agent_key_id,
    agentSignature: decodeHex(json.agent_signature)!,
    baseVersion: BigInt(json.base_version ?? 0),
    baseVersionSet: json.base_version !== undefined,
    ...(clock === 'text' ? {} : { createdAt: timestampOf(json.created_at) }),
    ...(clock === 'instant' ? {} : { createdAtText: json.created_at }),
  });
}

export const pushMessage = (
  agent: { agentId: string; tenantId: string; storeId: string },
  events: readonly v2.EventEnvelope[],
  requestId = '',
): v2.PushRequest =>
  create(v2.PushRequestSchema, {
    agentId: agent.agentId,
    tenantId: agent.tenantId,
    storeId: agent.storeId,
    events: [...events],
    requestId,
  });

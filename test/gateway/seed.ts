import {
  canonicalize,
  decodeHex,
  encodeHex,
  eventSigningHash,
  FIXED,
  packFixedFields,
  parseUuid,
  payloadPlainHash,
  signEd25519,
} from '../../engine/protocol/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { entityKey } from '../../engine/store/entity-key.js';
import { AGENT, identity, STORE, TENANT } from './support.js';

export const AGENT_SEED = Uint8Array.from({ length: 32 }, (_, i) => 100 + i);

export type SeedEvent = {
  eventId: string;
  entityType?: string;
  entityId?: string;
  payload?: unknown;
  encrypted?: string;
  commandId?: string;
  baseVersion?: number;
  createdAt?: string;
  storeId?: string;
};

const keyOf = (tenantId: string, storeId: string, type: string, id: string) => {
  const tenantStore = new Uint8Array(32);
  tenantStore.set(parseUuid(tenantId)!, 0);
  tenantStore.set(parseUuid(storeId)!, 16);
  return entityKey(tenantStore, type, id);
};

/** Stores signed VES events as one committed group, numbered from 1; answers what was signed, by event. */
export async function seedVesEvents(
  sql: Sql,
  events: readonly SeedEvent[],
  group: {
    sequencedAt?: string;
    sequencerId?: string;
    keyVersion?: number;
    skipNumbers?: readonly number[];
    firstSequence?: number;
  } = {},
): Promise<{ signingHash: Uint8Array; signature: Uint8Array }[]> {
  const sequencedAt = group.sequencedAt ?? '2026-01-31 12:00:00.123456+00';
  const storeId = events[0]?.storeId ?? STORE;
  const first = group.firstSequence ?? 1;
  const results = [];
  let sequence = first - 1;
  for (const event of events) {
    sequence++;
    const { entityType = 'order', entityId = 'o1', createdAt = '2026-01-31T12:00:00.000Z' } = event;
    const kind = event.encrypted === undefined ? 0 : 1;
    const payload = event.encrypted ?? canonicalize(event.payload ?? { n: sequence });
    const plainHash = payloadPlainHash(payload);
    const cipherHash = new Uint8Array(32).fill(kind === 1 ? 7 : 0);
    const fixed = packFixedFields({
      tenantId: TENANT,
      storeId,
      eventId: event.eventId,
      sourceAgentId: AGENT,
      commandId: event.commandId,
      payloadPlainHash: plainHash,
      payloadCipherHash: cipherHash,
    });
    const signingHash = eventSigningHash({
      vesVersion: 1,
      agentKeyId: 1,
      entityType,
      entityId,
      eventType: 'order.created',
      createdAt,
      payloadKind: kind,
      hasCommandId: event.commandId !== undefined,
      baseVersion: event.baseVersion,
      fixed,
      fixedOffset: 0,
    });
    const signature = signEd25519(signingHash, AGENT_SEED);
    fixed.set(signature, FIXED.agentSignature);
    results.push({ signingHash, signature });
    if (group.skipNumbers?.includes(sequence)) continue;
    const hashes = Buffer.concat([signingHash, signature, plainHash, ...(kind === 1 ? [cipherHash] : [])]);
    await sql`
      insert into ves_events (sequence_number, sequenced_at, entity_key, base_version, agent_key_id, ves_version, payload_kind,
        tenant_id, store_id, event_id, source_agent_id, command_id, entity_type, entity_id, event_type, created_at_str,
        payload, hashes)
      values (${sequence}, ${sequencedAt}, ${keyOf(TENANT, storeId, entityType, entityId)}, ${event.baseVersion ?? null}, 1, 1,
        ${kind}, ${TENANT}, ${storeId}, ${event.eventId}, ${AGENT}, ${event.commandId ?? null}, ${entityType}, ${entityId},
        'order.created', ${createdAt}, ${payload}, ${hashes})`;
  }
  await sql`
    insert into ves_sequence_counters (tenant_id, store_id, current_sequence) values (${TENANT}, ${storeId}, ${sequence})
    on conflict (tenant_id, store_id) do update set current_sequence = excluded.current_sequence`;
  await sql`
    insert into ves_sequencer_receipts (tenant_id, store_id, last_sequence, first_sequence, sequencer_id,
      sequencer_key_version, sequenced_at, root_hash)
    values (${TENANT}, ${storeId}, ${sequence}, ${first}, ${group.sequencerId ?? identity.id},
      ${group.keyVersion ?? identity.keyVersion}, ${sequencedAt}, ${new Uint8Array(32)})`;
  return results;
}

/** Stores legacy events, numbered from 1. */
export async function seedLegacyEvents(
  sql: Sql,
  events: readonly (SeedEvent & { payloadText: string; signature?: Uint8Array })[],
): Promise<void> {
  let sequence = 0;
  for (const event of events) {
    sequence++;
    const { entityType = 'order', entityId = 'o1', createdAt = '2026-01-31T12:00:00Z' } = event;
    await sql`
      insert into events (sequence_number, sequenced_at, entity_key, base_version, envelope_version, tenant_id, store_id,
        event_id, source_agent, command_id, entity_type, entity_id, event_type, created_at_str, payload, payload_hash,
        signature)
      values (${sequence}, '2026-01-31 12:00:00.5+00', ${keyOf(TENANT, STORE, entityType, entityId)},
        ${event.baseVersion ?? null}, 1, ${TENANT}, ${STORE}, ${event.eventId}, ${AGENT}, ${event.commandId ?? null},
        ${entityType}, ${entityId}, 'order.created', ${createdAt}, ${event.payloadText}, ${new Uint8Array(32).fill(9)},
        ${event.signature ?? null})`;
  }
  await sql`
    insert into sequence_counters (tenant_id, store_id, current_sequence) values (${TENANT}, ${STORE}, ${sequence})`;
}

export const eventId = (n: number) => `eeeeeeee-eeee-4eee-8eee-${n.toString(16).padStart(12, '0')}`;
export const hex = encodeHex;
export const unhex = (text: string) => decodeHex(text)!;

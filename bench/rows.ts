/** Rows as the verify workers pack them, for measurements of what comes after; nobody checks their signatures any more. */
import { createHash, randomBytes } from 'node:crypto';
import { FIXED, formatUuid, newUuidV7, packFixedFields, parseUuid } from '../engine/protocol/index.js';
import { createBatchBuilder, outcome, STREAM_VES } from '../engine/sequencer/index.js';
import { encodeVesRow, VES_ROW_FIXED_BYTES } from '../engine/store/copy-row.js';
import type { Population } from '../loadtest/event-source.js';

export interface RowMix {
  readonly payloadBytes: number;
  readonly entities: number;
  /** 0 up to, not including, 1. */
  readonly random: () => number;
}

/** Room for the four strings of a row. */
const TEXT_BYTES_MAX = 240;

/** One packed batch: a request per stream, `events` events spread evenly over them. */
export function packRows(population: Population, mix: RowMix, events: number): ArrayBuffer {
  const builder = createBatchBuilder();
  const tenantId = parseUuid(population.tenantId)!;
  const payload = Buffer.alloc(mix.payloadBytes, 'p');
  const encoded = { end: 0, proof: 0, entity: 0 };
  population.storeIds.forEach((storeId, slot) => {
    const store = parseUuid(storeId)!;
    builder.request(slot, STREAM_VES, tenantId, store, Number.MAX_SAFE_INTEGER);
    for (let i = 0; i < events / population.storeIds.length; i++) {
      const entityId = `ord-${Math.floor(mix.random() * mix.entities)}`;
      const entityKey = createHash('sha256').update(store).update(entityId).digest().subarray(0, 8);
      const fixed = packFixedFields({
        tenantId,
        storeId: store,
        eventId: formatUuid(newUuidV7(Date.now(), randomBytes(10))),
        sourceAgentId: population.agents[0]!.agentId,
        payloadPlainHash: randomBytes(32),
        agentSignature: randomBytes(64),
      });
      const envelope = {
        vesVersion: 2,
        agentKeyId: 1,
        entityType: 'order',
        entityId,
        eventType: 'order.updated',
        createdAt: '2026-01-01T00:00:00.000Z',
        payloadKind: 0 as const,
        hasCommandId: false,
        baseVersion: undefined,
        fixed,
        fixedOffset: 0,
        payload: undefined,
        payloadEncrypted: undefined,
        signatureScheme: 0,
        signatureBundle: undefined,
      };
      const place = builder.reserve(VES_ROW_FIXED_BYTES + payload.length + TEXT_BYTES_MAX);
      const row = { envelope, payload, entityKey, signingHash: randomBytes(32) };
      encodeVesRow(place.target, place.offset, row, encoded);
      const entry = {
        idBytes: fixed,
        idOffset: FIXED.eventId,
        commandBytes: undefined,
        commandOffset: 0,
        digest: randomBytes(32),
        entityKey,
        baseVersion: undefined,
        verdict: outcome.ACCEPTED,
        proof: encoded.proof,
        entity: encoded.entity,
      };
      builder.event(entry, encoded.end);
    }
  });
  return builder.finish();
}

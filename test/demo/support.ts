import { createHash, randomUUID } from 'node:crypto';
import type { StoredEnvelope } from '../../agent/client.js';
import { signEvent } from '../../agent/sign-event.js';
import { type AgentKey, createAgentKey } from '../../cli/demo/agent-key.js';
import type { LedgerEntry } from '../../cli/demo/ledger.js';
import {
  encodeHex,
  packFixedFields,
  receiptHash,
  receiptToJson,
  type VesEnvelopeJson,
} from '../../engine/protocol/index.js';
import { envelopeDigest } from '../../loadtest/envelope-digest.js';

export const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

/** A stream of acknowledged events as an agent and a service that do everything right leave it behind. */
export interface Example {
  readonly tenantId: string;
  readonly storeId: string;
  readonly sequencer: AgentKey;
  readonly keys: Map<number, string>;
  readonly entries: LedgerEntry[];
  readonly stored: StoredEnvelope[];
}

export function makeExample(events: number): Example {
  const [tenantId, storeId, agentId] = [randomUUID(), randomUUID(), randomUUID()];
  const agent = createAgentKey();
  const sequencer = createAgentKey();
  const entries: LedgerEntry[] = [];
  const stored: StoredEnvelope[] = [];
  for (let sequenceNumber = 1; sequenceNumber <= events; sequenceNumber++) {
    const eventId = randomUUID();
    const { envelope, signingHash } = signEvent(
      {
        eventId,
        tenantId,
        storeId,
        agentId,
        keyId: 1,
        entityType: 'order',
        entityId: `o-${sequenceNumber}`,
        eventType: 'order.placed',
        createdAt: new Date().toISOString(),
        payload: { n: sequenceNumber },
      },
      agent.sign,
    );
    const fixed = packFixedFields({
      tenantId,
      storeId,
      eventId,
      sourceAgentId: agentId,
      payloadPlainHash: new Uint8Array(32),
    });
    const hash = receiptHash({ fixed, fixedOffset: 0 }, sequenceNumber, signingHash);
    const receipt = receiptToJson({
      sequencerId: randomUUID(),
      eventId,
      sequenceNumber,
      sequencedAtMicros: 0,
      receiptHash: hash,
      signature: sequencer.sign(hash),
      keyVersion: 1,
    });
    const digest = encodeHex(envelopeDigest(envelope, sha256));
    entries.push({ storeId, eventId, signingHash: encodeHex(signingHash), digest, receipt });
    stored.push(sequenced(envelope, sequenceNumber));
  }
  const keys = new Map([[1, encodeHex(sequencer.publicKey)]]);
  return { tenantId, storeId, sequencer, keys, entries, stored };
}

export const sequenced = (envelope: VesEnvelopeJson, number: number): StoredEnvelope => ({
  ...envelope,
  sequence_number: number,
  sequenced_at: '2026-01-01T00:00:00+00:00',
});

/** Reads from a list as the service does. */
export const reader = (stored: readonly StoredEnvelope[]) => ({
  async readEvents(_stream: unknown, from: number, limit: number) {
    const events = stored.filter((event) => event.sequence_number >= from).slice(0, limit);
    const head = stored.at(-1)?.sequence_number ?? 0;
    return { events, next: (events.at(-1)?.sequence_number ?? from - 1) + 1, head };
  },
});

/** What is stored of legacy streams as v1 messages. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { LegacyCommitment } from '../../../engine/commitments/index.js';
import type { LegacyEventRow } from '../../../engine/store/legacy-events.js';
import type { v1 } from '../../../engine/wire-proto/index.js';
import { type StreamRef, timestampOfMicros, timestampOfStored, timestampOfText } from '../values.js';

export const sequencedEvent = (
  event: LegacyEventRow,
  { tenantId, storeId }: StreamRef,
): MessageInitShape<typeof v1.SequencedEventSchema> => ({
  envelope: {
    eventId: event.eventId,
    commandId: event.commandId ?? '',
    tenantId,
    storeId,
    entityType: event.entityType,
    entityId: event.entityId,
    eventType: event.eventType,
    payload: Buffer.from(event.payload, 'utf8'),
    payloadHash: Buffer.from(event.payloadHash, 'hex'),
    baseVersion: event.baseVersion ?? 0n,
    createdAt: timestampOfText(event.createdAt),
    sourceAgent: event.sourceAgent,
    signature: event.signature ?? new Uint8Array(0),
  },
  sequenceNumber: event.sequence,
  sequencedAt: timestampOfStored(event.sequencedAt),
});

export const batchCommitment = (
  commitment: LegacyCommitment,
): MessageInitShape<typeof v1.BatchCommitmentSchema> => ({
  batchId: commitment.batchId,
  merkleRoot: commitment.eventsRoot,
  startSequence: commitment.sequenceStart,
  endSequence: commitment.sequenceEnd,
  eventCount: commitment.eventCount,
  committedAt: timestampOfMicros(commitment.committedAtMicros),
});

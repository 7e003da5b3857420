import { z } from 'zod';
import { ReceiptQuery } from '../../routes/ingest.js';
import { type Operations, ok } from '../operation.js';
import { count, GroupReceipt, hash, id, note, Receipt, SignedEvent, text } from '../shapes.js';

const numberOrNull = () => count().nullable();

export const IngestRequest = z.object({
  agentId: id().meta({ description: 'The agent whose events these are' }),
  events: z
    .array(SignedEvent)
    .min(1)
    .meta({ description: 'At most as many as the limits of the server say' }),
});

const Rejection = z.object({ event_id: id(), eventId: id().optional(), reason: text(), message: text() });

/** Paths as indices into `hashes`, which the events of a group share. */
const BatchGroupReceipt = GroupReceipt.pick({ checkpoint: true }).extend({
  checkpoint: note(),
  treeSize: count(),
  rootHash: hash(),
  hashes: z.array(hash()),
  proofs: z.array(
    z.object({
      eventId: id(),
      sequenceNumber: count(),
      leafIndex: count(),
      path: z.array(count()).meta({ description: 'Indices into `hashes`, from the leaf upwards' }),
    }),
  ),
});

export const IngestResult = z.object({
  batchId: id(),
  eventsAccepted: count(),
  eventsRejected: count(),
  sequenceStart: numberOrNull(),
  sequenceEnd: numberOrNull(),
  headSequence: count(),
  rejections: z.array(Rejection).optional(),
  receipts: z.array(Receipt).optional(),
  groupReceipts: z.array(BatchGroupReceipt).optional(),
});

const LegacyEvent = z.object({
  event_id: id(),
  tenant_id: id(),
  store_id: id(),
  entity_type: text(),
  entity_id: text(),
  event_type: text(),
  payload: z.unknown(),
  payload_hash: z.string().meta({ description: 'SHA-256 of the compact JSON with sorted members' }),
  created_at: text('RFC 3339'),
  source_agent: id(),
  command_id: id().optional(),
  base_version: count().optional(),
  envelope_version: count().optional(),
  signature: z.array(count()).optional().meta({ description: 'Bytes; stored, never verified' }),
});

export const LegacyIngestRequest = z.object({ agent_id: id(), events: z.array(LegacyEvent) });

export const LegacyIngestResult = z.object({
  batch_id: id(),
  events_accepted: count(),
  events_rejected: count(),
  assigned_sequence_start: numberOrNull(),
  assigned_sequence_end: numberOrNull(),
  head_sequence: count(),
  rejections: z.array(Rejection).optional(),
});

export const INGEST: Operations = {
  'POST /api/v1/ves/events/ingest': {
    id: 'ingestEvents',
    tag: 'Ingest',
    summary: 'Submit signed events',
    description:
      'Gives the good events of one agent for one stream the next numbers, in their order, and answers when they are durable. ' +
      'Events are judged one by one: the status is 200 even when all were rejected. Sending the same events again is safe and ' +
      'gives the first receipts.',
    query: ReceiptQuery,
    body: IngestRequest,
    bodyName: 'IngestRequest',
    answers: ok('What became of each event', IngestResult),
    blocks: ['request', 'answer', 'other'],
  },
  'POST /api/v1/events/ingest': {
    id: 'ingestOlderEvents',
    tag: 'Older stream',
    summary: 'Submit events',
    description: 'As for signed events, without key, signature and receipts.',
    body: LegacyIngestRequest,
    bodyName: 'OlderIngestRequest',
    answers: ok('What became of the events', LegacyIngestResult),
  },
};

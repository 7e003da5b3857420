/** What is stored of VES streams as v2 messages. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { VesCommitment } from '../../../engine/commitments/index.js';
import type { v2 } from '../../../engine/wire-proto/index.js';
import { timestampOfMicros } from '../values.js';

const NOTHING = new Uint8Array(0);

export const batchCommitment = (
  commitment: VesCommitment,
): MessageInitShape<typeof v2.BatchCommitmentSchema> => ({
  batchId: commitment.batchId,
  merkleRoot: commitment.merkleRoot,
  startSequence: commitment.sequenceStart,
  endSequence: commitment.sequenceEnd,
  eventCount: commitment.leafCount,
  committedAt: timestampOfMicros(commitment.committedAtMicros),
  previousRoot: commitment.prevStateRoot.every((byte) => byte === 0) ? NOTHING : commitment.prevStateRoot,
});

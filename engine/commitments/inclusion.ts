import { invariant, ServiceError } from '../errors/index.js';
import { equalBytes, type MerkleLevels, type MerklePath, nodeAt, treeRoot } from '../protocol/index.js';
import type { CommitmentStream } from '../store/commitment-rows.js';

/** A proof that an event is in a commitment. Structured-cloneable. */
export type InclusionProof = MerklePath & {
  readonly sequence: bigint;
  readonly batchId: string;
  /** The commitment's Merkle root, `Uint8Array(32)`. */
  readonly root: Uint8Array;
  readonly leafHash: Uint8Array;
  readonly leafIndex: number;
};

/** As much of a commitment as a proof needs. */
type Committed = CommitmentStream & {
  readonly batchId: string;
  readonly sequenceStart: bigint;
  readonly sequenceEnd: bigint;
};

/** The look-ups of one kind of commitments. */
export type Finders<Commitment extends Committed> = {
  readonly byBatch: (batchId: string) => Promise<Commitment | undefined>;
  readonly upTo: (sequence: bigint) => Promise<Commitment | undefined>;
  readonly last: () => Promise<Commitment | undefined>;
  readonly head: () => Promise<bigint>;
};

/**
 * The commitment in which an event is to be proven: the named one, or the one that covers it.
 *
 * @throws ServiceError BATCH_NOT_FOUND, INSUFFICIENT_PERMISSIONS (the batch is another stream's), INVALID_FIELD_VALUE (it does
 * not cover the event), EVENT_NOT_FOUND
 */
export async function findCommitment<Commitment extends Committed>(
  finders: Finders<Commitment>,
  stream: CommitmentStream,
  sequence: bigint,
  batchId: string | undefined,
): Promise<Commitment> {
  if (batchId === undefined) {
    const last = await finders.last();
    const commitment = await finders.upTo(sequence);
    if (commitment !== undefined && sequence <= commitment.sequenceEnd) return commitment;
    throw uncommitted(sequence, await finders.head(), last);
  }
  const commitment = await finders.byBatch(batchId);
  if (commitment === undefined) throw new ServiceError('BATCH_NOT_FOUND', 'Commitment not found');
  if (commitment.tenantId !== stream.tenantId || commitment.storeId !== stream.storeId)
    throw new ServiceError('INSUFFICIENT_PERMISSIONS', 'Commitment access denied'); // L10
  if (sequence < commitment.sequenceStart || sequence > commitment.sequenceEnd)
    throw new ServiceError('INVALID_FIELD_VALUE', 'Sequence number not in commitment range', {
      details: {
        sequence_start: Number(commitment.sequenceStart),
        sequence_end: Number(commitment.sequenceEnd),
      },
    });
  return commitment;
}

/** `last` was read before the look-up failed, so that a commitment made in between cannot look like one that left the event out. */
function uncommitted(sequence: bigint, head: bigint, last: Committed | undefined): ServiceError {
  if (sequence < 1n || sequence > head)
    return new ServiceError(
      'EVENT_NOT_FOUND',
      `There is no event ${sequence}; the stream's head is ${head}`,
      {
        details: { sequence_number: Number(sequence), head_sequence: Number(head) },
      },
    );
  const details = {
    status: 'not_committed',
    sequence_number: Number(sequence),
    head_sequence: Number(head),
    committed_through: last === undefined ? null : Number(last.sequenceEnd),
  };
  const message =
    last === undefined || sequence > last.sequenceEnd
      ? `Event ${sequence} is not committed yet`
      : `Event ${sequence} is older than the stream's first commitment and is in none`;
  return new ServiceError('BATCH_NOT_FOUND', message, { details });
}

/** Puts a proof together. The tree was checked against the commitment when it was built. */
export function inclusionOf(
  commitment: Committed & { readonly root: Uint8Array },
  sequence: bigint,
  tree: MerkleLevels,
  prove: (tree: MerkleLevels, leafIndex: number) => MerklePath,
): InclusionProof {
  const leafIndex = Number(sequence - commitment.sequenceStart);
  return {
    sequence,
    batchId: commitment.batchId,
    root: commitment.root,
    leafHash: nodeAt(tree, 0, leafIndex)!,
    leafIndex,
    ...prove(tree, leafIndex),
  };
}

/** A tree that was computed again must have the root that was committed (L9). */
export function requireRoot(tree: MerkleLevels, root: Uint8Array, batchId: string): MerkleLevels {
  invariant(
    equalBytes(treeRoot(tree), root),
    'INTERNAL_ERROR',
    () => `the events of commitment ${batchId} do not give its root: the store is damaged`,
  );
  return tree;
}

import { invariant } from '../engine/errors/index.js';
import { equalBytes } from '../engine/protocol/index.js';
import type { Checkpoints, SignedCheckpoint } from '../engine/transparency/checkpoints.js';
import type { InclusionProof, LogId, LogService } from '../engine/transparency/index.js';
import type { Notary } from '../engine/transparency/notary.js';
import type { Witnessing } from '../engine/transparency/witnessing.js';

/** The logs as the routes read them. */
export interface TransparencyServices {
  readonly logs: LogService;
  /** Signs with the present key of the gateway's identity. */
  readonly checkpoints: Checkpoints;
  readonly notary: Pick<Notary, 'proveStream' | 'published'>;
  readonly witnessing: Pick<Witnessing, 'status'>;
}

/** A leaf's proof and the signed checkpoint that it leads to. */
export interface CertifiedLeaf {
  readonly leafIndex: number;
  readonly proof: InclusionProof;
  readonly checkpoint: SignedCheckpoint;
}

/** @throws ServiceError INVALID_FIELD_VALUE unless leafIndex < size <= the log's present size */
export async function certifyLeaf(
  { logs, checkpoints }: Pick<TransparencyServices, 'logs' | 'checkpoints'>,
  log: LogId,
  leafIndex: number,
  size: number,
): Promise<CertifiedLeaf> {
  const [proof, checkpoint] = await Promise.all([
    logs.inclusion(log, leafIndex, size),
    checkpoints.stream(log, size),
  ]);
  // L4: what leaves the service verifies.
  invariant(
    equalBytes(proof.root, checkpoint.root),
    'INTERNAL_ERROR',
    () => `the proof of leaf ${leafIndex} does not lead to the root that is signed at size ${size}`,
  );
  return { leafIndex, proof, checkpoint };
}

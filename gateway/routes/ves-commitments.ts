import { type CommitmentService, commitmentCreated } from '../../engine/commitments/index.js';
import { encodeHex, verifyVesInclusion } from '../../engine/protocol/index.js';
import { type Auditor, callerOf } from '../audit.js';
import { answering, type Exchange } from '../http/exchange.js';
import { json, type Reply } from '../http/reply.js';
import type { Route } from '../http/router.js';
import {
  batchIdOf,
  commitmentListOf,
  commitmentPageJson,
  commitRangeOf,
  proofRequestOf,
  requireReader,
  VesProofBody,
  visibleCommitment,
} from '../input/commitment-input.js';
import { parseBody } from '../input/parse.js';
import { anchoredVesCommitmentJson, inclusionProofJson, vesCommitmentJson } from '../render/commitment.js';

/** Commitments of VES streams and the proofs in them. */
export const vesCommitmentRoutes = ({
  commitments,
  auditor,
}: {
  commitments: CommitmentService;
  auditor: Auditor;
}): Route[] => [
  {
    method: 'GET',
    path: '/api/v1/ves/commitments',
    scope: 'read',
    handler: answering(async (exchange) => {
      const { stream, page, limit } = commitmentListOf(exchange);
      const found = await commitments.listVes(stream, page);
      return json(
        commitmentPageJson(found, limit, (commitment) => ({
          ...vesCommitmentJson(commitment),
          is_anchored: commitment.anchoredAtMicros !== null,
        })),
      );
    }),
  },
  {
    method: 'POST',
    path: '/api/v1/ves/commitments',
    scope: 'write',
    body: 'small',
    handler: answering(async (exchange) => {
      const { stream, start, end } = commitRangeOf(exchange);
      const act = commitmentCreated('ves_commitment', stream, start, end);
      const commitment = await auditor.act(callerOf(exchange), act, (audit) =>
        commitments.commitVes(stream, start, end, audit),
      );
      return json(vesCommitmentJson(commitment));
    }),
  },
  {
    method: 'GET',
    path: '/api/v1/ves/commitments/:batch_id',
    scope: 'read',
    handler: answering(async (exchange) => {
      const commitment = await commitments.getVes(batchIdOf(exchange));
      return json(anchoredVesCommitmentJson(visibleCommitment(exchange, commitment)));
    }),
  },
  {
    method: 'GET',
    path: '/api/v1/ves/proofs/:sequence_number',
    scope: 'read',
    handler: answering(async (exchange) => {
      const { stream, sequence, batchId } = proofRequestOf(exchange);
      return json(inclusionProofJson(await commitments.proveVes(stream, sequence, batchId), 'merkle_root'));
    }),
  },
  {
    method: 'POST',
    path: '/api/v1/ves/proofs/verify',
    scope: 'authenticated',
    body: 'small',
    handler: answering(verify),
  },
];

/** Arithmetic only: whether anybody ever committed to the root is not looked at. */
function verify(exchange: Exchange): Reply {
  requireReader(exchange);
  const { leafHash, merkleRoot, proofPath, leafIndex } = parseBody(VesProofBody, exchange, 'snake_case');
  return json({
    valid: verifyVesInclusion(leafHash, leafIndex, proofPath, merkleRoot),
    leaf_hash: encodeHex(leafHash),
    merkle_root: encodeHex(merkleRoot),
  });
}

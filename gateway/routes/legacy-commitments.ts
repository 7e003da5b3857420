import { type CommitmentService, commitmentCreated } from '../../engine/commitments/index.js';
import { encodeHex, verifyLegacyInclusion } from '../../engine/protocol/index.js';
import { type Auditor, callerOf } from '../audit.js';
import { answering, type Exchange } from '../http/exchange.js';
import { json, type Reply } from '../http/reply.js';
import type { Route } from '../http/router.js';
import {
  batchIdOf,
  commitmentListOf,
  commitmentPageJson,
  commitRangeOf,
  LegacyProofBody,
  proofRequestOf,
  requireReader,
  visibleCommitment,
} from '../input/commitment-input.js';
import { parseBody } from '../input/parse.js';
import {
  inclusionProofJson,
  legacyCommitmentJson,
  storedLegacyCommitmentJson,
} from '../render/commitment.js';

/** Commitments of legacy streams and the proofs in them. */
export const legacyCommitmentRoutes = ({
  commitments,
  auditor,
}: {
  commitments: CommitmentService;
  auditor: Auditor;
}): Route[] => [
  {
    method: 'GET',
    path: '/api/v1/commitments',
    scope: 'read',
    handler: answering(async (exchange) => {
      const { stream, page, limit } = commitmentListOf(exchange);
      const found = await commitments.listLegacy(stream, page);
      return json(
        commitmentPageJson(found, limit, (commitment) => ({
          ...legacyCommitmentJson(commitment),
          is_anchored: commitment.chainTxHash !== null,
        })),
      );
    }),
  },
  {
    method: 'POST',
    path: '/api/v1/commitments',
    scope: 'write',
    body: 'small',
    handler: answering(async (exchange) => {
      const { stream, start, end } = commitRangeOf(exchange);
      const act = commitmentCreated('commitment', stream, start, end);
      const commitment = await auditor.act(callerOf(exchange), act, (audit) =>
        commitments.commitLegacy(stream, start, end, audit),
      );
      return json(legacyCommitmentJson(commitment));
    }),
  },
  {
    method: 'GET',
    path: '/api/v1/commitments/:batch_id',
    scope: 'read',
    handler: answering(async (exchange) => {
      const commitment = await commitments.getLegacy(batchIdOf(exchange));
      return json(storedLegacyCommitmentJson(visibleCommitment(exchange, commitment)));
    }),
  },
  {
    method: 'GET',
    path: '/api/v1/proofs/:sequence_number',
    scope: 'read',
    handler: answering(async (exchange) => {
      const { stream, sequence, batchId } = proofRequestOf(exchange);
      return json(
        inclusionProofJson(await commitments.proveLegacy(stream, sequence, batchId), 'events_root'),
      );
    }),
  },
  {
    method: 'POST',
    path: '/api/v1/proofs/verify',
    scope: 'authenticated',
    body: 'small',
    handler: answering(verify),
  },
];

/** Arithmetic only: whether anybody ever committed to the root is not looked at. */
function verify(exchange: Exchange): Reply {
  requireReader(exchange);
  const { leafHash, eventsRoot, proofPath, leafIndex } = parseBody(LegacyProofBody, exchange, 'snake_case');
  return json({
    valid: verifyLegacyInclusion(leafHash, leafIndex, proofPath, eventsRoot),
    leaf_hash: encodeHex(leafHash),
    events_root: encodeHex(eventsRoot),
  });
}

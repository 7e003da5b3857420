import { z } from 'zod';
import { type CommitmentService, commitmentAnchored } from '../../engine/commitments/index.js';
import { ServiceError } from '../../engine/errors/index.js';
import { encodeHex } from '../../engine/protocol/index.js';
import { type Auditor, callerOf } from '../audit.js';
import { answering, type Exchange } from '../http/exchange.js';
import { json, type Reply } from '../http/reply.js';
import type { Route } from '../http/router.js';
import { batchIdOf } from '../input/commitment-input.js';
import { hexBytes, integer, wholeNumber } from '../input/fields.js';
import { parseBody, parseQuery } from '../input/parse.js';
import { pendingCommitmentJson } from '../render/commitment.js';

const U32_MAX = 0xffff_ffff;
const PENDING_DEFAULT = 1000;
const PENDING_MAX = 5000;

export const PendingQuery = z.object({ limit: wholeNumber(U32_MAX, 1).optional() });
export const AnchoredBody = z.object({
  chainTxHash: hexBytes(32),
  chainId: integer(0, U32_MAX),
  blockNumber: integer(0, Number.MAX_SAFE_INTEGER).optional(),
});

/**
 * For a program that anchors commitments of all tenants on a chain: what is waiting, and the report that it is done. Below `/v1`
 * without `/api`, where such programs look.
 */
export const anchorCompatRoutes = ({
  commitments,
  auditor,
}: {
  commitments: CommitmentService;
  auditor: Auditor;
}): Route[] => [
  {
    method: 'GET',
    path: '/v1/commitments/pending',
    scope: 'authenticated',
    handler: answering((exchange) => pending(commitments, exchange)),
  },
  {
    method: 'POST',
    path: '/v1/commitments/:batch_id/anchored',
    scope: 'authenticated',
    body: 'small',
    handler: answering((exchange) => anchored(commitments, auditor, exchange)),
  },
];

/** Commitments of all tenants are the operator's business only. */
function requireBootstrap({ auth }: Exchange): void {
  if (!auth.bootstrap)
    throw new ServiceError('INSUFFICIENT_PERMISSIONS', 'Bootstrap admin permission required');
}

async function pending(commitments: CommitmentService, exchange: Exchange): Promise<Reply> {
  requireBootstrap(exchange);
  const { limit } = parseQuery(PendingQuery, exchange);
  const found = await commitments.listPending(Math.min(Number(limit ?? PENDING_DEFAULT), PENDING_MAX));
  return json({ commitments: found.map(pendingCommitmentJson), total: found.length });
}

async function anchored(
  commitments: CommitmentService,
  auditor: Auditor,
  exchange: Exchange,
): Promise<Reply> {
  requireBootstrap(exchange);
  const batchId = batchIdOf(exchange);
  const { chainTxHash, chainId, blockNumber } = parseBody(AnchoredBody, exchange, 'snake_case');
  const anchor = {
    txHash: chainTxHash,
    chainId,
    blockNumber: blockNumber === undefined ? null : BigInt(blockNumber),
  };
  const status = await auditor.act(callerOf(exchange), commitmentAnchored(batchId, anchor), (audit) =>
    commitments.markAnchored(batchId, anchor, audit),
  );
  if (status === 'already_anchored') return json({ batch_id: batchId, status });
  return json({
    batch_id: batchId,
    status,
    chain_tx_hash: `0x${encodeHex(chainTxHash)}`,
    chain_id: chainId,
    block_number: blockNumber ?? null,
  });
}

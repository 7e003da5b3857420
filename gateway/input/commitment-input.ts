import { z } from 'zod';
import type { CommitmentPage, CommitmentStream } from '../../engine/commitments/index.js';
import { ServiceError } from '../../engine/errors/index.js';
import { MERKLE_PATH_MAX } from '../../engine/protocol/index.js';
import type { AuthContext } from '../auth/context.js';
import { reachesStore, requireStream } from '../auth/scopes.js';
import type { Exchange } from '../http/exchange.js';
import { hexBytes, integer, uuid, wholeNumber } from './fields.js';
import { parseBody, parseQuery, pathValue } from './parse.js';

/** Most commitments in one page of a list, and in one without `limit`. */
const PAGE_COMMITMENTS_MAX = 1000;

export const RangeBody = z.object({
  tenantId: uuid(),
  storeId: uuid(),
  sequenceStart: integer(0, Number.MAX_SAFE_INTEGER),
  sequenceEnd: integer(0, Number.MAX_SAFE_INTEGER),
});
export const CommitmentListQuery = z.object({
  tenant_id: uuid(),
  store_id: uuid(),
  after: wholeNumber(Number.MAX_SAFE_INTEGER).optional(),
  limit: wholeNumber(PAGE_COMMITMENTS_MAX, 1).optional(),
  anchored: z.literal('all', { error: '"all"' }).optional(),
});
export const ProofQuery = z.object({ tenant_id: uuid(), store_id: uuid(), batch_id: uuid().optional() });

const PATH = `a list of at most ${MERKLE_PATH_MAX} hashes`;
const proofMembers = {
  leafHash: hexBytes(32),
  proofPath: z.array(hexBytes(32), { error: PATH }).max(MERKLE_PATH_MAX, { error: PATH }),
  leafIndex: integer(0, Number.MAX_SAFE_INTEGER),
};
/** What verification reads of a proof; the rest of the body is ignored. */
export const VesProofBody = z.object({ ...proofMembers, merkleRoot: hexBytes(32) });
export const LegacyProofBody = z.object({ ...proofMembers, eventsRoot: hexBytes(32) });

const streamOf = (auth: AuthContext, tenantId: string, storeId: string): CommitmentStream => {
  requireStream(auth, tenantId, storeId);
  return { tenantId, storeId };
};

/** The range that a body asks to commit, of a stream that the caller may write. */
export function commitRangeOf(exchange: Exchange): { stream: CommitmentStream; start: bigint; end: bigint } {
  const body = parseBody(RangeBody, exchange, 'snake_case');
  const stream = streamOf(exchange.auth, body.tenantId, body.storeId);
  // A large range takes a while; it goes on when nobody waits any more.
  exchange.timeoutMessage =
    'The commitment was not ready in time; it may still be made. Ask for the same range again: it is made once only';
  return { stream, start: BigInt(body.sequenceStart), end: BigInt(body.sequenceEnd) };
}

/** A list's stream and page. The page asks for one more than fits: that one only tells whether there is another page. */
export function commitmentListOf(exchange: Exchange): {
  stream: CommitmentStream;
  page: CommitmentPage;
  limit: number;
} {
  const query = parseQuery(CommitmentListQuery, exchange);
  const stream = streamOf(exchange.auth, query.tenant_id, query.store_id);
  const limit = Number(query.limit ?? PAGE_COMMITMENTS_MAX);
  const page = { after: query.after ?? 0n, limit: limit + 1, anchored: query.anchored === 'all' };
  return { stream, page, limit };
}

/** The answer to a list. */
export function commitmentPageJson<Commitment extends { readonly sequenceEnd: bigint }>(
  found: readonly Commitment[],
  limit: number,
  render: (commitment: Commitment) => object,
) {
  const commitments = found.slice(0, limit);
  return {
    commitments: commitments.map(render),
    count: commitments.length,
    next_after: found.length > limit ? Number(commitments.at(-1)!.sequenceEnd) : null,
  };
}

/** Whose proof is asked for. */
export function proofRequestOf(exchange: Exchange): {
  stream: CommitmentStream;
  sequence: bigint;
  batchId: string | undefined;
} {
  const sequence = pathValue(exchange, 0, 'sequence_number', wholeNumber(Number.MAX_SAFE_INTEGER));
  const query = parseQuery(ProofQuery, exchange);
  return {
    stream: streamOf(exchange.auth, query.tenant_id, query.store_id),
    sequence,
    batchId: query.batch_id,
  };
}

/** The batch id in the path. */
export const batchIdOf = (exchange: Exchange): string => pathValue(exchange, 0, 'batch_id', uuid());

/**
 * A commitment that the caller may see; others' are answered like ones that do not exist (L10).
 *
 * @throws ServiceError BATCH_NOT_FOUND
 */
export function visibleCommitment<Commitment extends CommitmentStream>(
  { auth }: Exchange,
  commitment: Commitment | undefined,
): Commitment {
  const isVisible =
    commitment !== undefined &&
    (auth.bootstrap || (auth.tenant === commitment.tenantId && reachesStore(auth, commitment.storeId)));
  if (!isVisible) throw new ServiceError('BATCH_NOT_FOUND', 'Commitment not found');
  return commitment;
}

/** Verification is arithmetic on what the caller sends: any reader or administrator may ask for it. */
export function requireReader({ auth }: Exchange): void {
  if (!auth.canRead && !auth.canAdmin)
    throw new ServiceError('INSUFFICIENT_PERMISSIONS', 'Read or admin permission required');
}

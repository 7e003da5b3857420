import { z } from 'zod';
import {
  CommitmentListQuery,
  LegacyProofBody,
  ProofQuery,
  RangeBody,
  VesProofBody,
} from '../../input/commitment-input.js';
import { AnchoredBody, PendingQuery } from '../../routes/anchor-compat.js';
import { STORE, TENANT } from '../example-ids.js';
import { type Operation, type Operations, ok } from '../operation.js';
import { count, hash, id, instant, number, prefixedHash, text } from '../shapes.js';

const range = { sequence_start: count(), sequence_end: count(), committed_at: instant() };
const place = { batch_id: id(), tenant_id: id(), store_id: id() };

export const VesCommitment = z.object({
  ...place,
  ves_version: count(),
  tree_depth: count(),
  leaf_count: count(),
  padded_leaf_count: count(),
  merkle_root: hash(),
  prev_state_root: hash(),
  new_state_root: hash(),
  ...range,
});
export const AnchoredCommitment = VesCommitment.extend({
  chain_id: count().nullable(),
  chain_tx_hash: hash().nullable(),
  chain_block_number: count().nullable(),
  anchored_at: instant().nullable(),
  is_anchored: z.boolean(),
});
export const LegacyCommitment = z.object({
  ...place,
  prev_state_root: hash(),
  new_state_root: hash(),
  events_root: hash(),
  event_count: count(),
  ...range,
});
export const StoredLegacyCommitment = LegacyCommitment.extend({
  sequence_range: z.array(count()).min(2).max(2),
  ves_head: count(),
  legacy_head: count(),
  chain_tx_hash: hash().nullable(),
  is_anchored: z.boolean(),
});
const pageOf = (commitment: z.ZodObject) =>
  z.object({
    commitments: z.array(commitment.extend({ is_anchored: z.boolean() })),
    count: count(),
    next_after: count().nullable().meta({ description: '`after` of the next page; null on the last' }),
  });
export const CommitmentPage = pageOf(VesCommitment);
export const LegacyCommitmentPage = pageOf(LegacyCommitment);

const proof = {
  sequence_number: count(),
  batch_id: id(),
  leaf_hash: hash(),
  leaf_index: count(),
  proof_path: z.array(hash()),
};
export const VesInclusion = z.object({
  ...proof,
  merkle_root: hash(),
  directions: z.array(z.boolean()).meta({ description: 'True where `proof_path[i]` stands to the right' }),
});
export const LegacyInclusion = z.object({
  ...proof,
  events_root: hash(),
  directions: z.array(z.boolean()).meta({ description: 'True where `proof_path[i]` stands to the left' }),
});
const verdict = { valid: z.boolean(), leaf_hash: hash() };
export const VesVerdict = z.object({ ...verdict, merkle_root: hash() });
export const LegacyVerdict = z.object({ ...verdict, events_root: hash() });

export const PendingCommitments = z.object({
  commitments: z.array(
    z.object({
      ...place,
      prev_state_root: prefixedHash(),
      new_state_root: prefixedHash(),
      events_root: prefixedHash(),
      ...range,
      event_count: count(),
      chain_tx_hash: prefixedHash().nullable(),
    }),
  ),
  total: number('How many are in the answer'),
});
export const AnchorReport = z.object({
  batch_id: id(),
  status: text('`anchored`, or `already_anchored` when it was before'),
  chain_tx_hash: prefixedHash().optional(),
  chain_id: count().optional(),
  block_number: count().nullable().optional(),
});

const creation: Pick<Operation, 'body' | 'bodyName' | 'errors'> = {
  body: RangeBody,
  bodyName: 'CommitmentRange',
  errors: ['SEQUENCE_GAP'],
};
const proofErrors = ['BATCH_NOT_FOUND', 'EVENT_NOT_FOUND', 'INVALID_FIELD_VALUE'] as const;
const hashes = { leafHash: '0'.repeat(64), proofPath: [], leafIndex: 0 };

export const COMMITMENTS: Operations = {
  'POST /api/v1/ves/commitments': {
    ...creation,
    id: 'createCommitment',
    tag: 'Commitments',
    summary: 'Commit a range of events',
    description:
      'The first commitment of a stream may start anywhere, every other one starts behind the last. The same range again is answered ' +
      'with the stored commitment.',
    answers: ok('The commitment', VesCommitment),
  },
  'GET /api/v1/ves/commitments': {
    id: 'listCommitments',
    tag: 'Commitments',
    summary: 'Commitments that no chain knows of yet',
    description: 'With `anchored=all` all of them.',
    query: CommitmentListQuery,
    answers: ok('A page of commitments', CommitmentPage),
  },
  'GET /api/v1/ves/commitments/:batch_id': {
    id: 'getCommitment',
    tag: 'Commitments',
    summary: 'One commitment, and its anchoring',
    answers: ok('The commitment', AnchoredCommitment),
    errors: ['BATCH_NOT_FOUND'],
    answerExample: {
      batch_id: '78782585-c0c9-4f30-b608-0d74b982cce7',
      tenant_id: TENANT,
      store_id: STORE,
      ves_version: 1,
      tree_depth: 2,
      leaf_count: 3,
      padded_leaf_count: 4,
      merkle_root: '998f670a6eadc1939c7844954de9861db3528a8b2733d79bc91851ad31316ad0',
      prev_state_root: '0'.repeat(64),
      new_state_root: '13c574b47ddbace70cbe64ff97c2cff194bb48f4352473fad8124aa510b61647',
      sequence_start: 1,
      sequence_end: 3,
      committed_at: '2026-11-21T04:27:28.977730Z',
      chain_id: 84532001,
      chain_tx_hash: 'ab'.repeat(32),
      chain_block_number: 1234567,
      anchored_at: '2026-11-21T04:30:00.000001Z',
      is_anchored: true,
    },
  },
  'GET /api/v1/ves/proofs/:sequence_number': {
    id: 'proveEvent',
    tag: 'Commitments',
    summary: 'That an event is in a commitment',
    query: ProofQuery,
    answers: ok('The proof', VesInclusion),
    errors: proofErrors,
  },
  'POST /api/v1/ves/proofs/verify': {
    id: 'verifyProof',
    tag: 'Commitments',
    summary: 'Walk from a leaf to a root',
    description: 'Arithmetic only: whether anybody committed to the root is not looked at.',
    body: VesProofBody,
    bodyName: 'ProofToVerify',
    answers: ok('Whether it holds', VesVerdict),
  },
  'POST /api/v1/commitments': {
    ...creation,
    id: 'createOlderCommitment',
    tag: 'Older stream',
    summary: 'Commit a range of events',
    answers: ok('The commitment', LegacyCommitment),
    blocks: ['answer'],
    requestExample: { tenantId: TENANT, storeId: STORE, sequenceStart: 1, sequenceEnd: 1 },
  },
  'GET /api/v1/commitments': {
    id: 'listOlderCommitments',
    tag: 'Older stream',
    summary: 'Commitments that no chain knows of yet',
    query: CommitmentListQuery,
    answers: ok('A page of commitments', LegacyCommitmentPage),
    answerExample: { commitments: [], count: 0, next_after: null },
  },
  'GET /api/v1/commitments/:batch_id': {
    id: 'getOlderCommitment',
    tag: 'Older stream',
    summary: 'One commitment',
    answers: ok('The commitment', StoredLegacyCommitment),
    errors: ['BATCH_NOT_FOUND'],
  },
  'GET /api/v1/proofs/:sequence_number': {
    id: 'proveOlderEvent',
    tag: 'Older stream',
    summary: 'That an event is in a commitment',
    query: ProofQuery,
    answers: ok('The proof', LegacyInclusion),
    errors: proofErrors,
  },
  'POST /api/v1/proofs/verify': {
    id: 'verifyOlderProof',
    tag: 'Older stream',
    summary: 'Walk from a leaf to a root',
    body: LegacyProofBody,
    bodyName: 'OlderProofToVerify',
    answers: ok('Whether it holds', LegacyVerdict),
    requestExample: { ...hashes, eventsRoot: '0'.repeat(64) },
    answerExample: { valid: true, leaf_hash: '0'.repeat(64), events_root: '0'.repeat(64) },
  },
  'GET /v1/commitments/pending': {
    id: 'listPendingCommitments',
    tag: 'Commitments',
    summary: 'What is to be anchored, of all tenants',
    query: PendingQuery,
    answers: ok('Commitments, oldest first', PendingCommitments),
  },
  'POST /v1/commitments/:batch_id/anchored': {
    id: 'reportAnchored',
    tag: 'Commitments',
    summary: 'A transaction holds the commitment',
    body: AnchoredBody,
    bodyName: 'Anchoring',
    answers: ok('It is noted', AnchorReport),
    errors: ['BATCH_NOT_FOUND', 'ALREADY_EXISTS'],
  },
};

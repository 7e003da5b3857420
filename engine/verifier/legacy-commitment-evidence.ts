/** Commitments of the older stream and proofs of inclusion in them, as `/api/v1/commitments` and `/api/v1/proofs/:sequence_number` give them. */
import {
  encodeHex,
  equalBytes,
  JcsError,
  LEGACY_FIXED,
  type LegacyEnvelope,
  legacyLeaf,
  legacyPathSides,
  legacyPayloadHash,
  printLegacyJson,
  verifyLegacyInclusion,
} from '../protocol/index.js';
import {
  type Commitment,
  checkCommitted,
  checkDirections,
  checkLeaf,
  checkRange,
  type ProofTies,
  readCommitment,
  readCommitmentProof,
} from './commitment-evidence.js';
import type { JsonObject } from './fields.js';
import { check, type Findings, malformed, unproven } from './findings.js';

export const LEGACY_COMMITMENT = { root: 'events_root', count: 'event_count' } as const;

/** A commitment of the older stream. Its state root covers every entity of the store, so it cannot be recomputed from it alone. */
export function checkLegacyCommitment(findings: Findings, json: JsonObject): Commitment | undefined {
  const commitment = readCommitment(json, LEGACY_COMMITMENT);
  if (commitment === undefined) return malformed(findings, 'commitment');
  checkRange(findings, commitment);
  unproven(
    findings,
    'that the state root is right: it covers the versions of all entities of the store',
    'that the sequencer made this commitment: commitments are not signed',
  );
  return commitment;
}

/** A proof that an event is in a commitment of the older stream. */
export function checkLegacyProof(
  findings: Findings,
  json: JsonObject,
  ties: ProofTies<LegacyEnvelope>,
): void {
  const proof = readCommitmentProof(json, LEGACY_COMMITMENT.root);
  if (proof === undefined) {
    malformed(findings, 'proof');
    return;
  }
  const { sequence, leaf, leafIndex, path, root } = proof;
  const leads = verifyLegacyInclusion(leaf, leafIndex, path, root);
  check(findings, 'the path leads from the leaf to the root', leads, encodeHex(root));
  checkDirections(findings, proof, legacyPathSides(leafIndex, path.length));
  for (const event of ties.events) checkPayload(findings, event);
  const leaves = ties.events.map(({ fixed, entityType, entityId }) =>
    legacyLeaf({
      tenantStore: fixed.subarray(LEGACY_FIXED.tenantId, LEGACY_FIXED.tenantId + 32),
      sequenceNumber: sequence,
      payloadHash: fixed.subarray(LEGACY_FIXED.payloadHash, LEGACY_FIXED.payloadHash + 32),
      entityType,
      entityId,
    }),
  );
  checkLeaf(findings, proof, leaves);
  checkCommitted(findings, proof, ties);
  unproven(
    findings,
    "the event's id, agent and type: a leaf of the older stream covers tenant, store, number, payload and entity only",
    'who made the event: events of the older stream are not signed',
  );
}

function checkPayload(findings: Findings, { payload, fixed }: LegacyEnvelope): void {
  const what = 'the payload has the hash that the event states';
  try {
    const hash = legacyPayloadHash(printLegacyJson(payload));
    const stated = fixed.subarray(LEGACY_FIXED.payloadHash, LEGACY_FIXED.payloadHash + 32);
    check(findings, what, equalBytes(hash, stated));
  } catch (error) {
    if (!(error instanceof JcsError)) throw error;
    check(findings, what, false, error.message);
  }
}

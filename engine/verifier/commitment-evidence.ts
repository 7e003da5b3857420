/** VES commitments and proofs of inclusion in them, as `/api/v1/ves/commitments` and `/api/v1/ves/proofs/:sequence_number` give them. */
import {
  encodeHex,
  equalBytes,
  portableSha256,
  tenantStoreOf,
  verifyVesInclusion,
  vesPaddedLeafCount,
  vesStateRoot,
  vesStreamId,
  vesTreeDepth,
} from '../protocol/index.js';
import type { CheckedEvent } from './event-steps.js';
import { type JsonObject, readCount, readHashes, readHex, readUuid } from './fields.js';
import { check, type Findings, malformed, unproven } from './findings.js';

const PATH_MAX = 64;
const NOT_SIGNED =
  'that the sequencer made this commitment: commitments are not signed; compare the root with one that is anchored, or that you trust';

/** What proofs and commitments have in common in both streams. */
export interface Commitment {
  readonly batchId: string;
  readonly tenantId: string;
  readonly storeId: string;
  readonly root: Uint8Array;
  readonly prevStateRoot: Uint8Array;
  readonly newStateRoot: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly count: number;
}

/** Reads a commitment; the names of root and count differ between the streams. */
export function readCommitment(
  json: JsonObject,
  names: { root: string; count: string },
): Commitment | undefined {
  const [batchId, tenantId, storeId] = [json.batch_id, json.tenant_id, json.store_id].map(readUuid);
  const roots = [json[names.root], json.prev_state_root, json.new_state_root].map((root) =>
    readHex(root, 32),
  );
  const [root, prevStateRoot, newStateRoot] = roots;
  const counts = [json.sequence_start, json.sequence_end, json[names.count]].map(readCount);
  const [start, end, count] = counts;
  if (batchId === undefined || tenantId === undefined || storeId === undefined) return undefined;
  if (root === undefined || prevStateRoot === undefined || newStateRoot === undefined) return undefined;
  if (start === undefined || end === undefined || count === undefined) return undefined;
  return { batchId, tenantId, storeId, root, prevStateRoot, newStateRoot, start, end, count };
}

export const VES_COMMITMENT = { root: 'merkle_root', count: 'leaf_count' } as const;

/** A VES commitment: its numbers and its step in the chain of state roots. */
export function checkVesCommitment(findings: Findings, json: JsonObject): Commitment | undefined {
  const commitment = readCommitment(json, VES_COMMITMENT);
  if (commitment === undefined) return malformed(findings, 'commitment');
  const { tenantId, storeId, start, end, count, root, prevStateRoot, newStateRoot } = commitment;
  checkRange(findings, commitment);
  const depth = [json.tree_depth, json.padded_leaf_count];
  const shape = [vesTreeDepth(count), vesPaddedLeafCount(count)];
  const same = depth.every((value, i) => value === undefined || value === shape[i]);
  check(findings, 'depth and padding are those of a tree of so many leaves', same);
  const stateRoot = vesStateRoot({
    streamId: vesStreamId(tenantStoreOf({ tenantId, storeId })),
    prevStateRoot,
    merkleRoot: root,
    sequenceStart: start,
    sequenceEnd: end,
    leafCount: count,
  });
  const what = 'the new state root follows from the one before it and the Merkle root';
  check(findings, what, equalBytes(stateRoot, newStateRoot), encodeHex(newStateRoot));
  unproven(findings, NOT_SIGNED);
  return commitment;
}

/** The range of a commitment holds as many events as it says. */
export function checkRange(findings: Findings, { start, end, count }: Commitment): void {
  const fits = start >= 1 && end >= start && count === end - start + 1;
  check(findings, 'the commitment covers as many events as it says', fits, `${start} to ${end}`);
}

/** Commitments of one stream cover different numbers, and neighbours are linked by their state roots. */
export function checkCommitmentChain(findings: Findings, commitments: readonly Commitment[]): void {
  const distinct = new Map(commitments.map((each) => [each.batchId, each]));
  const [first, ...others] = [...distinct.values()].sort((a, b) => a.start - b.start);
  if (first === undefined || others.length === 0) return;
  let previous = first;
  for (const next of others) {
    const range = `${previous.start} to ${previous.end}, ${next.start} to ${next.end}`;
    const apart = check(
      findings,
      'the commitments cover different numbers',
      next.start > previous.end,
      range,
    );
    if (next.start === previous.end + 1) {
      const linked = equalBytes(previous.newStateRoot, next.prevStateRoot);
      check(findings, 'the later one continues the state root of the one before it', linked);
    } else if (apart)
      unproven(
        findings,
        `anything about the numbers ${previous.end + 1} to ${next.start - 1}: no commitment given`,
      );
    previous = next;
  }
}

/** What a proof of inclusion may be tied to. */
export interface ProofTies<Event> {
  readonly events: readonly Event[];
  readonly commitments: readonly Commitment[];
  /** Roots that the user trusts. */
  readonly roots: readonly Uint8Array[];
}

/** A proof of inclusion in a commitment, read. */
export interface CommitmentProof {
  readonly sequence: number;
  readonly batchId: string | undefined;
  readonly root: Uint8Array;
  readonly leaf: Uint8Array;
  readonly leafIndex: number;
  readonly path: readonly Uint8Array[];
  readonly directions: readonly unknown[] | undefined;
}

/** Reads `{sequence_number, batch_id, <root>, leaf_hash, leaf_index, proof_path, directions}`. */
export function readCommitmentProof(json: JsonObject, rootName: string): CommitmentProof | undefined {
  const [sequence, leafIndex] = [json.sequence_number, json.leaf_index].map(readCount);
  const [root, leaf] = [json[rootName], json.leaf_hash].map((hash) => readHex(hash, 32));
  const path = readHashes(json.proof_path, PATH_MAX);
  if (sequence === undefined || leafIndex === undefined || root === undefined) return undefined;
  if (leaf === undefined || path === undefined) return undefined;
  const directions = Array.isArray(json.directions) ? json.directions : undefined;
  return { sequence, batchId: readUuid(json.batch_id), root, leaf, leafIndex, path, directions };
}

/** A proof that an event is in a VES commitment. */
export function checkVesProof(findings: Findings, json: JsonObject, ties: ProofTies<CheckedEvent>): void {
  const proof = readCommitmentProof(json, VES_COMMITMENT.root);
  if (proof === undefined) {
    malformed(findings, 'proof');
    return;
  }
  const { sequence, leaf, leafIndex, path, root } = proof;
  const leads = verifyVesInclusion(leaf, leafIndex, path, root);
  check(findings, 'the path leads from the leaf to the Merkle root', leads, encodeHex(root));
  // True where the node is a left child: bit i of the index is 0.
  const sides = path.map((_, i) => Math.floor(leafIndex / 2 ** i) % 2 === 0);
  checkDirections(findings, proof, sides);
  const leaves = ties.events.map((event) => portableSha256(event.entry(sequence)));
  checkLeaf(findings, proof, leaves);
  const commitment = checkCommitted(findings, proof, ties);
  if (commitment !== undefined) {
    const depth = vesTreeDepth(commitment.count);
    check(
      findings,
      'the path is as long as the tree is high',
      path.length === depth,
      `${path.length} of ${depth}`,
    );
  }
}

/** The proof's own account of the sides, if it gives one. */
export function checkDirections(
  findings: Findings,
  { directions }: CommitmentProof,
  sides: readonly boolean[] | undefined,
): void {
  if (directions === undefined) return;
  const same = sides?.length === directions.length && sides.every((side, i) => side === directions[i]);
  check(findings, 'the directions are those of the leaf index', same);
}

/** @param leaves what the given events would have as leaf at the proof's number */
export function checkLeaf(
  findings: Findings,
  { leaf, sequence }: CommitmentProof,
  leaves: readonly Uint8Array[],
): void {
  if (leaves.length === 0) {
    unproven(findings, 'which event the leaf is: give the event (--event)');
    return;
  }
  const same = leaves.some((each) => equalBytes(each, leaf));
  check(findings, 'the leaf is that of the given event under its number', same, `number ${sequence}`);
}

/** Ties a proof to its commitment and to the roots that the user trusts. */
export function checkCommitted(
  findings: Findings,
  { batchId, root, sequence, leafIndex }: CommitmentProof,
  { commitments, roots }: ProofTies<unknown>,
): Commitment | undefined {
  if (roots.length > 0) {
    const trusted = roots.some((each) => equalBytes(each, root));
    check(findings, 'the root is one that you trust (--root)', trusted, encodeHex(root));
  } else unproven(findings, NOT_SIGNED);
  const commitment = commitments.find((each) => each.batchId === batchId);
  if (commitment === undefined) return undefined;
  check(findings, 'the root is that of the given commitment', equalBytes(commitment.root, root), batchId);
  const place = sequence - commitment.start;
  const inside = sequence <= commitment.end && place === leafIndex && place >= 0;
  check(findings, 'the leaf stands where its number puts it in the commitment', inside, `leaf ${leafIndex}`);
  return commitment;
}

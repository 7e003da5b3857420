import { type Checkpoint, PROOF_HASHES_MAX, verifyConsistency } from '../log/index.js';
import { encodeHex, equalBytes } from '../protocol/index.js';
import { checkCheckpoint } from './checkpoint-steps.js';
import { type JsonObject, readCount, readHashes } from './fields.js';
import { check, type Findings, malformed, missing, unproven } from './findings.js';
import { hashNode } from './hashing.js';
import type { Trust } from './trust.js';

/** One checkpoint on its own. */
export function checkCheckpointEvidence(
  findings: Findings,
  note: string,
  trust: Trust,
): Checkpoint | undefined {
  const checkpoint = checkCheckpoint(findings, note, trust);
  unproven(
    findings,
    'that the log only ever grew: that takes a second checkpoint and a consistency proof between the two',
    'that an event is in the log: that takes an inclusion proof',
  );
  return checkpoint;
}

/**
 * Two checkpoints and the proof that the newer tree begins with the older one, `{from, to, hashes}` as `GET /api/v1/log/consistency`
 * gives it; without sizes (`{hashes}`) the notes tell. Returns the checkpoints.
 */
export function checkConsistencyEvidence(
  findings: Findings,
  proof: JsonObject,
  notes: readonly string[],
  trust: Trust,
): Checkpoint[] {
  const hashes = readHashes(proof.hashes, PROOF_HASHES_MAX);
  const sizes = [proof.from, proof.to].map((size) =>
    size === undefined ? undefined : (readCount(size) ?? NaN),
  );
  if (hashes === undefined || sizes.some((size) => Number.isNaN(size))) {
    malformed(findings, 'consistency proof');
    return [];
  }
  if (notes.length < 2) {
    missing(findings, 'the two checkpoints that the proof leads between were not given');
    return [];
  }
  const checkpoints = notes.flatMap((note) => checkCheckpoint(findings, note, trust) ?? []);
  checkpoints.sort((a, b) => a.size - b.size);
  const older = sizes[0] === undefined ? checkpoints[0] : checkpoints.find(({ size }) => size === sizes[0]);
  const newer =
    sizes[1] === undefined ? checkpoints.at(-1) : checkpoints.findLast(({ size }) => size === sizes[1]);
  if (older === undefined || newer === undefined) {
    check(
      findings,
      'the proof leads between the sizes of the checkpoints',
      false,
      `${sizes[0]} to ${sizes[1]}`,
    );
    return checkpoints;
  }
  check(findings, 'both checkpoints are of one log', older.origin === newer.origin, older.origin);
  const consistent = verifyConsistency(older.size, older.root, newer.size, newer.root, hashes, hashNode);
  const detail = `sizes ${older.size} and ${newer.size}`;
  check(findings, 'the newer tree begins with the older one', consistent, detail);
  unproven(findings, 'that an event is in the log: that takes an inclusion proof');
  return checkpoints;
}

/** Two good checkpoints of one log and size with different roots prove that the log lies (or that its key was stolen). */
export function checkEquivocation(findings: Findings, checkpoints: readonly Checkpoint[]): void {
  const seen = new Map<string, Checkpoint>();
  for (const checkpoint of checkpoints) {
    const at = `${checkpoint.origin}\n${checkpoint.size}`;
    const other = seen.get(at);
    seen.set(at, checkpoint);
    if (other === undefined || equalBytes(other.root, checkpoint.root)) continue;
    const roots = [other, checkpoint].map(({ root }) => encodeHex(root)).join(' and ');
    const detail = `${checkpoint.origin} has two roots at size ${checkpoint.size}: ${roots}`;
    check(findings, 'checkpoints of one size have one root', false, detail);
  }
}

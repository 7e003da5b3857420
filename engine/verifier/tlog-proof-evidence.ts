import { type Checkpoint, parseTlogProof, type TlogProof } from '../log/index.js';
import { encodeHex, equalBytes } from '../protocol/index.js';
import { checkCheckpoint } from './checkpoint-steps.js';
import type { CheckedEvent } from './event-steps.js';
import { check, type Findings, malformed, missing, unproven } from './findings.js';
import { checkInclusion, checkStream } from './inclusion-steps.js';
import { readLogEntry } from './log-entry.js';
import { checkNotaryTlogProof, hasNotaryEntry } from './notary-evidence.js';
import type { StreamCheckpoint } from './notary-steps.js';
import type { Trust } from './trust.js';

/** What a proof file may be tied to. */
export interface TlogProofTies {
  /** Events given by the user; the entry has to belong to one of them, if there are any. */
  readonly events: readonly CheckedEvent[];
  /** Checkpoints of streams given beside a proof of the notary log. */
  readonly streams: readonly StreamCheckpoint[];
}

/** A `.tlog-proof` file; of a stream's entry or of an entry of the notary log. Returns its checkpoint. */
export function checkTlogProof(
  findings: Findings,
  text: string,
  ties: TlogProofTies,
  trust: Trust,
): Checkpoint | undefined {
  const proof = parseTlogProof(text);
  if ('problem' in proof) return malformed(findings, 'proof', proof.problem);
  if (hasNotaryEntry(proof)) return checkNotaryTlogProof(findings, proof, ties.streams, trust);
  const checkpoint = checkCheckpoint(findings, proof.checkpoint, trust);
  if (checkpoint === undefined) return undefined;
  const entry = proof.extra === undefined ? deriveEntry(proof, checkpoint, ties) : proof.extra;
  if (entry === undefined) {
    missing(
      findings,
      'the proof carries no log entry, and not exactly one event that it may belong to was given (--event)',
    );
    return checkpoint;
  }
  checkEntry(findings, entry, proof, checkpoint, ties);
  checkInclusion(findings, entry, proof.index, proof.hashes, checkpoint);
  return checkpoint;
}

/** The entry that the given event has at the proof's place; none when several could be meant. */
function deriveEntry(
  { index }: TlogProof,
  { origin }: Checkpoint,
  ties: TlogProofTies,
): Uint8Array | undefined {
  const fitting = ties.events.filter(({ tenantId, storeId }) => origin.endsWith(`/${tenantId}/${storeId}`));
  const [event, another] = fitting.length > 0 ? fitting : ties.events;
  return another === undefined ? event?.entry(index + 1) : undefined;
}

function checkEntry(
  findings: Findings,
  bytes: Uint8Array,
  { index }: TlogProof,
  { origin }: Checkpoint,
  { events }: TlogProofTies,
): void {
  const entry = readLogEntry(bytes);
  if (entry === undefined) {
    malformed(findings, 'log entry');
    return;
  }
  const { sequence } = entry;
  checkStream(findings, origin, entry);
  const numbered = sequence === BigInt(index) + 1n;
  check(findings, 'the entry has the number that its place asks for', numbered, `number ${sequence}`);
  if (events.length === 0) {
    unproven(
      findings,
      'which event it is: the entry holds its signing hash and signature only; give the event (--event)',
    );
    return;
  }
  const same = events.find((event) => equalBytes(event.entry(sequence), bytes));
  const signed = `it holds the signing hash ${encodeHex(entry.signingHash)}`;
  check(findings, 'the entry is that of the given event', same !== undefined, same?.eventId ?? signed);
}

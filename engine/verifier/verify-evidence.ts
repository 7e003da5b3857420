/** Verifies pieces of evidence, each on its own and tied to the others where they belong together. */
import { type Checkpoint, parseCheckpoint, parseNote } from '../log/index.js';
import { checkAgentDirectory } from './agent-directory.js';
import {
  checkCheckpointEvidence,
  checkConsistencyEvidence,
  checkEquivocation,
} from './checkpoint-evidence.js';
import {
  type Commitment,
  checkCommitmentChain,
  checkVesCommitment,
  checkVesProof,
  readCommitment,
  VES_COMMITMENT,
} from './commitment-evidence.js';
import { checkCoseEvidence, type KnownRoot } from './cose-evidence.js';
import { checkEventEvidence } from './event-evidence.js';
import { readEvent } from './event-steps.js';
import { type Evidence, KIND_NAMES } from './evidence.js';
import { createFindings, type Findings, type Step, type Verdict, verdictOf } from './findings.js';
import type { GivenEvent } from './given-events.js';
import { checkIngestEvidence } from './ingest-evidence.js';
import { checkLegacyCommitment, checkLegacyProof, LEGACY_COMMITMENT } from './legacy-commitment-evidence.js';
import type { StreamCheckpoint } from './notary-steps.js';
import { checkpointOfProof, checkTlogProof, readStreamCheckpoint } from './tlog-proof-evidence.js';
import type { Trust } from './trust.js';

/** A piece of evidence and where it comes from, for the report. */
export interface Item {
  readonly source: string;
  readonly evidence: Evidence;
}

/** What the user gave besides the evidence. */
export interface Given {
  readonly events: readonly GivenEvent[];
  /** Roots that the user trusts; of two the first is the older one. */
  readonly roots: readonly Uint8Array[];
  /** The present, for the age of directories. */
  readonly nowMicros: bigint;
}

/** What was found about one piece of evidence, or (with several sources) about several together. */
export interface Report {
  readonly source: string;
  readonly kind: string;
  readonly verdict: Verdict;
  readonly steps: readonly Step[];
  readonly missing: readonly string[];
  readonly doesNotProve: readonly string[];
}

/** Verifies all of it. Checkpoints that a consistency proof leads between are reported with the proof. */
export function verifyEvidence(items: readonly Item[], given: Given, trust: Trust): Report[] {
  const ties = collectTies(items, given);
  const consumed = notesOfConsistency(items);
  const seen: Checkpoint[] = [];
  const reports: Report[] = [];
  for (const item of items) {
    const { evidence, source } = item;
    if (evidence.kind === 'checkpoint' && consumed.has(evidence.note)) continue;
    const findings = createFindings();
    const checkpoints = verifyOne(findings, evidence, ties, given, trust);
    if (verdictOf(findings) === 'valid') seen.push(...checkpoints);
    reports.push(report(source, KIND_NAMES[evidence.kind], findings));
  }
  return [...reports, ...togetherReports(ties, seen)];
}

function report(source: string, kind: string, findings: Findings): Report {
  return { source, kind, verdict: verdictOf(findings), ...findings };
}

/** What the pieces may refer to. */
interface Ties {
  readonly notes: readonly string[];
  readonly streams: readonly StreamCheckpoint[];
  readonly roots: readonly KnownRoot[];
  readonly vesCommitments: readonly Commitment[];
  readonly legacyCommitments: readonly Commitment[];
  readonly ves: readonly Extract<GivenEvent, { stream: 'ves' }>[];
  readonly legacy: readonly Extract<GivenEvent, { stream: 'legacy' }>[];
}

function collectTies(items: readonly Item[], { events, roots }: Given): Ties {
  const of = <K extends Evidence['kind']>(kind: K) =>
    items.flatMap(({ evidence }) =>
      evidence.kind === kind ? [evidence as Extract<Evidence, { kind: K }>] : [],
    );
  const notes = of('checkpoint').map(({ note }) => note);
  const inside = of('tlog-proof').map(({ text }) => checkpointOfProof(text) ?? '');
  const groups = of('event').map(({ reply }) => noteOf(reply.group_receipt));
  const commitments = (
    kind: 'ves-commitment' | 'legacy-commitment',
    names: { root: string; count: string },
  ) => of(kind).flatMap(({ json }) => readCommitment(json, names) ?? []);
  return {
    notes,
    streams: [...notes, ...inside, ...groups].flatMap((note) => readStreamCheckpoint(note) ?? []),
    roots: [...notes.flatMap(knownRoot), ...roots.map((root) => ({ root }))],
    vesCommitments: commitments('ves-commitment', VES_COMMITMENT),
    legacyCommitments: commitments('legacy-commitment', LEGACY_COMMITMENT),
    ves: events.filter((event) => event.stream === 'ves'),
    legacy: events.filter((event) => event.stream === 'legacy'),
  };
}

function noteOf(groupReceipt: unknown): string {
  const { checkpoint } = (groupReceipt ?? {}) as { checkpoint?: unknown };
  return typeof checkpoint === 'string' ? checkpoint : '';
}

function knownRoot(note: string): KnownRoot[] {
  const parsed = parseNote(note);
  const checkpoint = 'problem' in parsed ? parsed : parseCheckpoint(parsed.text);
  return 'problem' in checkpoint ? [] : [checkpoint];
}

function notesOfConsistency(items: readonly Item[]): Set<string> {
  const proofs = items.filter(
    ({ evidence }) => evidence.kind === 'consistency' && evidence.notes.length === 0,
  );
  const notes = items.flatMap(({ evidence }) => (evidence.kind === 'checkpoint' ? [evidence.note] : []));
  return new Set(proofs.length === 0 ? [] : notes);
}

function verifyOne(
  findings: Findings,
  evidence: Evidence,
  ties: Ties,
  given: Given,
  trust: Trust,
): Checkpoint[] {
  const one = (checkpoint: Checkpoint | undefined) => (checkpoint === undefined ? [] : [checkpoint]);
  const events = ties.ves.map(({ event }) => event);
  switch (evidence.kind) {
    case 'event': {
      const own =
        ties.ves.length === 1 ? events[0] : events.find((event) => isAbout(evidence.reply, event.eventId));
      return one(checkEventEvidence(findings, evidence.reply, own, trust));
    }
    case 'ingest':
      return checkIngestEvidence(findings, evidence.reply, envelopesById(evidence.events, ties), trust);
    case 'tlog-proof':
      return one(checkTlogProof(findings, evidence.text, { events, streams: ties.streams }, trust));
    case 'cose-receipt':
      checkCoseEvidence(findings, evidence.bytes, events, ties.roots, trust);
      return [];
    case 'checkpoint':
      return one(checkCheckpointEvidence(findings, evidence.note, trust));
    case 'consistency': {
      const notes = evidence.notes.length > 0 ? evidence.notes : ties.notes;
      return checkConsistencyEvidence(findings, evidence.proof, notes, trust);
    }
    case 'ves-proof':
      checkVesProof(findings, evidence.json, {
        events,
        commitments: ties.vesCommitments,
        roots: given.roots,
      });
      return [];
    case 'legacy-proof': {
      const legacy = ties.legacy.map(({ event }) => event);
      const { legacyCommitments: commitments } = ties;
      checkLegacyProof(findings, evidence.json, { events: legacy, commitments, roots: given.roots });
      return [];
    }
    case 'ves-commitment':
      checkVesCommitment(findings, evidence.json);
      return [];
    case 'legacy-commitment':
      checkLegacyCommitment(findings, evidence.json);
      return [];
    case 'agent-keys':
      checkAgentDirectory(findings, evidence.json, trust.sequencerKeys, given.nowMicros);
      return [];
  }
}

function isAbout(reply: Readonly<Record<string, unknown>>, eventId: string): boolean {
  const event = readEvent(reply.envelope);
  return !('problem' in event) && event.eventId === eventId;
}

/** Envelopes by event id: those of the request, and those given besides, which the user vouches for and which therefore win. */
function envelopesById(request: readonly unknown[], ties: Ties): Map<string, unknown> {
  const envelopes = new Map<string, unknown>();
  for (const envelope of [...request, ...ties.ves.map((given) => given.envelope)]) {
    const event = readEvent(envelope);
    if (!('problem' in event)) envelopes.set(event.eventId, envelope);
  }
  return envelopes;
}

/** What only several pieces together show. */
function togetherReports(ties: Ties, checkpoints: readonly Checkpoint[]): Report[] {
  const reports: Report[] = [];
  const chain = createFindings();
  const streams = Map.groupBy(ties.vesCommitments, ({ tenantId, storeId }) => `${tenantId}/${storeId}`);
  for (const commitments of streams.values()) checkCommitmentChain(chain, commitments);
  if (chain.steps.length > 0) reports.push(report('the commitments together', 'chain of commitments', chain));
  const twice = createFindings();
  checkEquivocation(twice, checkpoints);
  if (twice.steps.length > 0) reports.push(report('the checkpoints together', 'split view', twice));
  return reports;
}

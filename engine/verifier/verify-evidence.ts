/** Verifies pieces of evidence, each on its own and tied to the others where they belong together. */
import { type Checkpoint, parseCheckpoint, parseNote, parseTlogProof } from '../log/index.js';
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
import { checkEventEvidence, checkSignedEvent } from './event-evidence.js';
import { type CheckedEvent, readEvent } from './event-steps.js';
import { type Evidence, KIND_NAMES } from './evidence.js';
import { createFindings, type Findings, type Step, type Verdict, verdictOf } from './findings.js';
import type { GivenEvent } from './given-events.js';
import { checkInclusionEvidence } from './inclusion-evidence.js';
import { checkIngestEvidence } from './ingest-evidence.js';
import { checkLegacyCommitment, checkLegacyProof, LEGACY_COMMITMENT } from './legacy-commitment-evidence.js';
import { checkNotaryEvidence, hasNotaryEntry } from './notary-evidence.js';
import { entryKey, readStreamCheckpoint, type StreamCheckpoint } from './notary-steps.js';
import { checkTlogProof } from './tlog-proof-evidence.js';
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

/**
 * Verifies all of it. Checkpoints that a consistency proof leads between are reported with the proof. Proofs of the notary log come
 * first, because witnesses vouch for streams through them.
 */
export function verifyEvidence(items: readonly Item[], given: Given, trust: Trust): Report[] {
  const ties = collectTies(items, given);
  const consumed = notesOfConsistency(items);
  const seen: Checkpoint[] = [];
  const reports = new Map<Item, Report>();
  const verify = (item: Item, believed: Trust): Verdict => {
    const findings = createFindings();
    const checkpoints = verifyOne(findings, item.evidence, ties, given, believed);
    const verdict = verdictOf(findings);
    if (verdict === 'valid') seen.push(...checkpoints);
    reports.set(item, report(item.source, KIND_NAMES[item.evidence.kind], findings));
    return verdict;
  };
  const notarised = new Set<string>();
  for (const item of items) {
    const entry = notaryEntryIn(item.evidence);
    if (entry !== undefined && verify(item, trust) === 'valid' && trust.quorum > 0) notarised.add(entry);
  }
  for (const item of items)
    if (!reports.has(item) && !(item.evidence.kind === 'checkpoint' && consumed.has(item.evidence.note)))
      verify(item, { ...trust, notarised });
  const inOrder = items.flatMap((item) => reports.get(item) ?? []);
  return [...inOrder, ...togetherReports(ties, seen)];
}

/** The notary's entry that a piece of evidence proves, as a member of `Trust.notarised`. */
function notaryEntryIn(evidence: Evidence): string | undefined {
  const text = evidence.kind === 'notary-proof' ? evidence.json.proof : undefined;
  const proof = parseTlogProof(evidence.kind === 'tlog-proof' ? evidence.text : String(text));
  if ('problem' in proof || !hasNotaryEntry(proof)) return undefined;
  const [origin] = proof.checkpoint.split('\n', 1);
  return entryKey(origin!, proof.extra);
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
  const inside = of('tlog-proof').map(({ text }) => noteOf(parseTlogProof(text)));
  const inclusions = of('inclusion').map(({ json }) => noteOf(json));
  const groups = of('event').map(({ reply }) => noteOf(reply.group_receipt));
  const commitments = (
    kind: 'ves-commitment' | 'legacy-commitment',
    names: { root: string; count: string },
  ) => of(kind).flatMap(({ json }) => readCommitment(json, names) ?? []);
  return {
    notes,
    streams: [...notes, ...inside, ...groups, ...inclusions].flatMap(
      (note) => readStreamCheckpoint(note) ?? [],
    ),
    roots: [...notes.flatMap(knownRoot), ...roots.map((root) => ({ root }))],
    vesCommitments: commitments('ves-commitment', VES_COMMITMENT),
    legacyCommitments: commitments('legacy-commitment', LEGACY_COMMITMENT),
    ves: events.filter((event) => event.stream === 'ves'),
    legacy: events.filter((event) => event.stream === 'legacy'),
  };
}

/** The checkpoint inside a proof or group receipt, unverified; '' without one. */
function noteOf(holder: unknown): string {
  const { checkpoint } = (holder ?? {}) as { checkpoint?: unknown };
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
      const own = ownCopy(evidence.reply.envelope, events);
      return one(checkEventEvidence(findings, evidence.reply, own, trust));
    }
    case 'signed-event':
      checkSignedEvent(findings, evidence.envelope, ownCopy(evidence.envelope, events), trust);
      return [];
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
    case 'inclusion':
      return one(checkInclusionEvidence(findings, evidence.json, events, trust));
    case 'notary-proof':
      return checkNotaryEvidence(findings, evidence.json, trust);
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

/** Which of the given events an event has to be: the one with its id, else the first one, which it is not then. */
function ownCopy(envelope: unknown, given: readonly CheckedEvent[]): CheckedEvent | undefined {
  const event = readEvent(envelope);
  const same = 'problem' in event ? undefined : given.find(({ eventId }) => eventId === event.eventId);
  return same ?? given[0];
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
  const streams = new Set(ties.vesCommitments.map(streamOf));
  for (const stream of streams)
    checkCommitmentChain(
      chain,
      ties.vesCommitments.filter((each) => streamOf(each) === stream),
    );
  if (chain.steps.length > 0) reports.push(report('the commitments together', 'chain of commitments', chain));
  const twice = createFindings();
  checkEquivocation(twice, checkpoints);
  if (twice.steps.length > 0) reports.push(report('the checkpoints together', 'split view', twice));
  return reports;
}

const streamOf = ({ tenantId, storeId }: Commitment): string => `${tenantId}/${storeId}`;

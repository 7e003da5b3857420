/** A checkpoint: origin, the log's signature, and the witnesses' cosignatures. */
import {
  type Checkpoint,
  encodeBase64,
  isKeyName,
  NOTE_ED25519,
  type NoteSignature,
  parseCheckpoint,
  parseNote,
  type VerifierKey,
  verifierKey,
  verifyNote,
} from '../log/index.js';
import { encodeHex, formatMicros, INSTANT_MICROS_MAX } from '../protocol/index.js';
import { check, type Findings, malformed, missing, unproven } from './findings.js';
import { streamOfOrigin } from './log-entry.js';
import { entryKeyOf, readStreamBody, readStreamCheckpoint } from './notary-steps.js';
import { NO_SEQUENCER_KEY, nameOfKey, type Trust } from './trust.js';

/** Checks a signed note as a checkpoint; the checkpoint when it could be read, whether or not its signature holds. */
export function checkCheckpoint(findings: Findings, note: unknown, trust: Trust): Checkpoint | undefined {
  const parsed = parseNote(typeof note === 'string' ? note : '');
  const checkpoint = 'problem' in parsed ? parsed : parseCheckpoint(parsed.text);
  if ('problem' in parsed) return malformed(findings, 'checkpoint', parsed.problem);
  if ('problem' in checkpoint) return malformed(findings, 'checkpoint', checkpoint.problem);
  checkOrigin(findings, checkpoint.origin, trust, 'checkpoint');
  checkLogSignature(findings, String(note), checkpoint, parsed.signatures, trust);
  if (trust.quorum > 0) checkWitnesses(findings, String(note), trust);
  else unproven(findings, NO_WITNESS);
  return checkpoint;
}

const NO_WITNESS =
  'that everybody is shown the same log: no witness was asked for (--witness), so the sequencer alone vouches for it';

const COVERING = 'have cosigned a checkpoint of the notary log that covers this one';

/** Checks that the witnesses, if any are asked for, vouch through the notary log for a root that is not in a note. */
export function checkWitnessedRoot(
  findings: Findings,
  { origin, size, root }: { origin: string; size: number; root: Uint8Array },
  { witnesses, quorum, notarised }: Trust,
): void {
  if (quorum === 0) {
    unproven(findings, NO_WITNESS);
    return;
  }
  const stream = readStreamBody(`${origin}\n${size}\n${encodeBase64(root)}\n`);
  const covered = stream?.checkpoint.origin === origin && notarised?.has(entryKeyOf(stream)) === true;
  const what = `${quorum} of ${witnesses.length} witnesses ${COVERING}`;
  check(findings, what, covered, covered ? undefined : 'no proof was given that it does, at this size');
}

const NOT_NOTARISED =
  'none of them has, and no proof was given that a notary log they cosigned covers it at this size';

/** Checks that an origin is the expected one, or one of the logs below it. `what` names the document that states it. */
export function checkOrigin(
  findings: Findings,
  origin: string,
  { origin: expected }: Trust,
  what: string,
): void {
  if (expected === undefined) {
    unproven(findings, `that ${origin} is the log you mean: the origin was taken from the ${what} itself`);
    return;
  }
  const below = origin.startsWith(`${expected}/`) ? origin.slice(expected.length) : undefined;
  const ours = below === '/notary' || (below?.length === 74 && streamOfOrigin(below) !== undefined);
  check(findings, `the ${what} is of the expected origin`, origin === expected || ours, origin);
}

function checkLogSignature(
  findings: Findings,
  note: string,
  { origin, size, root }: Checkpoint,
  lines: readonly NoteSignature[],
  trust: Trust,
): void {
  const what = 'the log has signed the checkpoint';
  if (!lines.some(({ name }) => name === origin) || !isKeyName(origin)) {
    check(findings, what, false, 'the note has no signature under the name of its origin');
    return;
  }
  if (trust.sequencerKeys.length === 0) {
    missing(findings, NO_SEQUENCER_KEY);
    return;
  }
  const keys = trust.sequencerKeys.map((key) => ({
    key,
    verifier: verifierKey(origin, NOTE_ED25519, key.publicKey),
  }));
  const verifiers = keys.map(({ verifier }) => verifier);
  const known = lines.some((line) => verifiers.some((verifier) => isBy(line, verifier)));
  if (!known) {
    missing(findings, 'the key that signed the checkpoint is not among the given keys of the sequencer');
    return;
  }
  const verified = verifyNote(note, verifiers);
  if ('problem' in verified) {
    check(findings, what, false, verified.problem);
    return;
  }
  const signers = keys.filter(({ verifier }) => verified.verifiedBy.includes(verifier));
  const by = signers.map(({ key }) => nameOfKey(key)).join(' and ');
  check(findings, what, true, `size ${size}, root ${encodeHex(root)}, by ${by}`);
}

function isBy(line: NoteSignature, { name, keyId }: VerifierKey): boolean {
  return line.name === name && encodeHex(line.keyId) === encodeHex(keyId);
}

/**
 * Witnesses count by key, not by name: one key is one witness. They cosign checkpoints of the notary log, and with them what its
 * entries cover.
 */
function checkWitnesses(findings: Findings, note: string, { witnesses, quorum, notarised }: Trust): void {
  const stream = readStreamCheckpoint(note);
  const members = `${quorum} of ${witnesses.length} witnesses`;
  unproven(findings, 'what came after the time of the last cosignature');
  if (stream !== undefined && notarised?.has(entryKeyOf(stream))) {
    check(findings, `${members} ${COVERING}`, true);
    return;
  }
  const what = `${members} have cosigned the checkpoint`;
  const verified = verifyNote(note, witnesses);
  if ('problem' in verified) {
    const { problem } = verified;
    const none = stream === undefined ? 'none of them has' : NOT_NOTARISED;
    check(findings, what, false, problem === 'The note has no signature of a known key' ? none : problem);
    return;
  }
  const times = new Map<string, string>();
  for (const { key, timestamp } of verified.cosignatures)
    times.set(encodeHex(key.publicKey), `${key.name} at ${instant(timestamp)}`);
  check(findings, what, times.size >= quorum, [...times.values()].join(', ') || 'none of them has');
}

function instant(seconds: number): string {
  const micros = BigInt(seconds) * 1_000_000n;
  return micros > INSTANT_MICROS_MAX ? `second ${seconds}` : formatMicros(micros);
}

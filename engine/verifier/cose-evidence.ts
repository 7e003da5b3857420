import {
  type CoseReceipt,
  emptyRoot,
  parseCoseReceipt,
  rootFromInclusion,
  verifyConsistency,
  verifyReceiptSignature,
} from '../log/index.js';
import { encodeHex, equalBytes, portableSha256 } from '../protocol/index.js';
import { checkOrigin, checkWitnessedRoot } from './checkpoint-steps.js';
import type { CheckedEvent } from './event-steps.js';
import { check, type Findings, malformed, missing, unproven } from './findings.js';
import { entryHash, hashNode } from './hashing.js';
import { checkStream } from './inclusion-steps.js';
import { NO_SEQUENCER_KEY, nameOfKey, type SequencerKey, type Trust } from './trust.js';

/** A tree that something else vouches for, or the user. */
export interface KnownRoot {
  readonly root: Uint8Array;
  /** Unset for a bare root. */
  readonly size?: number;
  readonly origin?: string;
}

/**
 * A COSE receipt of inclusion (of the given event) or of consistency (between two known roots).
 *
 * @param roots for consistency: those of the older and the newer tree, in any order if they have sizes
 */
export function checkCoseEvidence(
  findings: Findings,
  bytes: Uint8Array,
  events: readonly CheckedEvent[],
  roots: readonly KnownRoot[],
  trust: Trust,
): void {
  const receipt = parseCoseReceipt(bytes);
  if ('problem' in receipt) {
    malformed(findings, 'receipt', receipt.problem);
    return;
  }
  checkOrigin(findings, receipt.origin, trust, 'receipt');
  const root =
    receipt.proof.kind === 'inclusion'
      ? includedRoot(findings, receipt, events, trust)
      : consistentRoot(findings, receipt, roots);
  if (root === undefined) return;
  checkSignature(findings, receipt, root, trust);
  const size = receipt.proof.kind === 'inclusion' ? receipt.proof.size : receipt.proof.to;
  checkWitnessedRoot(findings, { origin: receipt.origin, size, root }, trust);
}

/** RFC 9942 signs the root alone. A size is proven by a checkpoint only. */
const SIZE = 'the size of the tree: the signature of a COSE receipt covers the root only';

/** The root that the proof leads to from the event's entry. Only the right event leads to the signed one. */
function includedRoot(
  findings: Findings,
  receipt: CoseReceipt,
  events: readonly CheckedEvent[],
  trust: Trust,
): Uint8Array | undefined {
  const { origin, proof } = receipt;
  if (proof.kind !== 'inclusion') return undefined;
  const { leafIndex, size, hashes } = proof;
  const rootOf = (event: CheckedEvent) =>
    rootFromInclusion(entryHash(event.entry(leafIndex + 1)), leafIndex, size, hashes, hashNode);
  const event = events.find((each) => isSigned(receipt, rootOf(each), trust)) ?? events[0];
  if (event === undefined) {
    missing(findings, 'a receipt of inclusion carries no entry: give the event it is about (--event)');
    return undefined;
  }
  checkStream(findings, origin, event);
  const root = rootOf(event);
  const detail = root && `event ${event.eventId}, leaf ${leafIndex} of ${size}, root ${encodeHex(root)}`;
  check(findings, "the path leads from the event's entry to a root", root !== undefined, detail);
  unproven(findings, SIZE);
  return root;
}

function consistentRoot(
  findings: Findings,
  { origin, proof }: CoseReceipt,
  known: readonly KnownRoot[],
): Uint8Array | undefined {
  if (proof.kind !== 'consistency') return undefined;
  const { from, to, hashes } = proof;
  const roots = known.filter((each) => each.origin === undefined || each.origin === origin);
  const older = from === 0 ? { root: emptyRoot() } : pick(roots, from, 0);
  const newer = pick(roots, to, from === 0 && roots.length === 1 ? 0 : 1);
  if (older === undefined || newer === undefined) {
    missing(
      findings,
      `the roots at the sizes ${from} and ${to} were not given (two checkpoints, or --root twice)`,
    );
    return undefined;
  }
  if (newer.size === undefined) unproven(findings, SIZE);
  const consistent = verifyConsistency(from, older.root, to, newer.root, hashes, hashNode);
  const what = 'the newer tree begins with the older one';
  return check(findings, what, consistent, `sizes ${from} and ${to}`) ? newer.root : undefined;
}

/** The root of this size; failing that, the bare one at this position. */
function pick(roots: readonly KnownRoot[], size: number, position: number): KnownRoot | undefined {
  const bare = roots.filter((known) => known.size === undefined);
  return roots.find((known) => known.size === size) ?? bare[position];
}

function signerOf({ kid }: CoseReceipt, { sequencerKeys }: Trust): SequencerKey | undefined {
  return sequencerKeys.find(({ publicKey }) => equalBytes(portableSha256(publicKey), kid));
}

function isSigned(receipt: CoseReceipt, root: Uint8Array | undefined, trust: Trust): boolean {
  const key = signerOf(receipt, trust);
  return key !== undefined && root !== undefined && verifyReceiptSignature(receipt, root, key.publicKey);
}

function checkSignature(findings: Findings, receipt: CoseReceipt, root: Uint8Array, trust: Trust): void {
  const key = signerOf(receipt, trust);
  if (key === undefined) {
    const unknown = 'the key that signed the receipt is not among the given keys of the sequencer';
    missing(findings, trust.sequencerKeys.length === 0 ? NO_SEQUENCER_KEY : unknown);
    return;
  }
  const signed = isSigned(receipt, root, trust);
  const detail = signed ? nameOfKey(key) : 'it has signed another root, or the receipt was changed';
  check(findings, "the sequencer's key has signed the root", signed, detail);
}

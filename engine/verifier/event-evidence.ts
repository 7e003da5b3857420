import type { Checkpoint } from '../log/index.js';
import { parseInstant } from '../protocol/index.js';
import { AGENT_SIGNED, type CheckedEvent, checkEvent, checkSameEvent } from './event-steps.js';
import { isObject, type JsonObject, readCount } from './fields.js';
import { check, type Findings, missing, unproven } from './findings.js';
import { checkGroupReceipt } from './group-receipt-steps.js';
import { checkReceipt } from './receipt-steps.js';
import type { Trust } from './trust.js';

/**
 * An event with its receipts, the reply of `GET /api/v1/ves/events/:event_id`: `{status, sequence_number, envelope}` with `receipt`,
 * `group_receipt` or both. Returns the checkpoint of the group receipt.
 *
 * @param own the event as its holder knows it; the reply has to be about the same one
 */
export function checkEventEvidence(
  findings: Findings,
  reply: JsonObject,
  own: CheckedEvent | undefined,
  trust: Trust,
): Checkpoint | undefined {
  const { envelope, receipt, group_receipt: group, sequence_number } = reply;
  const stated: JsonObject = isObject(envelope) ? envelope : {};
  const sequencedAt = sequencedAtOf(receipt) ?? readInstant(stated.sequenced_at);
  const event = checkEvent(findings, envelope, trust, sequencedAt);
  if (event === undefined) return undefined;
  checkOwn(findings, event, own);
  const receipted = isAbsent(receipt) ? undefined : checkReceipt(findings, receipt, event, trust);
  const leafIndex = isObject(group) ? readCount(group.leaf_index) : undefined;
  const sequence = receipted ?? (leafIndex === undefined ? undefined : leafIndex + 1);
  if (sequence !== undefined) {
    const numbers = [sequence_number, stated.sequence_number];
    const same = numbers.every((number) => number === undefined || number === sequence);
    check(findings, 'the reply gives the event the number of its receipt', same, `number ${sequence}`);
  }
  if (isAbsent(receipt) && isAbsent(group)) missing(findings, 'the reply has no receipt');
  if (isAbsent(group)) checkWitnessable(findings, trust);
  return isAbsent(group) ? undefined : checkGroupReceipt(findings, group, event, receipted, trust);
}

/**
 * An event without any receipt: that it is well-formed and that its agent has signed it. Without a key of the agent it cannot be
 * judged, since its hashes are nobody's word.
 */
export function checkSignedEvent(
  findings: Findings,
  envelope: unknown,
  own: CheckedEvent | undefined,
  trust: Trust,
): void {
  const sequencedAt = readInstant(isObject(envelope) ? envelope.sequenced_at : undefined);
  const event = checkEvent(findings, envelope, trust, sequencedAt);
  if (event === undefined) return;
  checkOwn(findings, event, own);
  if (!findings.steps.some(({ what }) => what === AGENT_SIGNED))
    missing(findings, `no key of agent ${event.agentId} was given (--agent-key or --agent-keys)`);
  checkWitnessable(findings, trust);
  unproven(
    findings,
    'that the sequencer has ever taken the event, and its place in a stream: that takes a receipt',
  );
}

function checkOwn(findings: Findings, event: CheckedEvent, own: CheckedEvent | undefined): void {
  if (own !== undefined) checkSameEvent(findings, 'it is the given event', own, event);
  else unproven(findings, 'that this is the event you mean: compare its id, or give your own copy (--event)');
}

/** An event receipt names no root: witnesses, if they are asked for, cannot vouch for it. */
export function checkWitnessable(findings: Findings, { quorum }: Trust): void {
  if (quorum > 0)
    missing(findings, 'witnesses vouch for checkpoints only: take the group receipt or a proof file as well');
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

/** When the receipt says that its event was sequenced, in microseconds since the epoch. */
export function sequencedAtOf(receipt: unknown): bigint | undefined {
  return isObject(receipt) ? readInstant(receipt.sequencedAt) : undefined;
}

function readInstant(value: unknown): bigint | undefined {
  return typeof value === 'string' ? parseInstant(value) : undefined;
}

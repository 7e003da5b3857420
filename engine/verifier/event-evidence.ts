import type { Checkpoint } from '../log/index.js';
import { parseInstant } from '../protocol/index.js';
import { type CheckedEvent, checkEvent, checkSameEvent } from './event-steps.js';
import { isObject, type JsonObject } from './fields.js';
import { check, type Findings, unproven } from './findings.js';
import { checkGroupReceipt } from './group-receipt-steps.js';
import { checkReceipt } from './receipt-steps.js';
import type { Trust } from './trust.js';

/**
 * An event with its receipt, the reply of `GET /api/v1/ves/events/:event_id`: `{status, sequence_number, envelope, receipt,
 * group_receipt?}`. Returns the checkpoint of the group receipt.
 *
 * @param own the event as its holder knows it; the reply has to be about the same one
 */
export function checkEventEvidence(
  findings: Findings,
  reply: JsonObject,
  own: CheckedEvent | undefined,
  trust: Trust,
): Checkpoint | undefined {
  const { envelope, receipt, group_receipt, sequence_number } = reply;
  const event = checkEvent(findings, envelope, trust, sequencedAtOf(receipt));
  if (event === undefined) return undefined;
  if (own !== undefined) checkSameEvent(findings, 'it is the given event', own, event);
  else unproven(findings, 'that this is the event you mean: compare its id, or give your own copy (--event)');
  const sequence = checkReceipt(findings, receipt, event, trust);
  if (sequence !== undefined) {
    const numbers = [sequence_number, isObject(envelope) ? envelope.sequence_number : undefined];
    const same = numbers.every((number) => number === undefined || number === sequence);
    check(findings, 'the reply gives the event the number of the receipt', same);
  }
  if (group_receipt === undefined || group_receipt === null) return undefined;
  return checkGroupReceipt(findings, group_receipt, event, sequence, trust);
}

/** When the receipt says that its event was sequenced, in microseconds since the epoch. */
export function sequencedAtOf(receipt: unknown): bigint | undefined {
  const text = isObject(receipt) ? receipt.sequencedAt : undefined;
  return typeof text === 'string' ? parseInstant(text) : undefined;
}

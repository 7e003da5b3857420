import type { Checkpoint } from '../log/index.js';
import { checkWitnessable, sequencedAtOf } from './event-evidence.js';
import { type CheckedEvent, checkEvent } from './event-steps.js';
import { isObject, type JsonObject, readUuid } from './fields.js';
import { check, createFindings, type Findings, missing, unproven, verdictOf } from './findings.js';
import { type GroupReceipt, openGroupReceipt } from './group-receipt-steps.js';
import { checkInclusion, checkStream } from './inclusion-steps.js';
import { checkReceipt } from './receipt-steps.js';
import type { Trust } from './trust.js';

/** Requests have at most 1000 events; receipts of other servers may have more. */
const RECEIPTS_MAX = 10_000;

/**
 * An ingest reply, `{receipts, groupReceipts?, …}`, with the events it is about: those of the request it answers and those given
 * besides. An event whose steps all hold takes one line. Returns the checkpoints of the group receipts.
 *
 * @param events by event id: what `readEvent` made of them, and the envelopes themselves
 */
export function checkIngestEvidence(
  findings: Findings,
  reply: JsonObject,
  events: ReadonlyMap<string, unknown>,
  trust: Trust,
): Checkpoint[] {
  const { receipts = [], groupReceipts = [] } = reply;
  const lists = Array.isArray(receipts) && Array.isArray(groupReceipts) && receipts.length <= RECEIPTS_MAX;
  if (!lists || groupReceipts.length > RECEIPTS_MAX) {
    check(findings, 'the reply has a list of receipts', false);
    return [];
  }
  const groups = groupReceipts.flatMap(
    (receipt: unknown) => openGroupReceipt(findings, receipt, trust) ?? [],
  );
  const byEvent = new Map(groups.flatMap((group) => [...group.proofs.keys()].map((id) => [id, group])));
  const receiptOf = new Map<string | undefined, unknown>(
    receipts.map((receipt: unknown) => [readUuid(isObject(receipt) ? receipt.eventId : undefined), receipt]),
  );
  const named = receiptOf.size === receipts.length && !receiptOf.has(undefined);
  check(findings, 'every receipt names an event, and each event once', named);
  const ids = new Set([...receiptOf.keys(), ...byEvent.keys()]);
  if (ids.size === 0) missing(findings, 'the reply has no receipts');
  for (const id of ids) {
    if (id === undefined) continue;
    if (!events.has(id)) {
      missing(findings, `event ${id} was not given`);
      continue;
    }
    checkOne(findings, id, events.get(id), receiptOf.get(id), byEvent.get(id), trust);
  }
  unproven(findings, 'anything about events of the request that the reply has no receipt for');
  return groups.map(({ checkpoint }) => checkpoint);
}

function checkOne(
  findings: Findings,
  id: string,
  envelope: unknown,
  receipt: unknown,
  group: GroupReceipt | undefined,
  trust: Trust,
): void {
  const own = createFindings();
  const event = checkEvent(own, envelope, trust, sequencedAtOf(receipt));
  const sequence = event && receipt !== undefined ? checkReceipt(own, receipt, event, trust) : undefined;
  if (event && group) checkProof(own, event, group, sequence);
  if (group === undefined) checkWitnessable(own, trust);
  const numbered = sequence ?? group?.proofs.get(id)?.sequence;
  const name = `event ${id}`;
  if (verdictOf(own) === 'invalid')
    for (const step of own.steps) findings.steps.push({ ...step, what: `${name}: ${step.what}` });
  else check(findings, `${name} has number ${numbered}`, true, `${own.steps.length} steps hold`);
  for (const reason of own.missing) missing(findings, reason);
  unproven(findings, ...own.doesNotProve);
}

function checkProof(
  findings: Findings,
  event: CheckedEvent,
  { checkpoint, proofs }: GroupReceipt,
  receiptSequence: number | undefined,
): void {
  const { sequence, leafIndex, hashes } = proofs.get(event.eventId)!;
  const same = leafIndex === sequence - 1 && (receiptSequence ?? sequence) === sequence;
  check(findings, 'receipt and group receipt give the event the same number', same);
  checkStream(findings, checkpoint.origin, event);
  checkInclusion(findings, event.entry(sequence), leafIndex, hashes, checkpoint);
}

/** Answers as JSON, with the receipts' signatures. */
import { randomUUID } from 'node:crypto';
import { FIXED, formatMicros, formatUuid } from '../engine/protocol/index.js';
import type { RequestOutcome } from '../engine/sequencer/index.js';
import type { Decided } from './decide.js';
import { EVENT_RECEIPTS, GROUP_RECEIPTS, type SequencerIdentity } from './messages.js';
import { createGroupReceiptRenderer } from './render-group-receipts.js';
import type { PreparedRequest, VesRequest } from './request-context.js';
import { createReceiptSigner } from './sign-receipt.js';

/** Makes a writer; receipts are signed with `identity`, logs are named below `origin`. Not re-entrant. */
export function createJsonWriter(
  identity: SequencerIdentity,
  origin: string,
): (request: PreparedRequest, decided: Decided) => string {
  const renderGroupReceipts = createGroupReceiptRenderer(identity, origin);
  const signReceipt = createReceiptSigner(identity);
  let lastMicros = -1;
  let lastInstant = '';

  /** Events of a group share one instant: render it once. */
  function instant(micros: number): string {
    if (micros !== lastMicros) {
      lastMicros = micros;
      lastInstant = formatMicros(micros, '+00:00');
    }
    return lastInstant;
  }

  function receipt(request: VesRequest, index: number, result: RequestOutcome): string {
    const { envelope, sequence, sequencedAtMicros, hash, signature, keyVersion, ...by } = signReceipt(
      request,
      index,
      result,
    );
    const eventId = formatUuid(envelope.fixed, envelope.fixedOffset + FIXED.eventId);
    const sequencer = formatUuid(Buffer.from(by.sequencer, 'hex'));
    return `{"sequencerId":"${sequencer}","eventId":"${eventId}","sequenceNumber":${sequence},"sequencedAt":"${instant(sequencedAtMicros)}","receiptHash":"${hash.toString('hex')}","signatureAlg":"ed25519","sequencerSignature":"${signature.toString('hex')}","sequencerKeyVersion":${keyVersion},"receiptSignatureScheme":1}`;
  }

  function receiptsOf(request: VesRequest, { accepted, replayed }: Decided): string {
    const wanted = request.receipts & EVENT_RECEIPTS ? [...replayed, ...accepted] : replayed;
    if (wanted.length === 0) return '';
    return `,"receipts":[${wanted.map((event) => receipt(request, event, request.outcome!)).join(',')}]`;
  }

  return (request, decided) => {
    const { accepted, refused, head } = decided;
    const ves = request.kind === 'ves';
    const rejections = refused.map(({ event, rejection: { reason, message } }) => {
      const { fixed, fixedOffset } = request.events[event]!.envelope;
      const id = formatUuid(fixed, fixedOffset + FIXED.eventId);
      const alias = ves ? `"eventId":"${id}",` : '';
      return `{"event_id":"${id}",${alias}"reason":${JSON.stringify(reason)},"message":${JSON.stringify(message)}}`;
    });
    const rejected = rejections.length;
    const first = accepted.length === 0 ? null : decided.first;
    const last = accepted.length === 0 ? null : decided.last;
    const rejectionList = rejected === 0 ? '' : `,"rejections":[${rejections.join(',')}]`;
    if (!ves)
      return `{"batch_id":"${randomUUID()}","events_accepted":${accepted.length},"events_rejected":${rejected},"assigned_sequence_start":${first},"assigned_sequence_end":${last},"head_sequence":${head}${rejectionList}}`;
    const groups = request.receipts & GROUP_RECEIPTS ? renderGroupReceipts(request, request.outcome!) : '';
    const groupList = groups === '' ? '' : `,"groupReceipts":${groups}`;
    return `{"batchId":"${randomUUID()}","eventsAccepted":${accepted.length},"eventsRejected":${rejected},"sequenceStart":${first},"sequenceEnd":${last},"headSequence":${head}${rejectionList}${receiptsOf(request, decided)}${groupList}}`;
  };
}

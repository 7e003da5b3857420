/** Answers as JSON, with the receipts' signatures. */
import { randomUUID } from 'node:crypto';
import {
  FIXED,
  formatMicros,
  formatUuid,
  parseUuid,
  RECEIPT_PREIMAGE_BYTES,
  writeReceiptPreimage,
} from '../engine/protocol/index.js';
import { outcome, type RequestOutcome } from '../engine/sequencer/index.js';
import type { Decided } from './decide.js';
import { EVENT_RECEIPTS, GROUP_RECEIPTS, type SequencerIdentity } from './messages.js';
import { createSigner, sha256Into } from './native-crypto.js';
import { createGroupReceiptRenderer } from './render-group-receipts.js';
import type { PreparedRequest, VesRequest } from './request-context.js';

/** Makes a writer; receipts are signed with `identity`, logs are named below `origin`. Not re-entrant. */
export function createJsonWriter(
  identity: SequencerIdentity,
  origin: string,
): (request: PreparedRequest, decided: Decided) => string {
  const renderGroupReceipts = createGroupReceiptRenderer(identity, origin);
  const sign = createSigner(identity.seed);
  const retired = new Map(identity.retired.map(({ keyVersion, seed }) => [keyVersion, createSigner(seed)]));
  const ownHex = Buffer.from(parseUuid(identity.id)!).toString('hex');
  const preimage = Buffer.alloc(RECEIPT_PREIMAGE_BYTES);
  const hash = Buffer.alloc(32);
  const signature = Buffer.alloc(64);
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
    const at = index * outcome.EVENT_NUMBERS;
    const sequence = result.events[at + 1]!;
    const { fixed, fixedOffset } = request.events[index]!.envelope;
    const signingHash = request.signingHashes.subarray(index * 32, index * 32 + 32);
    writeReceiptPreimage({ fixed, fixedOffset }, sequence, signingHash, preimage, 0);
    sha256Into(preimage, hash, 0);
    const by = result.sequencers?.get(index);
    const sequencer =
      by === undefined || by === '' || by === ownHex ? identity.id : formatUuid(Buffer.from(by, 'hex'));
    // An event numbered under a key that is not held any more is vouched for with the present key.
    const numberedUnder = result.events[at + 3]!;
    const signAsThen = retired.get(numberedUnder);
    (signAsThen ?? sign)(hash, signature);
    const keyVersion = signAsThen ? numberedUnder : identity.keyVersion;
    return `{"sequencerId":"${sequencer}","eventId":"${formatUuid(fixed, fixedOffset + FIXED.eventId)}","sequenceNumber":${sequence},"sequencedAt":"${instant(result.events[at + 2]!)}","receiptHash":"${hash.toString('hex')}","signatureAlg":"ed25519","sequencerSignature":"${signature.toString('hex')}","sequencerKeyVersion":${keyVersion},"receiptSignatureScheme":1}`;
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

/**
 * Outcomes to replies. The reply's text is built here, in the worker that read the request, including the receipts'
 * signatures; the main thread only sends bytes.
 */
import { randomUUID } from 'node:crypto';
import {
  FIXED,
  formatMicros,
  formatUuid,
  LEGACY_FIXED,
  LEGACY_REJECTION,
  parseUuid,
  RECEIPT_PREIMAGE_BYTES,
  type Rejection,
  VES_REJECTION,
  writeReceiptPreimage,
} from '../engine/protocol/index.js';
import { outcome, type RequestOutcome } from '../engine/sequencer/index.js';
import { EVENT_RECEIPTS, GROUP_RECEIPTS, type SequencerIdentity } from './messages.js';
import { createSigner, sha256Into } from './native-crypto.js';
import { createGroupReceiptRenderer } from './render-group-receipts.js';
import { type LegacyRequest, type PreparedRequest, refuse, type VesRequest } from './request-context.js';

/** A finished reply. */
export interface Rendered {
  readonly text: string;
  readonly accepted: number;
  readonly rejected: number;
  readonly replayed: number;
}

const NOT_STORED =
  'The event was not stored because the service is overloaded or its database is unavailable; send it again';
const UNKNOWN =
  'The database did not say whether the event was stored; sending the same event again is safe and gives its receipt';
const REFUSED = 'The database refused this event; nothing of it was stored';

/** Makes a renderer; receipts are signed with `identity`, logs are named below `origin`. Not re-entrant. */
export function createRenderer(
  identity: SequencerIdentity,
  origin: string,
): (request: PreparedRequest) => Rendered {
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

  function vesRejection(request: VesRequest, index: number, code: number, result: RequestOutcome): Rejection {
    const { envelope } = request.events[index]!;
    const { fixed, fixedOffset } = envelope;
    const at = index * outcome.EVENT_NUMBERS;
    if (code >= outcome.VERDICT_BASE) return request.rejections[code - outcome.VERDICT_BASE]!;
    switch (code) {
      case outcome.REPEATED_EVENT_ID:
        return VES_REJECTION.duplicateInBatch(formatUuid(fixed, fixedOffset + FIXED.eventId));
      case outcome.EVENT_ID_TAKEN:
        return VES_REJECTION.existsElsewhere();
      case outcome.EVENT_ID_DIFFERS:
        return VES_REJECTION.existsDifferent();
      case outcome.REPEATED_COMMAND_ID:
        return VES_REJECTION.commandInBatch(formatUuid(fixed, fixedOffset + FIXED.commandId));
      case outcome.COMMAND_ID_TAKEN:
        return VES_REJECTION.commandProcessed(formatUuid(fixed, fixedOffset + FIXED.commandId));
      case outcome.VERSION_CONFLICT:
        return VES_REJECTION.versionConflict(envelope.baseVersion!, result.events[at + 1]!);
      default:
        return trouble(code);
    }
  }

  function legacyRejection(
    request: LegacyRequest,
    index: number,
    code: number,
    result: RequestOutcome,
  ): Rejection {
    const { envelope } = request.events[index]!;
    const eventId = formatUuid(envelope.fixed, LEGACY_FIXED.eventId);
    const commandId = formatUuid(envelope.fixed, LEGACY_FIXED.commandId);
    if (code >= outcome.VERDICT_BASE) return request.rejections[code - outcome.VERDICT_BASE]!;
    switch (code) {
      case outcome.REPEATED_EVENT_ID:
        return LEGACY_REJECTION.duplicateInBatch(eventId);
      case outcome.EVENT_ID_TAKEN:
      case outcome.EVENT_ID_DIFFERS:
        return LEGACY_REJECTION.exists(eventId);
      case outcome.REPEATED_COMMAND_ID:
        return LEGACY_REJECTION.commandInBatch(commandId);
      case outcome.COMMAND_ID_TAKEN:
        return LEGACY_REJECTION.commandProcessed(commandId);
      case outcome.VERSION_CONFLICT:
        return LEGACY_REJECTION.versionConflict(
          envelope.baseVersion!,
          result.events[index * outcome.EVENT_NUMBERS + 1]!,
        );
      default:
        return LEGACY_REJECTION.other(trouble(code).message);
    }
  }

  return (request) => {
    const result = request.outcome!;
    const count = request.events.length;
    failWhole(result, count);
    const ves = request.kind === 'ves';
    const eventReceipts = (request.receipts & EVENT_RECEIPTS) !== 0;
    let accepted = 0;
    let replayed = 0;
    let first = 0;
    let last = 0;
    const rejections: string[] = [];
    const replays: string[] = [];
    const receipts: string[] = [];
    for (let i = 0; i < count; i++) {
      const code = result.events[i * outcome.EVENT_NUMBERS]!;
      if (code === outcome.ACCEPTED) {
        last = result.events[i * outcome.EVENT_NUMBERS + 1]!;
        if (accepted++ === 0) first = last;
        if (ves && eventReceipts) receipts.push(receipt(request, i, result));
      } else if (code === outcome.REPLAYED && ves) {
        replayed++;
        replays.push(receipt(request, i, result));
      } else {
        const { reason, message } = ves
          ? vesRejection(request, i, code, result)
          : legacyRejection(request, i, code, result);
        const { fixed, fixedOffset } = request.events[i]!.envelope;
        const id = formatUuid(fixed, fixedOffset + FIXED.eventId);
        const alias = ves ? `"eventId":"${id}",` : '';
        rejections.push(
          `{"event_id":"${id}",${alias}"reason":${JSON.stringify(reason)},"message":${JSON.stringify(message)}}`,
        );
      }
    }
    const rejected = rejections.length;
    const range = accepted === 0 ? ['null', 'null'] : [first, last];
    const rejectionList = rejected === 0 ? '' : `,"rejections":[${rejections.join(',')}]`;
    const all = replays.length === 0 ? receipts : [...replays, ...receipts];
    const receiptList = all.length === 0 ? '' : `,"receipts":[${all.join(',')}]`;
    const groups =
      request.kind === 'ves' && request.receipts & GROUP_RECEIPTS ? renderGroupReceipts(request, result) : '';
    const groupList = groups === '' ? '' : `,"groupReceipts":${groups}`;
    const text = ves
      ? `{"batchId":"${randomUUID()}","eventsAccepted":${accepted},"eventsRejected":${rejected},"sequenceStart":${range[0]},"sequenceEnd":${range[1]},"headSequence":${result.head}${rejectionList}${receiptList}${groupList}}`
      : `{"batch_id":"${randomUUID()}","events_accepted":${accepted},"events_rejected":${rejected},"assigned_sequence_start":${range[0]},"assigned_sequence_end":${range[1]},"head_sequence":${result.head}${rejectionList}}`;
    return { text, accepted, rejected, replayed };
  };
}

/** Outcomes that are nobody's fault but ours, when only some events of a request have them. */
function trouble(code: number): Rejection {
  if (code === outcome.OUTCOME_UNKNOWN) return { reason: 'outcome_unknown', message: UNKNOWN };
  if (code === outcome.REFUSED_BY_STORE) return { reason: 'refused_by_store', message: REFUSED };
  return { reason: 'not_stored', message: NOT_STORED };
}

/** A request none of whose events was decided fails as a whole, so that clients retry it. */
function failWhole(result: RequestOutcome, count: number): void {
  let unknown = 0;
  let notStored = 0;
  let full = 0;
  for (let i = 0; i < count; i++) {
    const code = result.events[i * outcome.EVENT_NUMBERS]!;
    if (code === outcome.OUTCOME_UNKNOWN) unknown++;
    else if (code === outcome.NOT_STORED) notStored++;
    else if (code === outcome.QUEUE_FULL) full++;
  }
  if (count === 0 || unknown + notStored + full < count) return;
  if (unknown > 0) refuse('TIMEOUT', UNKNOWN);
  if (full > 0) refuse('OVERLOADED', NOT_STORED);
  refuse('SERVICE_UNAVAILABLE', NOT_STORED);
}

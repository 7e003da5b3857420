/** What the partition decided about a request, sorted for whoever writes the answer down. */
import {
  FIXED,
  formatUuid,
  LEGACY_FIXED,
  LEGACY_REJECTION,
  type Rejection,
  VES_REJECTION,
} from '../engine/protocol/index.js';
import { outcome, type RequestOutcome } from '../engine/sequencer/index.js';
import { type LegacyRequest, type PreparedRequest, refuse, type VesRequest } from './request-context.js';

/** An event that was not taken. */
export interface Refused {
  /** Index in the request. */
  readonly event: number;
  readonly rejection: Rejection;
}

/** The outcome of a request at least one of whose events was decided. Numbers refer to events of the request. */
export interface Decided {
  /** Indexes of the events that were given a number now. */
  readonly accepted: readonly number[];
  /** Indexes of VES events that were stored before with the same content. */
  readonly replayed: readonly number[];
  readonly refused: readonly Refused[];
  /** First and last number given now; 0 when none was. */
  readonly first: number;
  readonly last: number;
  /** The stream's head after the group. */
  readonly head: number;
}

const NOT_STORED =
  'The event was not stored because the service is overloaded or its database is unavailable; send it again';
const QUEUE_FULL =
  'More events wait for the database than the service admits, of all tenants together; nothing of this request was stored';
const SHARE_FULL =
  'As many events of this tenant wait for the database as its part of the room allows; nothing of this request was stored';
const UNKNOWN =
  'The database did not say whether the event was stored; sending the same event again is safe and gives its receipt';
const REFUSED = 'The database refused this event; nothing of it was stored';

/** Sorts the outcomes. @throws ServiceError when none of the events was decided, so that clients send the request again */
export function decide(request: PreparedRequest): Decided {
  const result = request.outcome!;
  const count = request.events.length;
  failWhole(result, count);
  const accepted: number[] = [];
  const replayed: number[] = [];
  const refused: Refused[] = [];
  for (let event = 0; event < count; event++) {
    const code = result.events[event * outcome.EVENT_NUMBERS]!;
    if (code === outcome.ACCEPTED) accepted.push(event);
    else if (code === outcome.REPLAYED && request.kind === 'ves') replayed.push(event);
    else {
      const rejection =
        request.kind === 'ves'
          ? vesRejection(request, event, code, result)
          : legacyRejection(request, event, code, result);
      refused.push({ event, rejection });
    }
  }
  const numberOf = (event: number | undefined) =>
    event === undefined ? 0 : result.events[event * outcome.EVENT_NUMBERS + 1]!;
  return {
    accepted,
    replayed,
    refused,
    first: numberOf(accepted[0]),
    last: numberOf(accepted.at(-1)),
    head: result.head,
  };
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
  let share = 0;
  for (let i = 0; i < count; i++) {
    const code = result.events[i * outcome.EVENT_NUMBERS]!;
    if (code === outcome.OUTCOME_UNKNOWN) unknown++;
    else if (code === outcome.NOT_STORED) notStored++;
    else if (code === outcome.QUEUE_FULL) full++;
    else if (code === outcome.SHARE_FULL) share++;
  }
  if (count === 0 || unknown + notStored + full + share < count) return;
  if (unknown > 0) refuse('TIMEOUT', UNKNOWN);
  if (full > 0) refuse('OVERLOADED', QUEUE_FULL, { limit_of: 'service' });
  if (share > 0) refuse('OVERLOADED', SHARE_FULL, { limit_of: 'tenant' });
  refuse('SERVICE_UNAVAILABLE', NOT_STORED);
}

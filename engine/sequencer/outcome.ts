/**
 * Outcome codes: what became of an event. The verify worker proposes rejections, the partition decides, the worker turns
 * codes into the reply's text. Codes are internal to the process; reasons and messages are the wire's.
 */
import type { GroupTree } from '../log/index.js';

/** Nothing found wrong (a verdict), or stored now with a new number (an outcome). */
export const ACCEPTED = 0;
/** Stored before with the same content: the first receipt is returned. */
export const REPLAYED = 1;
/** The event id occurs earlier in the same request. */
export const REPEATED_EVENT_ID = 2;
/** The event id is stored already: in another stream of the tenant, or (legacy) anywhere. */
export const EVENT_ID_TAKEN = 3;
/** The event id is stored already in this stream with other contents. */
export const EVENT_ID_DIFFERS = 4;
/** The command id occurs earlier in the same request. */
export const REPEATED_COMMAND_ID = 5;
/** The command id is used by another event of this stream. */
export const COMMAND_ID_TAKEN = 6;
/** base_version is not the entity's current version; `sequence` carries the actual one. */
export const VERSION_CONFLICT = 7;
/** The database refused this very event; the partition's log carries the reason. */
export const REFUSED_BY_STORE = 8;
/** Not stored: the deadline passed or the queue is full before the event was tried. */
export const NOT_STORED = 9;
/** Nobody knows yet whether it is stored: the connection broke around COMMIT and the deadline passed. */
export const OUTCOME_UNKNOWN = 10;
/** Not stored: the partition's queue is full. */
export const QUEUE_FULL = 11;
/** Not stored: the tenant has its part of the partition's queue, which is not full. */
export const SHARE_FULL = 12;

/** First code of the verify worker's own rejections: `VERDICT_BASE + index` into the request's list of rejections. */
export const VERDICT_BASE = 100;

/** Numbers kept per event in {@link RequestOutcome.events}. */
export const EVENT_NUMBERS = 4;

/**
 * What became of one request. `events` holds four numbers per event: code · sequence number (or the actual version of a
 * conflict) · sequenced_at in microseconds since the Unix epoch · sequencer key version.
 */
export interface RequestOutcome {
  readonly events: Float64Array;
  /** The stream's head after the group. */
  head: number;
  /** Sequencer ids (32 hex digits) of replayed events that another sequencer id had numbered, by event index. */
  sequencers: Map<number, string> | undefined;
  /** The groups its accepted events became part of, where group receipts are wanted. */
  trees: GroupTree[] | undefined;
}

/** An outcome with every event undecided. */
export function createOutcome(events: number): RequestOutcome {
  return {
    events: new Float64Array(events * EVENT_NUMBERS),
    head: 0,
    sequencers: undefined,
    trees: undefined,
  };
}

/** Records one event's outcome. */
export function setOutcome(
  outcome: RequestOutcome,
  event: number,
  code: number,
  sequence = 0,
  sequencedAtMicros = 0,
  keyVersion = 0,
): void {
  const at = event * EVENT_NUMBERS;
  outcome.events[at] = code;
  outcome.events[at + 1] = sequence;
  outcome.events[at + 2] = sequencedAtMicros;
  outcome.events[at + 3] = keyVersion;
}

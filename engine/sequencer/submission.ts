/** Work as the partition holds it: requests, and slices of requests that are tried together. */
import {
  type PackedBatch,
  requestDeadline,
  requestEventCount,
  requestFirstEvent,
  requestKind,
  requestStore,
  requestTenant,
  rowLength,
  type StreamKind,
  wantsGroupReceipts,
} from './batch.js';
import { createOutcome, type RequestOutcome } from './outcome.js';
import { type StreamKey, streamKey } from './stream.js';

/** One request of one stream, from its arrival in the partition to its answer. */
export interface Submission {
  readonly batch: PackedBatch;
  readonly request: number;
  readonly kind: StreamKind;
  readonly tenant: string;
  readonly store: string;
  readonly stream: StreamKey;
  readonly firstEvent: number;
  readonly eventCount: number;
  /** Bytes of its rows. */
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly deadlineMs: number;
  readonly groupReceipts: boolean;
  readonly outcome: RequestOutcome;
  /** Events without an outcome yet. */
  undecided: number;
  /** Per event, what the last write whose outcome got lost meant for it: one of the TENTATIVE_* marks, 0 = nothing. */
  tentative: Uint8Array | undefined;
}

/** The event was in the write: finding it stored means "accepted", not "replayed". */
export const TENTATIVE_WRITTEN = 1;
/** The plan of the write decided the event otherwise (its outcome is recorded): that stands if the write did happen. */
export const TENTATIVE_DECIDED = 2;

/** Events [from, to) of a submission, counted within the submission. */
export interface Slice {
  readonly submission: Submission;
  readonly from: number;
  readonly to: number;
}

export function createSubmission(batch: PackedBatch, request: number): Submission {
  const kind = requestKind(batch, request);
  const tenant = requestTenant(batch, request);
  const store = requestStore(batch, request);
  const firstEvent = requestFirstEvent(batch, request);
  const eventCount = requestEventCount(batch, request);
  let bytes = 0;
  for (let e = firstEvent; e < firstEvent + eventCount; e++) bytes += rowLength(batch, e);
  return {
    batch,
    request,
    kind,
    tenant,
    store,
    stream: streamKey(kind, tenant, store),
    firstEvent,
    eventCount,
    bytes,
    deadlineMs: requestDeadline(batch, request),
    groupReceipts: wantsGroupReceipts(batch, request),
    outcome: createOutcome(eventCount),
    undecided: eventCount,
    tentative: undefined,
  };
}

/** The whole submission as one slice. */
export function wholeSlice(submission: Submission): Slice {
  return { submission, from: 0, to: submission.eventCount };
}

/** Two halves of a group that cannot be tried whole: by slice, or within the only slice. Undefined for a single event. */
export function halve(group: readonly Slice[]): [Slice[], Slice[]] | undefined {
  if (group.length > 1) {
    const middle = group.length >>> 1;
    return [group.slice(0, middle), group.slice(middle)];
  }
  const [only] = group;
  if (!only || only.to - only.from < 2) return undefined;
  const middle = (only.from + only.to) >>> 1;
  return [[{ ...only, to: middle }], [{ ...only, from: middle }]];
}

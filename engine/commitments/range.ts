import { ServiceError } from '../errors/index.js';

/**
 * Most events of one commitment. A tree of a million leaves takes 64 MB while it is built, and some seconds; a stream's
 * commitments follow each other without a gap, so larger ranges are committed in parts.
 */
export const COMMITMENT_EVENTS_MAX = 1_000_000;

/** What is known of a stream when a range of it is to be committed. */
export type RangeFacts = {
  readonly head: bigint;
  /** The stream's last commitment. */
  readonly last: { readonly sequenceEnd: bigint } | undefined;
  /** The commitment that starts highest up to the range's start. */
  readonly before: { readonly sequenceStart: bigint; readonly sequenceEnd: bigint } | undefined;
};

/**
 * Whether a range is to be committed now (`new`) or has been already (`stored`: the same range again). The first commitment of
 * a stream may start anywhere, every other one starts behind the last.
 *
 * @param label what messages call the stream's commitments and events
 * @throws ServiceError INVALID_FIELD_VALUE
 */
export function judgeRange(
  label: 'VES ' | '',
  start: bigint,
  end: bigint,
  facts: RangeFacts,
): 'new' | 'stored' {
  const { head, last, before } = facts;
  if (before !== undefined && before.sequenceStart === start) {
    if (before.sequenceEnd === end) return 'stored';
    throw refusal(
      `commitment already exists for start ${start} but ends at ${before.sequenceEnd} (requested ${end})`,
      { sequence_start: Number(start), sequence_end: Number(before.sequenceEnd) },
    );
  }
  if (last !== undefined && start !== last.sequenceEnd + 1n)
    throw refusal(
      `commitment range must start at ${last.sequenceEnd + 1n} (next after last committed sequence ${last.sequenceEnd})`,
      { expected_start: Number(last.sequenceEnd + 1n), committed_through: Number(last.sequenceEnd) },
    );
  if (start > head)
    throw refusal(`no ${label}events in range for commitment`, { head_sequence: Number(head) });
  if (end > head)
    throw refusal(
      `${label}commitment range ${start}..=${end} contains ${head - start + 1n} events but expected ${end - start + 1n}`,
      { head_sequence: Number(head) },
    );
  return 'new';
}

/** What can be said of a range without looking at the stream. @throws ServiceError INVALID_FIELD_VALUE */
export function requireRange(start: bigint, end: bigint): void {
  if (start < 1n || end < start)
    throw refusal('invalid sequence range: it must start at 1 or later and not end before it starts', {});
  if (end - start >= BigInt(COMMITMENT_EVENTS_MAX))
    throw refusal(`a commitment covers at most ${COMMITMENT_EVENTS_MAX} events: commit the range in parts`, {
      events_max: COMMITMENT_EVENTS_MAX,
    });
}

const refusal = (message: string, details: Record<string, number>): ServiceError =>
  new ServiceError('INVALID_FIELD_VALUE', message, { details });

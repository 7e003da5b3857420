import { ServiceError } from '../errors/index.js';

/**
 * Most bytes of payloads in one page of events. A page ends before the event that would exceed it (but holds at least one),
 * so that thousand payloads of a megabyte are not in memory at once.
 */
export const PAGE_PAYLOAD_BYTES_MAX = 16 * 1024 * 1024;

/** Consecutive events of a stream. */
export type EventPage<Row> = {
  readonly events: readonly Row[];
  /** Last sequence number of the stream, as of the same snapshot. */
  readonly head: bigint;
};

/** Some events of one entity. */
export type EntityPage<Row> = {
  readonly events: readonly Row[];
  /** All events of the entity, as of the same snapshot. */
  readonly total: number;
};

/** A row of a statement that joins a stream's head with its events; the event's columns are null where there is none. */
export type HeadRow<Row> = { readonly head: bigint; readonly found: bigint | null } & Row;

/**
 * Takes such rows apart and checks that no number is missing (L1).
 *
 * @throws ServiceError SEQUENCE_GAP
 */
export function toEventPage<Row extends { readonly sequence: bigint }>(
  rows: readonly HeadRow<Row>[],
  from: bigint,
  to: bigint,
): EventPage<Row> {
  const head = rows[0]?.head ?? 0n;
  const last = to < head ? to : head;
  const expected = last < from ? 0n : last - from + 1n;
  const found = rows[0]?.found ?? 0n;
  if (found !== expected)
    throw new ServiceError(
      'SEQUENCE_GAP',
      `The stream's head is ${head}, but only ${found} of the ${expected} events from ${from} to ${last} are stored`,
      {
        details: { from: Number(from), to: Number(last), head_sequence: Number(head), found: Number(found) },
      },
    );
  return { head, events: found === 0n ? [] : rows };
}

/** A row of a statement that joins an entity's number of events with some of them. */
export type TotalRow<Row> = { readonly total: bigint } & Row;

/** Takes such rows apart. */
export function toEntityPage<Row extends { readonly sequence: bigint | null }>(
  rows: readonly TotalRow<Row>[],
): EntityPage<Row> {
  const first = rows[0];
  return {
    total: Number(first?.total ?? 0n),
    events: first === undefined || first.sequence === null ? [] : rows,
  };
}

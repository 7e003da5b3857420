/**
 * Reads the events of ranges in order, whatever state the table is in: notes missing and repeated numbers, and goes on behind a row
 * that the server cannot read.
 */

import type { Fault } from './finding.js';
import { type PlacedRange, rangeQuery, readRanges } from './range-query.js';
import type { Session } from './session.js';
import type { StreamRange } from './task.js';
import { readInt8, type Tuple } from './tuples.js';
import { isUnreadable, unreadableFault } from './unreadable.js';

/** A range being read. */
export interface EventSink {
  readonly range: StreamRange;
  /** The number expected next. */
  next: number;
  readonly missing: { readonly from: number; to: number }[];
  /** Takes the event of number `next`. */
  take(tuple: Tuple): void;
  /** Notes what is wrong with a number. */
  fail(sequence: number, fault: Fault): void;
}

/** Unreadable rows of one task after which its rest is given up. */
const UNREADABLE_MAX = 64;

export async function readEvents(
  session: Session,
  table: string,
  columns: string,
  columnCount: number,
  sinks: readonly EventSink[],
): Promise<void> {
  const read = (ranges: readonly PlacedRange[]) =>
    readRanges(
      session,
      rangeQuery(ranges, table, columns, 'sequence_number between r.first and r.last', 'sequence_number'),
      columnCount,
      (tuple, place) => takeInOrder(sinks[place]!, tuple),
    );

  for (let unreadable = 0; ; ) {
    const open = sinks.flatMap(({ range, next }, place) =>
      next <= range.to ? [{ ...range, from: next, place }] : [],
    );
    if (open.length === 0) return;
    try {
      await read(open);
      for (const sink of sinks) skip(sink, sink.range.to);
      return;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
    // The rows before the bad one have arrived, so it is the next one; unless that one is not there.
    const place = sinks.findIndex(({ next, range }) => next <= range.to);
    const sink = sinks[place];
    if (sink === undefined) return;
    const sequence = sink.next;
    try {
      await read([{ ...sink.range, from: sequence, to: sequence, place }]);
      skip(sink, sequence);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      sink.fail(sequence, unreadableFault(error));
      sink.next++;
      if (++unreadable === UNREADABLE_MAX) giveUp(sinks, error);
    }
  }
}

/** A table this broken is not read row by row. */
function giveUp(sinks: readonly EventSink[], error: unknown): void {
  for (const sink of sinks) {
    if (sink.next > sink.range.to) continue;
    const { message, ...fault } = unreadableFault(error);
    sink.fail(sink.next, {
      ...fault,
      message: `${message} (events up to ${sink.range.to} were not looked at)`,
    });
    sink.next = sink.range.to + 1;
  }
}

// L1: numbers are 1..n without a gap.
function takeInOrder(sink: EventSink, tuple: Tuple): void {
  const sequence = readInt8(tuple.bytes, tuple.at[0]!);
  if (sequence < sink.next) {
    const message = 'there is more than one event with this number';
    sink.fail(sequence, { check: 'sequence', column: 'sequence_number', message });
    return;
  }
  if (sequence > sink.range.to) return; // found under another number, which will be missed
  skip(sink, sequence - 1);
  sink.take(tuple);
  sink.next = sequence + 1;
}

/** Notes that the numbers up to `last` are not there. */
function skip(sink: EventSink, last: number): void {
  if (sink.next > last) return;
  sink.missing.push({ from: sink.next, to: last });
  sink.next = last + 1;
}

/**
 * Reads the events of ranges in order, whatever state the table is in: notes missing and repeated numbers, and goes on behind a row
 * that the server cannot read.
 */
import type { Session } from './session.js';
import type { Fault } from './finding.js';
import { type PlacedRange, rangeQuery, readRanges } from './range-query.js';
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

  let unreadable = 0;
  for (;;) {
    const open = sinks.flatMap(({ range, next }, place) =>
      next <= range.to ? [{ ...range, from: next, place }] : [],
    );
    const first = open[0];
    if (first === undefined) return;
    try {
      await read(open);
      break;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
    // All rows before the bad one have arrived, so it is the next one, unless it is a row of an index or a neighbour's.
    const sink = sinks[first.place]!;
    const next = nextOpen(sinks)!;
    try {
      await read([{ ...next.range, from: next.next, to: next.next, place: sinks.indexOf(next) }]);
      if (next.next === first.from && next === sink) skip(next, next.next);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      next.fail(next.next, unreadableFault(error));
      next.next++;
      if (++unreadable < UNREADABLE_MAX) continue;
      for (const each of sinks) {
        if (each.next <= each.range.to)
          each.fail(each.next, { ...unreadableFault(error), message: `this and further rows cannot be read: ${(error as Error).message}` });
        each.next = each.range.to + 1;
      }
      return;
    }
  }
  for (const sink of sinks) skip(sink, sink.range.to);
}

const nextOpen = (sinks: readonly EventSink[]): EventSink | undefined =>
  sinks.find(({ next, range }) => next <= range.to);

// L1: numbers are 1..n without a gap.
function takeInOrder(sink: EventSink, tuple: Tuple): void {
  const sequence = readInt8(tuple.bytes, tuple.at[0]!);
  if (sequence < sink.next) {
    if (sink.missing.length === 0 || sequence !== sink.next - 1) return;
    const message = 'there are two events with this number';
    sink.fail(sequence, { check: 'sequence', column: 'sequence_number', message });
    return;
  }
  if (sequence > sink.range.to) return;
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

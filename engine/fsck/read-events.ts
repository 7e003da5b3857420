/**
 * Reads the events of ranges in order, whatever state the table is in: notes missing and repeated numbers, and goes on behind a row
 * that the server cannot read.
 */

import { type CopyColumns, readInt8, type Tuple } from '../store/copy-tuples.js';
import { addFault, type EventRange } from './event-range.js';
import { type PlacedRange, rangeQuery, readRanges } from './range-query.js';
import type { Session } from './session.js';
import { isUnreadable, unreadableFault } from './unreadable.js';

/** Unreadable rows of one task after which its rest is given up. */
const UNREADABLE_MAX = 64;

/** The first column must be sequence_number. @param take is given the event of number `next` of its range */
export async function readEvents<Range extends EventRange>(
  session: Session,
  { table, columns, columnCount }: CopyColumns,
  ranges: readonly Range[],
  take: (range: Range, tuple: Tuple) => void,
): Promise<void> {
  const read = (placed: readonly PlacedRange[]) => {
    const condition = 'sequence_number between r.first and r.last';
    const query = rangeQuery(placed, table, columns, condition, 'sequence_number');
    return readRanges(session, query, columnCount, (tuple, place) =>
      takeInOrder(ranges[place]!, tuple, take),
    );
  };

  for (let unreadable = 0; ; ) {
    const open = ranges.flatMap(({ range, next }, place) =>
      next <= range.to ? [{ ...range, from: next, place }] : [],
    );
    if (open.length === 0) return;
    try {
      await read(open);
      for (const range of ranges) skip(range, range.range.to);
      return;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
    // The rows before the bad one have arrived, so it is the next one; unless that one is not there.
    const place = ranges.findIndex(({ next, range }) => next <= range.to);
    const range = ranges[place];
    if (range === undefined) return;
    const sequence = range.next;
    try {
      await read([{ ...range.range, from: sequence, to: sequence, place }]);
      skip(range, sequence);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      addFault(range, sequence, unreadableFault(error));
      range.next++;
      if (++unreadable === UNREADABLE_MAX) giveUp(ranges, error);
    }
  }
}

// L1: numbers are 1..n without a gap.
function takeInOrder<Range extends EventRange>(
  range: Range,
  tuple: Tuple,
  take: (range: Range, tuple: Tuple) => void,
): void {
  const sequence = readInt8(tuple.bytes, tuple.at[0]!);
  if (sequence !== range.next) {
    if (sequence < range.next) {
      const message = 'there is more than one event with this number';
      addFault(range, sequence, { check: 'sequence', column: 'sequence_number', message });
      return;
    }
    if (sequence > range.range.to) return; // found under another number, which will be missed
    skip(range, sequence - 1);
  }
  take(range, tuple);
  range.next = sequence + 1;
}

/** Notes that the numbers up to `last` are not there. */
function skip(range: EventRange, last: number): void {
  if (range.next > last) return;
  range.missing.push({ from: range.next, to: last });
  range.next = last + 1;
}

/** A table this broken is not read row by row. */
function giveUp(ranges: readonly EventRange[], error: unknown): void {
  for (const range of ranges) {
    const { to } = range.range;
    if (range.next > to) continue;
    const { message, ...fault } = unreadableFault(error);
    addFault(range, range.next, { ...fault, message: `${message} (events up to ${to} were not looked at)` });
    range.next = to + 1;
  }
}

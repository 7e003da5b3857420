import type { Fault } from './finding.js';
import type { StreamRange } from './task.js';

/** A range of events while it is being read. */
export interface EventRange {
  readonly range: StreamRange;
  /** The number expected next. */
  next: number;
  /** Runs of missing numbers. */
  readonly missing: { readonly from: number; readonly to: number }[];
  /** What is wrong with the rows, by sequence number. */
  readonly faults: Map<number, Fault[]>;
}

export const createEventRange = (range: StreamRange): EventRange => ({
  range,
  next: range.from,
  missing: [],
  faults: new Map(),
});

/** Notes what is wrong with the event of a number. */
export function addFault({ faults }: Pick<EventRange, 'faults'>, sequence: number, fault: Fault): void {
  const known = faults.get(sequence);
  if (known) known.push(fault);
  else faults.set(sequence, [fault]);
}

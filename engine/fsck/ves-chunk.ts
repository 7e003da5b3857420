import { VES_LEAF_BYTES } from '../protocol/index.js';
import { createEventRange, type EventRange } from './event-range.js';
import type { StreamRange } from './task.js';
import type { VesRowTarget } from './ves-row.js';

/** What is known of the event at a place. */
export const EVENT = {
  /** The row was read. */
  present: 1,
  /** It has a check value. */
  checked: 2,
  /** Its leaf is missing or not to be trusted. */
  suspect: 4,
} as const;

/** A range of a VES stream while it is being checked. Arrays have a place per number, from `range.from` on. */
export interface VesChunk extends EventRange, VesRowTarget {
  readonly flags: Uint8Array;
  /** sequenced_at in microseconds since 1970. */
  readonly times: Float64Array;
  /** Number of each event's signing key among those of the task. */
  readonly keys: Int32Array;
}

export function createVesChunk(range: StreamRange): VesChunk {
  const count = range.to - range.from + 1;
  return {
    ...createEventRange(range),
    flags: new Uint8Array(count),
    times: new Float64Array(count),
    keys: new Int32Array(count).fill(-1),
    entries: Buffer.alloc(VES_LEAF_BYTES * count),
    signed: Buffer.alloc(96 * count),
  };
}

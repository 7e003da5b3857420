import type { StreamState } from './streams.js';
import { CHUNK_EVENTS, type StreamRange } from './task.js';

/** A stream whose events 1 to n are looked at. */
export interface Extent {
  readonly stream: StreamState;
  readonly n: number;
}

/** Ranges that make one task, of one kind of stream. */
export interface Bundle {
  readonly ranges: StreamRange[];
  /** The stream of each range. */
  readonly extents: Extent[];
  events: number;
}

/** Most streams of one task: its queries list them. */
const RANGES_MAX = 256;

/** Cuts streams into ranges and gathers those of small streams, so that no task is much smaller than the others. */
export async function* bundle(extents: AsyncIterable<Extent>): AsyncGenerator<Bundle> {
  let open: Bundle = { ranges: [], extents: [], events: 0 };
  for await (const extent of extents) {
    const { tenant, store } = extent.stream;
    // An empty stream has one empty range, for what is recorded of it.
    for (let from = 1; from === 1 || from <= extent.n; from += CHUNK_EVENTS) {
      const to = Math.min(extent.n, from + CHUNK_EVENTS - 1);
      const events = to - from + 1;
      if (open.events + events > CHUNK_EVENTS || open.ranges.length === RANGES_MAX) {
        if (open.ranges.length > 0) yield open;
        open = { ranges: [], extents: [], events: 0 };
      }
      open.ranges.push({ tenant, store, from, to });
      open.extents.push(extent);
      open.events += events;
    }
  }
  if (open.ranges.length > 0) yield open;
}

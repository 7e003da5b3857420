import type { EventChunk } from './chunk.js';

/**
 * The part of a chunk behind number `after`, at most `countMax` events of it. The chunk itself where that is all of it; otherwise views
 * on it.
 *
 * @param after a number the chunk covers, or the one before its first
 * @param countMax at least 1
 */
export function cutChunk(chunk: EventChunk, after: number, countMax: number): EventChunk {
  const { ends, sequences, count } = chunk;
  const from = after < chunk.first ? 0 : firstBehind(sequences, count, after);
  const to = Math.min(count, from + countMax);
  if (from === 0 && to === count && after < chunk.first) return chunk;
  const start = from === 0 ? 0 : ends[from - 1]!;
  const end = to === 0 ? 0 : ends[to - 1]!;
  return {
    first: after + 1,
    // What lies behind the last event taken is covered only if no event was left out.
    last: to === count ? chunk.last : sequences[to - 1]!,
    head: chunk.head,
    count: to - from,
    bytes: chunk.bytes.subarray(start, end),
    ends: ends.slice(from, to).map((each) => each - start),
    sequences: sequences.subarray(from, to),
  };
}

/** Index of the first event whose number is greater than `after`. */
function firstBehind(sequences: Float64Array, count: number, after: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sequences[middle]! <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}

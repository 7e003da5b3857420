/** From rows to chunks. */
import type { TupleSink } from '../store/copy-tuples.js';
import { readInt8 } from '../store/copy-tuples.js';
import { VES } from '../store/ves-columns.js';
import type { EventChunk } from './chunk.js';
import { createSink, type EventEncoder } from './encoder.js';
import type { Matcher } from './matcher.js';

/** A chunk being made. */
export interface ChunkBuilder {
  readonly add: TupleSink;
  /** The chunk; its memory is its own, to be transferred between threads. */
  finish(first: number, last: number, head: number): EventChunk;
}

/** @param matches undefined: every event */
export function createChunkBuilder(encode: EventEncoder, matches: Matcher | undefined): ChunkBuilder {
  const sink = createSink();
  const ends: number[] = [];
  const sequences: number[] = [];
  return {
    add(tuple) {
      if (matches !== undefined && !matches(tuple)) return;
      encode(tuple, sink);
      ends.push(sink.length);
      sequences.push(readInt8(tuple.bytes, tuple.at[VES.sequence]!));
    },
    finish(first, last, head) {
      const bytes = new Uint8Array(sink.length);
      bytes.set(sink.bytes.subarray(0, sink.length));
      return {
        first,
        last,
        head,
        count: ends.length,
        bytes,
        ends: Uint32Array.from(ends),
        sequences: Float64Array.from(sequences),
      };
    },
  };
}

/** Encoding rows of ves_events, as COPY writes them, for subscribers. */
import type { Tuple } from '../store/copy-tuples.js';

/** Bytes that grow; encoders reserve before they write. */
export interface Sink {
  bytes: Buffer;
  length: number;
}

/** Appends one event. The tuple has the columns of `VES` (engine/store/ves-columns.ts). */
export type EventEncoder = (tuple: Tuple, sink: Sink) => void;

const BYTES_MIN = 16 * 1024;

export const createSink = (): Sink => ({ bytes: Buffer.allocUnsafeSlow(BYTES_MIN), length: 0 });

/** Makes room for `bytes` more. */
export function reserve(sink: Sink, bytes: number): void {
  const needed = sink.length + bytes;
  if (needed <= sink.bytes.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * sink.bytes.length));
  sink.bytes.copy(larger, 0, 0, sink.length);
  sink.bytes = larger;
}

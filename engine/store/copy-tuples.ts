/** COPY binary (PostgreSQL manual, "COPY", Binary Format) taken apart without an object per row. */
import { COPY_HEADER } from './copy-row.js';

/**
 * A row's columns inside `bytes`: `at[i]` is the offset of column i's value, `length[i]` its length in bytes, -1 for null. `start` and
 * `end` enclose the tuple with its column count. All of it is valid during the call only.
 */
export interface Tuple {
  bytes: Buffer;
  start: number;
  end: number;
  readonly at: Int32Array;
  readonly length: Int32Array;
}

/** Columns of a table, as they are read with COPY. */
export interface CopyColumns {
  readonly table: string;
  /** For a select. */
  readonly columns: string;
  readonly columnCount: number;
}

export type TupleSink = (tuple: Tuple) => void;

const TRAILER = -1;

/** Makes a function that takes the pieces of a COPY stream, wherever they are cut, and calls `sink` for every row. */
export function createTupleReader(columns: number, sink: TupleSink): (piece: Buffer) => void {
  const tuple: Tuple = {
    bytes: COPY_HEADER,
    start: 0,
    end: 0,
    at: new Int32Array(columns),
    length: new Int32Array(columns),
  };
  let rest: Buffer | undefined;
  let started = false;

  return (piece) => {
    const bytes = rest === undefined ? piece : Buffer.concat([rest, piece]);
    rest = undefined;
    let at = 0;
    if (!started) {
      if (bytes.length < COPY_HEADER.length) {
        rest = bytes;
        return;
      }
      started = true;
      at = COPY_HEADER.length;
    }
    tuple.bytes = bytes;
    while (bytes.length - at >= 2) {
      const count = bytes.readInt16BE(at);
      if (count === TRAILER) return;
      if (count !== columns) throw new Error(`a row of ${count} columns, where ${columns} were asked for`);
      const end = walk(tuple, at, columns);
      if (end === -1) break;
      tuple.start = at;
      tuple.end = end;
      sink(tuple);
      at = end;
    }
    if (at < bytes.length) rest = bytes.subarray(at);
  };
}

/** Finds the columns of the tuple at `start`; -1 when it is not there to its end. */
function walk({ bytes, at, length }: Tuple, start: number, columns: number): number {
  const limit = bytes.length;
  let place = start + 2;
  for (let i = 0; i < columns; i++) {
    if (place + 4 > limit) return -1;
    const bytesOfValue = bytes.readInt32BE(place);
    place += 4;
    at[i] = place;
    length[i] = bytesOfValue;
    if (bytesOfValue > 0) place += bytesOfValue;
    if (place > limit) return -1;
  }
  return place;
}

/** An int8 column as a number; values beyond 2^53 are rounded. */
export function readInt8(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4);
}

/** Microseconds from the Unix epoch to the Postgres epoch (2000-01-01). */
const PG_EPOCH_MICROS = 946_684_800_000_000;

/** A timestamptz column in microseconds since 1970. */
export function readMicros(bytes: Buffer, at: number): number {
  return readInt8(bytes, at) + PG_EPOCH_MICROS;
}

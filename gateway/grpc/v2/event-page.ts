/** Stored events as ready v2 messages. */
import { hash } from 'node:crypto';
import { ServiceError } from '../../../engine/errors/index.js';
import type { Sql } from '../../../engine/store/connection.js';
import { readInt8 } from '../../../engine/store/copy-tuples.js';
import { VES } from '../../../engine/store/ves-columns.js';
import { createProtoEncoder } from '../../../engine/subscriptions/encode-proto.js';
import { createSink } from '../../../engine/subscriptions/encoder.js';
import type { EventFilter } from '../../../engine/subscriptions/filter.js';
import { readPage } from '../../../engine/subscriptions/page-query.js';
import type { StreamRef } from '../values.js';

/** A message ends before the event that would bring it to more than this: clients take 4 MiB unless told otherwise. */
const MESSAGE_BYTES_MAX = 3 * 1024 * 1024;

/** Consecutive events of a stream, or those of them that pass a filter. */
export interface ProtoPage {
  /** SequencedEvent messages. */
  readonly events: Uint8Array[];
  /** The last number looked at. */
  readonly last: number;
}

const sha256Into = (bytes: Uint8Array, target: Uint8Array, offset: number): void => {
  const digest = hash('sha256', bytes, 'binary');
  for (let i = 0; i < 32; i++) target[offset + i] = digest.charCodeAt(i);
};

/**
 * The events `from..to` that pass the filter; fewer when they are large.
 *
 * @param to not beyond the head
 * @throws ServiceError SEQUENCE_GAP when one is missing (found without a filter)
 */
export async function readProtoPage(
  sql: Sql,
  stream: StreamRef,
  filter: EventFilter,
  from: number,
  to: number,
): Promise<ProtoPage> {
  if (from > to) return { events: [], last: to };
  const encode = createProtoEncoder(sha256Into);
  const sink = createSink();
  const ends: number[] = [];
  let full = false;
  let next = from;
  const filtered = Object.values(filter).some((list) => list?.length);
  const request = { stream, filter, format: 'proto' as const, from, to, eventsMax: to - from + 1 };
  const covered = await readPage(sql, request, (tuple) => {
    if (full) return;
    const start = sink.length;
    const sequence = readInt8(tuple.bytes, tuple.at[VES.sequence]!);
    if (!filtered && sequence !== next) throw gap(next);
    encode(tuple, sink);
    if (ends.length > 0 && sink.length > MESSAGE_BYTES_MAX) {
      sink.length = start;
      full = true;
      return;
    }
    ends.push(sink.length);
    next = sequence + 1;
  });
  const last = full ? next - 1 : covered;
  if (!filtered && next <= last) throw gap(next); // L1
  return { events: ends.map((end, i) => sink.bytes.subarray(i === 0 ? 0 : ends[i - 1]!, end)), last };
}

const gap = (sequence: number): ServiceError =>
  new ServiceError('SEQUENCE_GAP', `Event ${sequence} is missing in the stored stream`);

/** Pieces of a stream, encoded for a protocol. */

/**
 * How events are encoded:
 *
 * - `msgpack`: one MessagePack array per event, for the binary WebSocket
 * - `json`: one JSON text per event and line, `{"envelope":{…}}\n`, as in `GET /api/v1/ves/events`
 * - `proto`: one `stateset.sequencer.v2.SequencedEvent` message per event
 */
export const EVENT_FORMATS = ['msgpack', 'json', 'proto'] as const;
export type EventFormat = (typeof EVENT_FORMATS)[number];

/** A (tenant, store). Lower-case hyphenated UUIDs. */
export interface StreamName {
  readonly tenantId: string;
  readonly storeId: string;
}

/**
 * A piece of a stream: the events numbered `first..last` that pass the filter, encoded one behind the other. Shared by all
 * subscribers who want the same: nobody may change it.
 */
export interface EventChunk {
  /** The numbers it covers, both inclusive, whether an event of that number passed or not. */
  readonly first: number;
  readonly last: number;
  /** The stream's head when it was made. */
  readonly head: number;
  /** Events in it. */
  readonly count: number;
  readonly bytes: Uint8Array;
  /** Where each event's encoding ends in `bytes`. */
  readonly ends: Uint32Array;
  /** The number of each event. */
  readonly sequences: Float64Array;
}

/** The encoding of one event of a chunk, a view. */
export function eventBytes(chunk: EventChunk, index: number): Uint8Array {
  return chunk.bytes.subarray(index === 0 ? 0 : chunk.ends[index - 1]!, chunk.ends[index]!);
}

/** Two ways to write events into an HTTP answer that goes on. */
import { errorBody, type ServiceError } from '../../engine/errors/index.js';
import { type EventChunk, eventBytes } from '../../engine/subscriptions/index.js';

export interface StreamWriter {
  readonly contentType: string;
  events(chunk: EventChunk): Uint8Array | string;
  caughtUp(head: number): string;
  heartbeat(cursor: number, head: number): string;
  /** @param cursor the number to go on from */
  error(error: ServiceError, cursor: number): string;
}

const NO_REQUEST = '';

/**
 * One JSON text per line: events as `{"envelope":{…}}`, and between them `{"caught_up":{"head_sequence":n}}`,
 * `{"heartbeat":{"cursor":n,"head_sequence":n}}` and at the end of a stream that was cut off `{"error":{…},"cursor":n}`.
 */
export const jsonLines: StreamWriter = {
  contentType: 'application/x-ndjson',
  events: (chunk) => chunk.bytes,
  caughtUp: (head) => `{"caught_up":{"head_sequence":${head}}}\n`,
  heartbeat: (cursor, head) => `{"heartbeat":{"cursor":${cursor},"head_sequence":${head}}}\n`,
  error: (error, cursor) => `${JSON.stringify({ error: errorBody(error, NO_REQUEST).error, cursor })}\n`,
};

/**
 * Server-sent events (HTML, 9.2): `event: ves` with the sequence number as `id`, so that a browser resumes by itself; `event: caught-up`;
 * heartbeats are comments with an `id`, so that it resumes behind what did not pass its filter; `event: failure` before the end of a stream that was cut off.
 */
export const serverSentEvents: StreamWriter = {
  contentType: 'text/event-stream',
  events(chunk) {
    const lines: Buffer[] = [];
    for (let i = 0; i < chunk.count; i++) {
      lines.push(
        Buffer.from(`id: ${chunk.sequences[i]}\nevent: ves\ndata: `),
        Buffer.from(eventBytes(chunk, i)),
        END,
      );
    }
    return Buffer.concat(lines);
  },
  caughtUp: (head) => `event: caught-up\ndata: {"head_sequence":${head}}\n\n`,
  heartbeat: (cursor, head) => `: cursor ${cursor}, head ${head}\nid: ${cursor}\n\n`,
  error: (error, cursor) =>
    `event: failure\ndata: ${JSON.stringify({ error: errorBody(error, NO_REQUEST).error, cursor })}\n\n`,
};

/** The event's own text ends with a line feed. */
const END = Buffer.from('\n');

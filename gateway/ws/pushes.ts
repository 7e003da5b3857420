/** Pushes of one connection: any number under way up to the limits, answered in the order in which they were taken. */
import { ServiceError } from '../../engine/errors/index.js';
import type { IngestPort, IngestReply } from '../../workers/ingest-port.js';
import type { IngestScope } from '../../workers/messages.js';
import { refusedIngest } from '../limits/refused-ingest.js';
import { addIngestSpans, type TraceSpan } from '../telemetry/tracing.js';
import { errorFrame } from './wire-error.js';

/** How long before a push's own deadline the pipeline has to give it up, so that the better answer wins. */
const DEADLINE_MARGIN_MS = 100;

const UNKNOWN =
  'The outcome is unknown: the events may or may not have been stored. Sending the same push again is safe: stored events answer their first receipt';

export interface PushesOptions {
  readonly ingest: IngestPort;
  readonly lane: number;
  readonly pushesMax: number;
  readonly bytesMax: number;
  readonly timeoutMs: number;
  send(frame: Uint8Array): void;
  observe(result: IngestReply, seconds: number): void;
  /** Begins the span of a push, if it is traced. */
  trace?(): TraceSpan | undefined;
}

export interface Pushes {
  /** `frame` may be a view on memory that is gone afterwards. */
  push(id: number, frame: Uint8Array, scope: IngestScope): void;
  /** Answers pushes whose time is up. @param now `performance.now()` */
  tick(now: number): void;
  readonly underWay: number;
  /** The connection is gone: answers have nobody to go to. */
  close(): void;
}

interface Entry {
  readonly id: number;
  readonly bytes: number;
  readonly submittedAt: number;
  answer: Uint8Array | undefined;
}

export function createPushes(options: PushesOptions): Pushes {
  const { ingest, lane, pushesMax, bytesMax, timeoutMs, send, observe } = options;
  const queue: Entry[] = [];
  let bytes = 0;
  let closed = false;

  function settle(entry: Entry, answer: Uint8Array): void {
    if (entry.answer !== undefined) return;
    entry.answer = answer;
    bytes -= entry.bytes;
    while (queue[0]?.answer !== undefined) {
      const { answer: next } = queue.shift()!;
      if (!closed) send(next!);
    }
  }

  function refuseIfFull(length: number): ServiceError | undefined {
    if (queue.length >= pushesMax)
      return new ServiceError(
        'OVERLOADED',
        `${pushesMax} pushes of this connection are under way already; nothing of this one was taken`,
        { details: { limit_of: 'connection', limit: pushesMax } },
      );
    if (bytes + length > bytesMax && queue.length > 0)
      return new ServiceError(
        'OVERLOADED',
        `${bytesMax} bytes of pushes of this connection are under way already; nothing of this one was taken`,
        { details: { limit_of: 'connection', limit: bytesMax } },
      );
    return undefined;
  }

  return {
    push(id, frame, scope) {
      const full = refuseIfFull(frame.length);
      if (full !== undefined) return send(errorFrame(id, full));
      const submittedAt = performance.now();
      const entry: Entry = { id, bytes: frame.length, submittedAt, answer: undefined };
      const span = options.trace?.();
      const admission = ingest.submit({
        kind: 'ves',
        codec: 'msgpack',
        scope,
        body: frame,
        deadlineMs: Date.now() + timeoutMs - DEADLINE_MARGIN_MS,
        receipts: 0, // the frame says it
        lane,
        onTimings: span && ((timings) => addIngestSpans(span, timings)),
        reply(result) {
          span?.end({}, !result.ok);
          observe(result, (performance.now() - submittedAt) / 1000);
          settle(entry, result.ok ? result.body : errorFrame(id, toError(result)));
        },
      });
      if (admission !== 'taken') return send(errorFrame(id, refusedIngest(admission)));
      queue.push(entry);
      bytes += frame.length;
    },
    tick(now) {
      for (const entry of [...queue])
        if (now - entry.submittedAt > timeoutMs)
          settle(entry, errorFrame(entry.id, new ServiceError('TIMEOUT', UNKNOWN)));
    },
    get underWay() {
      return queue.length;
    },
    close() {
      closed = true;
    },
  };
}

const toError = ({ error: { code, message, details } }: Extract<IngestReply, { ok: false }>): ServiceError =>
  new ServiceError(code, message, { details });

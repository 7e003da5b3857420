import type { IngestTimings } from '../../workers/ingest-port.js';

/** Traces as the gateway sees them. Nothing of the SDK is loaded here: without a collector there are no traces, and they cost nothing. */

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** A piece of work of a request that is traced. Times are milliseconds since 1970, with fractions. */
export interface TraceSpan {
  /** 32 hex digits; the same for all spans of a request. */
  readonly traceId: string;
  /** Adds a part that is over already. */
  child(name: string, startMs: number, endMs: number, attributes?: SpanAttributes): TraceSpan;
  /** Runs something whose database statements belong to this span. */
  run<T>(work: () => T): T;
  end(attributes: SpanAttributes, failed: boolean): void;
}

export interface Tracing {
  /**
   * Begins the span of a request. Undefined: it is not sampled.
   *
   * @param traceparent what the client sent (W3C Trace Context, level 1); empty when it sent none. It decides whether the request
   * is sampled, if there is one.
   */
  startRequest(name: string, traceparent: string, attributes: SpanAttributes): TraceSpan | undefined;
  /** The span that the present work belongs to. */
  active(): TraceSpan | undefined;
  /** Sends what is left. */
  shutdown(): Promise<void>;
}

/** What a client says about the trace its request belongs to. */
export interface TraceParent {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  readonly sampled: boolean;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZEROS = /^0+$/;

/** Reads a `traceparent` header (W3C Trace Context section 3.2); undefined when it is not one. Later versions may say more. */
export function parseTraceparent(text: string): TraceParent | undefined {
  const [, version, traceId = '', spanId = '', flags = '', more] = TRACEPARENT.exec(text) ?? [];
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (ZEROS.test(traceId) || ZEROS.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** The spans of an ingest request inside the threads, made from their timings after the fact. */
export function addIngestSpans(span: TraceSpan, timings: IngestTimings): void {
  const { received, verified, partition, groupBegun, groupEnded, decided, rendered } = timings;
  span.child('verify', received, verified, { 'thread.name': 'verify' });
  if (groupEnded > 0) {
    const attributes = { 'thread.name': `partition-${partition}`, 'sequencer.partition': partition };
    const sequence = span.child('sequence', verified, decided, attributes);
    sequence.child('commit', groupBegun, groupEnded, {
      'db.system.name': 'postgresql',
      'db.operation.name': 'COMMIT',
    });
  }
  span.child('sign', decided, rendered, { 'thread.name': 'verify' });
}

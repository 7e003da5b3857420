/** What the readers of all codecs share: limits on a request, and the canonical payload as the payload hash covers it. */
import {
  type ByteSink,
  canonicalizeInto,
  DOMAIN,
  JcsError,
  type VesEnvelope,
} from '../engine/protocol/index.js';
import { type PreparedVesEvent, refuse } from './request-context.js';

const LABEL = DOMAIN.payloadPlain;

/** Refuses a request with more events than allowed. */
export function tooMany(count: number, max: number): never {
  refuse('PAYLOAD_TOO_LARGE', `A request may hold ${max} events, this one holds ${count}`, {
    events: count,
    events_max: max,
  });
}

/** Refuses a request for one of its payloads. */
export function payloadTooLarge(event: number, bytes: number, max: number): never {
  refuse('PAYLOAD_TOO_LARGE', `events[${event}]: the payload has ${bytes} bytes, ${max} are allowed`, {
    path: `events[${event}].payload`,
    bytes,
    bytes_max: max,
  });
}

/** Appends label and canonical payload (or encryption envelope) to the sink. */
export function preparePayload(envelope: VesEnvelope, sink: ByteSink): PreparedVesEvent {
  reserve(sink, LABEL.length);
  sink.bytes.set(LABEL, sink.length);
  const start = sink.length + LABEL.length;
  sink.length = start;
  try {
    canonicalizeInto(envelope.payloadKind === 0 ? envelope.payload : envelope.payloadEncrypted?.json, sink);
    return { envelope, payloadStart: start, payloadEnd: sink.length, payloadProblem: undefined };
  } catch (error) {
    if (!(error instanceof JcsError)) throw error;
    return { envelope, payloadStart: start, payloadEnd: start, payloadProblem: `payload ${error.message}` };
  }
}

/** The same for a payload that is canonical already. */
export function appendCanonical(
  envelope: VesEnvelope,
  canonical: Uint8Array,
  sink: ByteSink,
): PreparedVesEvent {
  reserve(sink, LABEL.length + canonical.length);
  sink.bytes.set(LABEL, sink.length);
  const start = sink.length + LABEL.length;
  sink.bytes.set(canonical, start);
  sink.length = start + canonical.length;
  return { envelope, payloadStart: start, payloadEnd: sink.length, payloadProblem: undefined };
}

function reserve(sink: ByteSink, bytes: number): void {
  const needed = sink.length + bytes;
  if (needed <= sink.bytes.length) return;
  const larger = Buffer.allocUnsafe(Math.max(sink.bytes.length * 2, needed));
  larger.set(sink.bytes);
  sink.bytes = larger;
}

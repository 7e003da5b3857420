/**
 * First half of a request's way through a verify worker: bytes to typed envelopes with canonical payloads. Whatever is
 * wrong here fails the request as a whole; nothing has been looked up yet.
 */
import { isUtf8 } from 'node:buffer';
import {
  type ByteSink,
  type EnvelopeFault,
  FIXED_BYTES,
  isJsonObject,
  JcsError,
  LosslessJsonError,
  parseLegacyEnvelope,
  parseLossless,
  parseUuid,
  parseVesEnvelope,
  printLegacyJson,
} from '../engine/protocol/index.js';
import { payloadTooLarge, preparePayload, tooMany } from './prepare-payload.js';
import {
  type Arrival,
  authorise,
  type IngestLimits,
  judgement,
  type LegacyRequest,
  type PreparedLegacyEvent,
  type PreparedVesEvent,
  refuse,
  requestBase,
  type VesRequest,
} from './request-context.js';

/** Body bytes as text; invalid UTF-8 is refused rather than replaced, because it would be hashed as something else. */
function decodeText(body: Uint8Array): string {
  if (!isUtf8(body)) refuse('INVALID_REQUEST_BODY', 'The body is not valid UTF-8');
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
}

function faultOf(fault: EnvelopeFault, event: number): never {
  const path = fault.path === '' ? `events[${event}]` : `events[${event}].${fault.path}`;
  const message = `events[${event}]: ${fault.message}`;
  if (fault.kind === 'type') refuse('INVALID_REQUEST_SHAPE', message, { path });
  refuse('INVALID_FIELD_VALUE', message, { path });
}

/** UTF-8 length, without counting when even three bytes per unit would fit. */
function checkSize(text: string, event: number, max: number): void {
  if (text.length * 3 <= max) return;
  const bytes = Buffer.byteLength(text);
  if (bytes > max) payloadTooLarge(event, bytes, max);
}

function canonicalOf(print: () => string): {
  canonical: string | undefined;
  canonicalProblem: string | undefined;
} {
  try {
    return { canonical: print(), canonicalProblem: undefined };
  } catch (error) {
    if (!(error instanceof JcsError)) throw error;
    return { canonical: undefined, canonicalProblem: `payload ${error.message}` };
  }
}

/** Reads a VES ingest request. Throws ServiceError. */
export function prepareVesJson(arrival: Arrival, limits: IngestLimits, strictFormat: boolean): VesRequest {
  const { body, scope } = arrival;
  let parsed: unknown;
  try {
    parsed = JSON.parse(decodeText(body));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    refuse('INVALID_REQUEST_BODY', `The body is not valid JSON: ${error.message}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    refuse('INVALID_REQUEST_SHAPE', 'The body must be an object with agentId and events');
  const { agentId, events } = parsed as { agentId?: unknown; events?: unknown };
  const agent = typeof agentId === 'string' ? parseUuid(agentId) : undefined;
  if (!agent) refuse('INVALID_REQUEST_SHAPE', 'agentId must be a UUID', { path: 'agentId' });
  if (!Array.isArray(events)) refuse('INVALID_REQUEST_SHAPE', 'events must be an array', { path: 'events' });
  if (events.length === 0) refuse('INVALID_FIELD_VALUE', 'events must not be empty', { path: 'events' });
  if (events.length > limits.batchEventsMax) tooMany(events.length, limits.batchEventsMax);

  const fixed = Buffer.allocUnsafe(events.length * FIXED_BYTES);
  // Canonical payloads are about as long as the body that carried them.
  const payloads: ByteSink = { bytes: Buffer.allocUnsafe(body.length + 64), length: 0 };
  const prepared: PreparedVesEvent[] = new Array(events.length);
  for (let i = 0; i < events.length; i++) {
    const read = parseVesEnvelope(events[i], { strictFormat, fixed, fixedOffset: i * FIXED_BYTES });
    if (!read.ok) faultOf(read, i);
    prepared[i] = preparePayload(read.envelope, payloads);
    const { payloadStart, payloadEnd } = prepared[i]!;
    if (payloadEnd - payloadStart > limits.payloadBytesMax)
      payloadTooLarge(i, payloadEnd - payloadStart, limits.payloadBytesMax);
  }
  authorise(scope, agent, prepared, 'source_agent_id');
  return {
    kind: 'ves',
    ...requestBase(arrival),
    events: prepared,
    payloads: payloads.bytes,
    ...judgement(events.length),
  };
}

/** Reads a legacy ingest request, keeping the number tokens that its payload hashes cover. Throws ServiceError. */
export function prepareLegacyJson(arrival: Arrival, limits: IngestLimits): LegacyRequest {
  const { body, scope } = arrival;
  const parsed = (() => {
    try {
      return parseLossless(decodeText(body));
    } catch (error) {
      if (!(error instanceof LosslessJsonError)) throw error;
      refuse('INVALID_REQUEST_BODY', `The body is not valid JSON: ${error.message}`);
    }
  })();
  if (!isJsonObject(parsed))
    refuse('INVALID_REQUEST_SHAPE', 'The body must be an object with agent_id and events');
  const agentId = parsed.get('agent_id');
  const agent = typeof agentId === 'string' ? parseUuid(agentId) : undefined;
  if (!agent) refuse('INVALID_REQUEST_SHAPE', 'agent_id must be a UUID', { path: 'agent_id' });
  const events = parsed.get('events');
  if (!Array.isArray(events)) refuse('INVALID_REQUEST_SHAPE', 'events must be an array', { path: 'events' });
  if (events.length > limits.batchEventsMax) tooMany(events.length, limits.batchEventsMax);

  const prepared: PreparedLegacyEvent[] = events.map((value, i) => {
    const read = parseLegacyEnvelope(value);
    if (!read.ok) faultOf(read, i);
    const { canonical, canonicalProblem } = canonicalOf(() => printLegacyJson(read.envelope.payload));
    if (canonical !== undefined) checkSize(canonical, i, limits.payloadBytesMax);
    return { envelope: { ...read.envelope, fixedOffset: 0 }, canonical, canonicalProblem };
  });
  authorise(scope, agent, prepared, 'source_agent');
  return { kind: 'legacy', ...requestBase(arrival), events: prepared };
}

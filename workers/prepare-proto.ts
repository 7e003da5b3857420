/**
 * Requests in Protocol Buffers: `stateset.sequencer.v2.PushRequest` and `stateset.sequencer.v1.PushRequest`, read field by field into
 * the same envelopes as JSON. Other than there, an event that cannot be read is refused on its own, and the others go on.
 */
import { parseUuid } from '../engine/protocol/index.js';
import { createWireReader, WireError, type WireReader } from '../engine/wire-proto/index.js';
import { tooMany } from './prepare-payload.js';
import { createLegacyEventReader } from './prepare-proto-legacy.js';
import { createVesEventReader } from './prepare-proto-ves.js';
import { EventFault, textOf } from './proto-values.js';
import {
  type Arrival,
  authorise,
  type CreatedAtChoice,
  type EventIds,
  type IngestLimits,
  judgement,
  type LegacyRequest,
  type MalformedEvent,
  refuse,
  requestBase,
  type VesRequest,
} from './request-context.js';

/** A request id that is echoed is no longer than this. */
const REQUEST_ID_BYTES_MAX = 256;

/** What both kinds of requests hold; the fields of v1 are `agent_id` 1, `events` 2. */
interface Push {
  agentId: string;
  tenantId: string;
  storeId: string;
  requestId: string;
  /** Start and end of each event. */
  readonly events: number[];
}

/** Makes the reader of v2 pushes. The reader throws ServiceError when the request as a whole is unusable. */
export function createVesProtoReader(limits: IngestLimits): (arrival: Arrival) => VesRequest {
  const wire = createWireReader();
  const readEvent = createVesEventReader(limits.payloadBytesMax);
  return (arrival) => {
    const body = asBuffer(arrival.body);
    const push = readPush(wire, body, V2, limits.batchEventsMax);
    const agent = idOf(push.agentId, 'agent_id');
    const stream = new Uint8Array(64);
    stream.set(idOf(push.tenantId, 'tenant_id'), 0);
    stream.set(idOf(push.storeId, 'store_id'), 16);
    stream.set(agent, 48);
    // Before any event is looked at: what the credentials do not reach is not judged either.
    authorise(arrival.scope, agent, [{ envelope: { fixed: stream, fixedOffset: 0 } }], 'source_agent');

    const count = push.events.length / 2;
    const malformed: MalformedEvent[] = [];
    const otherCreatedAt: (CreatedAtChoice | undefined)[] = [];
    const batch = readEvent.open(body, count);
    for (let i = 0; i < count; i++) {
      attempt(malformed, wire, body, push.events[2 * i]!, push.events[2 * i + 1]!, (from, to) => {
        readEvent.read(from, to);
        otherCreatedAt.push(readEvent.otherCreatedAt);
      });
    }
    authorise(arrival.scope, agent, batch.events, 'source_agent');
    requireStream(batch.events[0]?.envelope, stream);
    return {
      kind: 'ves',
      ...requestBase(arrival),
      events: batch.events,
      payloads: batch.payloads.bytes,
      ...judgement(batch.events.length),
      proto: { requestId: push.requestId, malformed, otherCreatedAt },
    };
  };
}

/** Makes the reader of v1 pushes. @param nowMicros the time of arrival, for events without one of their own */
export function createLegacyProtoReader(
  limits: IngestLimits,
  nowMicros: () => bigint = () => BigInt(Date.now()) * 1000n,
): (arrival: Arrival) => LegacyRequest {
  const wire = createWireReader();
  const readEvent = createLegacyEventReader(limits.payloadBytesMax);
  return (arrival) => {
    const body = asBuffer(arrival.body);
    const push = readPush(wire, body, V1, limits.batchEventsMax);
    const agent = idOf(push.agentId, 'agent_id');
    const malformed: MalformedEvent[] = [];
    const events: ReturnType<typeof readEvent>[] = [];
    for (let i = 0; i < push.events.length; i += 2) {
      attempt(malformed, wire, body, push.events[i]!, push.events[i + 1]!, (from, to) => {
        events.push(readEvent(body, from, to, nowMicros()));
      });
    }
    authorise(arrival.scope, agent, events, 'source_agent');
    return {
      kind: 'legacy',
      ...requestBase(arrival),
      events,
      proto: { requestId: '', malformed, otherCreatedAt: [] },
    };
  };
}

/** Field numbers of the two requests; 0 is a field there is not. */
const V1 = { agentId: 1, tenantId: 0, storeId: 0, events: 2, requestId: 0 };
const V2 = { agentId: 1, tenantId: 2, storeId: 3, events: 4, requestId: 5 };

function readPush(wire: WireReader, body: Buffer, fields: typeof V2, eventsMax: number): Push {
  const push: Push = { agentId: '', tenantId: '', storeId: '', requestId: '', events: [] };
  try {
    wire.open(body, 0, body.length);
    for (let field = wire.next(); field !== 0; field = wire.next()) {
      if (field === fields.events) {
        if (wire.run() && push.events.push(wire.start, wire.end) > 2 * eventsMax)
          tooMany(eventCount(wire, push, fields), eventsMax);
      } else if (field === fields.agentId) push.agentId = textField(wire, body, 'agent_id');
      else if (field === fields.tenantId) push.tenantId = textField(wire, body, 'tenant_id');
      else if (field === fields.storeId) push.storeId = textField(wire, body, 'store_id');
      else if (field === fields.requestId) push.requestId = textField(wire, body, 'request_id');
      else wire.skip();
    }
  } catch (error) {
    if (!(error instanceof WireError) && !(error instanceof EventFault)) throw error;
    refuse('INVALID_REQUEST_BODY', `The message cannot be read: ${error.message}`);
  }
  if (push.events.length === 0) refuse('INVALID_FIELD_VALUE', 'events must not be empty', { path: 'events' });
  if (push.requestId.length > REQUEST_ID_BYTES_MAX)
    refuse('INVALID_FIELD_VALUE', `request_id may have ${REQUEST_ID_BYTES_MAX} characters`, {
      path: 'request_id',
    });
  return push;
}

/** Counts the rest of a request that has too many events, to say how many. */
function eventCount(wire: WireReader, push: Push, fields: typeof V2): number {
  let count = push.events.length / 2;
  for (let field = wire.next(); field !== 0; field = wire.next()) {
    if (field === fields.events) count++;
    wire.skip();
  }
  return count;
}

function textField(wire: WireReader, body: Buffer, name: string): string {
  return wire.run() ? textOf(body, wire.start, wire.end, name) : '';
}

/** Reads one event; what is wrong with it is noted and hurts only itself. */
function attempt(
  malformed: MalformedEvent[],
  wire: WireReader,
  body: Buffer,
  from: number,
  to: number,
  read: (from: number, to: number) => void,
): void {
  try {
    read(from, to);
  } catch (error) {
    if (!(error instanceof EventFault) && !(error instanceof WireError)) throw error;
    malformed.push({ eventId: eventIdOf(wire, body, from, to), message: error.message });
  }
}

/** The id that a broken event gives itself, as far as it can be read, for its rejection. */
function eventIdOf(wire: WireReader, body: Buffer, from: number, to: number): string {
  const EVENT_ID = 1;
  const ID_BYTES_MAX = 64;
  try {
    wire.open(body, from, to);
    for (let field = wire.next(); field !== 0; field = wire.next()) {
      if (field !== EVENT_ID) wire.skip();
      else if (wire.run() && wire.end - wire.start <= ID_BYTES_MAX)
        return textOf(body, wire.start, wire.end, 'event_id');
    }
  } catch {
    // It is told as an event without an id.
  }
  return '';
}

function idOf(text: string, name: string): Uint8Array {
  return parseUuid(text) ?? refuse('INVALID_FIELD_VALUE', `${name} must be a UUID`, { path: name });
}

/** The events, which are all of one stream, are of the one that the request names. */
function requireStream(first: EventIds | undefined, stream: Uint8Array): void {
  if (first === undefined) return;
  for (let i = 0; i < 32; i++)
    if (first.fixed[first.fixedOffset + i] !== stream[i])
      refuse('INVALID_FIELD_VALUE', 'tenant_id and store_id of the events must equal those of the request');
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * SyncStream: an agent's pushes, pages, acknowledgements and heartbeats on one call, and the events of its stream as they come.
 *
 *   push       → push_response, in the order of the pushes; several may be under way
 *   pull       → pull_response; a first pull begins the live events behind the page that reaches the head
 *   ack        → sync_state with the durable cursor; a first ack begins the live events behind what was acknowledged
 *   heartbeat  → server_heartbeat
 *
 * A message that fails is answered with an error and the stream goes on. Bytes that are no message end it.
 */
import { ServiceError } from '../../../engine/errors/index.js';
import { createWireReader, createWireWriter, v2 } from '../../../engine/wire-proto/index.js';
import { requirePermission, requireStream } from '../../auth/scopes.js';
import { databaseOverloaded } from '../../limits/database-load.js';
import { SYNC_ACCESS } from '../access.js';
import type { GrpcDeps } from '../deps.js';
import type { Outlet } from '../outlet.js';
import { submitPush } from '../push.js';
import { type BidiRpc, type Call, readMessage, writeMessage } from '../rpc.js';
import { failureOf } from '../status.js';
import { type StreamRef, sequenceOf, streamOf, timestampNow } from '../values.js';
import { follow } from './follow.js';
import { pullEvents } from './pull-events.js';
import { syncState } from './sync-state.js';

/** Pushes of one call that may be under way; beyond it the next message is read when one is done. */
const PUSHES_MAX = 32;

/** Field numbers of SyncMessage. */
const FIELD = { push: 1, pushResponse: 5, pullResponse: 6, event: 7, syncState: 8 } as const;

export const syncStreamRpc = (deps: GrpcDeps): BidiRpc => ({
  kind: 'bidi_streaming',
  async run(messages, call, out) {
    const session = openSession(deps, call, out);
    const talk = async () => {
      for await (const bytes of messages) {
        await out.drained();
        await session.take(bytes);
      }
      await session.finish();
    };
    await Promise.race([talk(), session.failed]);
  },
});

interface Session {
  take(bytes: Buffer): Promise<void>;
  /** The client has said everything. */
  finish(): Promise<void>;
  /** Rejects when the live events end. */
  readonly failed: Promise<never>;
}

function openSession(deps: GrpcDeps, call: Call, out: Outlet): Session {
  const underWay = new Set<Promise<void>>();
  /** The answers to pushes go out in the order of the pushes. */
  let lastAnswer: Promise<void> = Promise.resolve();
  let live = false;
  let stream: StreamRef | undefined;
  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});

  const sendError = (error: unknown, requestId: string) => {
    const { status, code, message, retryAfter } = failureOf(error);
    out.write(
      writeMessage(v2.SyncMessageSchema, {
        message: { case: 'error', value: { status, code, message, retryAfter: retryAfter ?? 0, requestId } },
      }),
    );
  };

  async function push(body: Buffer): Promise<void> {
    while (underWay.size >= PUSHES_MAX) await Promise.race(underWay);
    const requestId = requestIdOf(body);
    const before = lastAnswer;
    const answer = attempt(async () => {
      call.count();
      requirePermission(call.auth, SYNC_ACCESS.push);
      return submitPush(deps, 'ves', body, call);
    });
    const work = answer.then(async (result) => {
      await before;
      if ('error' in result) sendError(result.error, requestId);
      else out.write(wrapped(FIELD.pushResponse, result.value));
    });
    lastAnswer = work;
    underWay.add(work);
    void work.finally(() => underWay.delete(work));
  }

  /** L10: live events need what reading needs, and a client that has said where to begin. */
  function goLive(place: StreamRef, after: number): void {
    stream = place;
    if (live) return;
    live = true;
    call.guard((auth) => {
      requirePermission(auth, SYNC_ACCESS.pull);
      requireStream(auth, place.tenantId, place.storeId);
    });
    const request = { stream: place, after, filter: {}, signal: call.signal };
    follow(deps.hub, request, out, (event) => wrapped(FIELD.event, event)).catch(fail);
  }

  async function pull(request: v2.PullEventsRequest): Promise<void> {
    call.count();
    requirePermission(call.auth, SYNC_ACCESS.pull);
    const page = await pullEvents(deps.sql, call.auth, request);
    out.write(wrapped(FIELD.pullResponse, page));
    const { nextSequence, hasMore } = pageEnd(page);
    if (!hasMore) goLive(streamOf(call.auth, request), nextSequence - 1);
  }

  async function acknowledge(request: v2.EventAck): Promise<void> {
    requirePermission(call.auth, SYNC_ACCESS.ack);
    if (request.tenantId === '' && request.storeId === '' && stream === undefined)
      throw new ServiceError(
        'MISSING_REQUIRED_FIELD',
        'tenant_id and store_id are required before the first pull',
      );
    const place = request.tenantId === '' && request.storeId === '' ? stream! : streamOf(call.auth, request);
    const highest = request.sequenceNumbers.reduce((most, each) => (each > most ? each : most), 0n);
    const upTo = request.agentHeadSequence > 0n ? request.agentHeadSequence : highest;
    const sequence = sequenceOf(upTo, 'agent_head_sequence');
    const { auth } = call;
    if (deps.cursors && auth.agent !== null)
      await deps.cursors.acknowledge(place, auth.agent, BigInt(sequence));
    const state = await syncState(deps, auth, place);
    out.write(writeMessage(v2.SyncMessageSchema, { message: { case: 'syncState', value: state } }));
    goLive(place, Math.min(sequence, Number(state.headSequence ?? 0n)));
  }

  async function takeOther({ message }: v2.SyncMessage): Promise<void> {
    if ((message.case === 'pull' || message.case === 'ack') && deps.isOverloaded?.())
      throw databaseOverloaded();
    switch (message.case) {
      case 'pull':
        return pull(message.value);
      case 'ack':
        return acknowledge(message.value);
      case 'heartbeat':
        out.write(
          writeMessage(v2.SyncMessageSchema, {
            message: {
              case: 'serverHeartbeat',
              value: { timestamp: timestampNow(), lastSeenSequence: message.value.lastSeenSequence },
            },
          }),
        );
        return;
      default: // what only servers say is left alone
    }
  }

  return {
    failed,
    async take(bytes) {
      const body = pushIn(bytes);
      if (body !== undefined) return push(body);
      const message = readMessage(v2.SyncMessageSchema, bytes);
      const result = await attempt(() => takeOther(message));
      if ('error' in result) sendError(result.error, '');
    },
    finish: () => lastAnswer,
  };
}

type Attempt<Value> = { readonly value: Value } | { readonly error: unknown };

const attempt = <Value>(work: () => Promise<Value>): Promise<Attempt<Value>> =>
  work().then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );

/** A SyncMessage that holds a finished message. */
function wrapped(field: number, message: Uint8Array): Uint8Array {
  const writer = createWireWriter();
  writer.message(field, (inner) => inner.raw(message));
  return writer.finish();
}

/** The bytes of the push in a SyncMessage; undefined if it holds something else, or is to be read with more care. */
function pushIn(bytes: Buffer): Buffer | undefined {
  const wire = createWireReader();
  try {
    wire.open(bytes, 0, bytes.length);
    if (wire.next() !== FIELD.push || !wire.run()) return undefined;
    const push = bytes.subarray(wire.start, wire.end);
    return wire.next() === 0 ? push : undefined;
  } catch {
    return undefined;
  }
}

/** The request_id of a push, as far as it can be read. */
function requestIdOf(push: Buffer): string {
  const REQUEST_ID = 5;
  const wire = createWireReader();
  try {
    wire.open(push, 0, push.length);
    for (let field = wire.next(); field !== 0; field = wire.next()) {
      if (field !== REQUEST_ID) wire.skip();
      else if (wire.run()) return push.toString('utf8', wire.start, wire.end).slice(0, 256);
    }
  } catch {
    // The worker says what is wrong with it.
  }
  return '';
}

/** What a PullEventsResponse says of its end, without reading its events. */
function pageEnd(page: Uint8Array): { nextSequence: number; hasMore: boolean } {
  const wire = createWireReader();
  const end = { nextSequence: 1, hasMore: false };
  wire.open(Buffer.from(page.buffer, page.byteOffset, page.length), 0, page.length);
  for (let field = wire.next(); field !== 0; field = wire.next()) {
    if (field === 2) end.nextSequence = wire.uint();
    else if (field === 3) end.hasMore = wire.bool();
    else wire.skip();
  }
  return end;
}

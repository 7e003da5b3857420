/** `GET /api/v1/ves/events/stream`: a stream as it grows, as JSON lines or as server-sent events. */
import { z } from 'zod';
import { ServiceError, toServiceError } from '../../engine/errors/index.js';
import type { Subscription, SubscriptionHub } from '../../engine/subscriptions/index.js';
import { keepChecking } from '../auth/check-again.js';
import { requirePermission, requireStream } from '../auth/scopes.js';
import type { Exchange } from '../http/exchange.js';
import type { Route } from '../http/router.js';
import { eventFilterOf } from '../input/event-filter.js';
import { uuid, wholeNumber } from '../input/fields.js';
import { parseQuery } from '../input/parse.js';
import { jsonLines, type StreamWriter, serverSentEvents } from '../render/event-stream.js';

export interface EventStreamDeps {
  readonly hub: SubscriptionHub;
  /** Milliseconds between signs of life. */
  readonly heartbeatMs: number;
  /** A client that does not read for this long is cut off. */
  readonly slowConsumerMs: number;
}

/** Events handed over at once; the socket says when there is room for more. */
const EVENTS_PER_TURN = 256;

export const FollowQuery = z.object({
  tenant_id: uuid(),
  store_id: uuid(),
  after: wholeNumber(Number.MAX_SAFE_INTEGER).optional(),
  live: z.enum(['true', 'false'], { error: 'true or false' }).default('true'),
});

export const eventStreamRoutes = (deps: EventStreamDeps): Route[] => [
  {
    method: 'GET',
    path: '/api/v1/ves/events/stream',
    scope: 'read',
    handler: (exchange) => follow(deps, exchange),
  },
];

function follow({ hub, heartbeatMs, slowConsumerMs }: EventStreamDeps, exchange: Exchange): void {
  const query = parseQuery(FollowQuery, exchange);
  const stream = { tenantId: query.tenant_id, storeId: query.store_id };
  requireStream(exchange.auth, stream.tenantId, stream.storeId);
  const after = resumeFrom(exchange) ?? Number(query.after ?? 0n);
  const filter = eventFilterOf(exchange);
  const live = query.live === 'true';
  const writer: StreamWriter = exchange.head.accept.includes('text/event-stream')
    ? serverSentEvents
    : jsonLines;
  if (exchange.head.method === 'HEAD') {
    exchange.reply({ status: 200, body: '', contentType: writer.contentType });
    return;
  }

  let subscription: Subscription | undefined;
  const heartbeat = setInterval(beat, Math.min(heartbeatMs, slowConsumerMs));
  const stopChecking = keepChecking(
    exchange.again,
    (auth) => {
      requirePermission(auth, 'read');
      requireStream(auth, stream.tenantId, stream.storeId);
    },
    (thrown) => end(toServiceError(thrown)),
  );
  const leave = () => {
    clearInterval(heartbeat);
    stopChecking();
    subscription?.close();
  };
  const reply = exchange.stream(
    { status: 200, contentType: writer.contentType, headers: [['x-accel-buffering', 'no']] },
    leave,
  );
  reply.onDrain = () => subscription?.resume();

  function beat(): void {
    const { blockedSince } = reply;
    // It knows the last number it has read, and goes on from there when it comes back.
    if (blockedSince !== undefined && performance.now() - blockedSince > slowConsumerMs) reply.cut();
    else if (blockedSince === undefined)
      reply.write(writer.heartbeat(subscription!.cursor, subscription!.head));
  }

  function end(error: ServiceError): void {
    leave();
    reply.end(writer.error(error, subscription!.cursor));
  }

  subscription = hub.subscribe(
    { stream, after, filter, format: 'json' },
    {
      room: () => (reply.blockedSince === undefined ? EVENTS_PER_TURN : 0),
      deliver: (chunk) => reply.write(writer.events(chunk)),
      caughtUp(head) {
        if (live) {
          reply.write(writer.caughtUp(head));
          return;
        }
        leave();
        reply.end();
      },
      end,
    },
  );
}

/** The last event that a browser's EventSource has seen (HTML, "Server-sent events", 9.2.4). */
function resumeFrom({ head }: Exchange): number | undefined {
  if (head.lastEventId === '') return undefined;
  if (/^\d{1,15}$/.test(head.lastEventId)) return Number(head.lastEventId);
  throw new ServiceError('INVALID_FIELD_VALUE', 'Last-Event-ID must be the sequence number of an event');
}

/**
 * One connection: `hello` first, then anything. What breaks the rules of the frames ends the connection; what is merely refused is
 * answered by an `error` frame.
 *
 *   greeting → checking (credentials are looked up) → open → over
 */
import type { WebSocket } from 'uWebSockets.js';
import { ServiceError } from '../../engine/errors/index.js';
import {
  CLOSE,
  type ClientFrame,
  CONNECTION_ID,
  createReader,
  decodeClientFrame,
  encodePong,
  encodeWelcome,
  FRAME,
  type Hello,
  readHead,
  WIRE_VERSION,
  WireError,
} from '../../engine/wire/index.js';
import { checkAgain, RECHECK_MS } from '../auth/check-again.js';
import type { AuthContext } from '../auth/context.js';
import { requirePermission } from '../auth/scopes.js';
import { WS_ACCESS } from './access.js';
import type { ConnectionDeps } from './deps.js';
import type { Outbox } from './outbox.js';
import { createPushes } from './pushes.js';
import { createSubscriptions } from './subscriptions.js';
import { type Closing, closingOf, endedFrame, errorFrame, malformed, withCode } from './wire-error.js';

/** A connection that has not said hello after this is closed. */
const HELLO_TIMEOUT_MS = 10_000;

/** What the upgrade knows about a client. */
export interface Visitor {
  /** W3C Trace Context of the upgrade request; the pushes of the connection belong to it. */
  readonly traceparent?: string;
  readonly sessionId: string;
  readonly lane: number;
  /** Header values, '' when absent. */
  authorization: string;
  readonly apiKey: string;
  /** Of the client. */
  readonly address: string;
  /** Set when the headers had valid credentials. */
  auth: AuthContext | undefined;
}

export interface Connection {
  message(bytes: Uint8Array, isBinary: boolean): void;
  drained(): void;
  /** The socket is closed. */
  gone(): void;
  /** Called about once a second. @param now `performance.now()` */
  tick(now: number): void;
  /** Ends subscriptions, takes no more pushes, closes when the last is answered. */
  drain(): void;
}

type Phase = 'greeting' | 'checking' | 'open' | 'over';

export function createConnection(
  socket: WebSocket<unknown>,
  visitor: Visitor,
  deps: ConnectionDeps,
): Connection {
  const { config, ingest, stats } = deps;
  const { webSocket: limits } = config;
  const openedAt = performance.now();
  let phase: Phase = 'greeting';
  let draining = false;
  let auth = visitor.auth as AuthContext;
  let checkedAt = openedAt;
  let software: string | undefined;

  const outbox: Outbox = deps.openOutbox(socket, {
    onLost: () => cutSlowConsumer(),
    onFlushed: () => subscriptions.resume(),
  });
  const pushes = createPushes({
    ingest,
    lane: visitor.lane,
    pushesMax: limits.inflightPushesMax,
    bytesMax: limits.inflightBytesMax,
    timeoutMs: config.http.requestTimeoutMs,
    send(frame) {
      outbox.send(frame);
      if (draining) finishDrain();
    },
    observe: (result, seconds) => deps.observeIngest?.('ves', result, seconds),
    trace: () =>
      deps.tracing?.startRequest('ws push', visitor.traceparent ?? '', {
        'network.protocol.name': 'websocket',
      }),
  });
  const subscriptions = createSubscriptions({
    hub: deps.hub,
    cursors: deps.cursors,
    outbox,
    eventsFrames: deps.eventsFrames,
    stats,
    subscriptionsMax: limits.subscriptionsMax,
    bufferBytesMax: limits.bufferBytesMax,
  });

  /** Says why, closes. uWebSockets.js calls `gone` within `end`. */
  function close(closing: Closing, frame?: Uint8Array): void {
    if (phase === 'over') return;
    if (frame !== undefined) outbox.send(frame);
    outbox.flush();
    if ((phase as Phase) === 'over') return;
    phase = 'over';
    socket.end(closing.code, closing.reason);
  }

  function breakOff({ error, closing }: { error: ServiceError; closing: Closing }): void {
    stats.malformed++;
    close(closing, errorFrame(CONNECTION_ID, error));
  }

  function fail(thrown: unknown): void {
    close(closingOf(thrown), errorFrame(CONNECTION_ID, thrown));
  }

  function cutSlowConsumer(): void {
    if (phase === 'over') return;
    stats.slowConsumers++;
    const error = new ServiceError(
      'OVERLOADED',
      'This connection does not read what is sent to it: connect again and go on from the cursor',
    );
    subscriptions.endAll(error);
    close({ code: CLOSE.slowConsumer, reason: 'slow consumer' }, errorFrame(CONNECTION_ID, error));
  }

  function greet(bytes: Uint8Array): void {
    const frame = readHead(createReader(bytes)).type === FRAME.hello ? decodeClientFrame(bytes) : undefined;
    if (frame?.type !== FRAME.hello) throw new WireError('the first frame must be a hello');
    if (frame.versionMin > WIRE_VERSION || frame.versionMax < WIRE_VERSION) {
      breakOff(
        withCode(
          'INVALID_FIELD_VALUE',
          `This service speaks version ${WIRE_VERSION} of the frames, not ${frame.versionMin} to ${frame.versionMax}`,
          CLOSE.version,
        ),
      );
      return;
    }
    identify(frame);
  }

  const authenticate = () =>
    deps.authenticate(visitor.authorization, visitor.apiKey, true, { address: () => visitor.address });

  function identify(hello: Hello): void {
    phase = 'checking';
    software = hello.agent;
    if (hello.authorization !== undefined) visitor.authorization = hello.authorization;
    try {
      const known = hello.authorization === undefined ? visitor.auth : undefined;
      const found = known ?? authenticate();
      if (found instanceof Promise) found.then(welcome, fail);
      else welcome(found);
    } catch (error) {
      fail(error);
    }
  }

  function welcome(found: AuthContext): void {
    if (phase !== 'checking') return;
    const refusal = deps.admit(connection, found);
    if (refusal !== undefined) {
      fail(refusal);
      return;
    }
    auth = found;
    phase = 'open';
    deps.log.debug({ sessionId: visitor.sessionId, tenant: found.tenant, software }, 'websocket open');
    outbox.send(
      encodeWelcome({
        version: WIRE_VERSION,
        sessionId: visitor.sessionId,
        serverVersion: deps.version,
        heartbeatSecs: Math.floor(limits.idleTimeoutSecs / 2),
        frameBytesMax: limits.frameBytesMax,
        eventsMax: config.limits.batchEventsMax,
        inflightPushesMax: limits.inflightPushesMax,
        inflightBytesMax: limits.inflightBytesMax,
        subscriptionsMax: limits.subscriptionsMax,
      }),
    );
    if (draining) startDrain();
  }

  function dispatch(bytes: Uint8Array): void {
    const { type, id } = readHead(createReader(bytes));
    if (type === FRAME.hello) throw new WireError('hello may be said once');
    if (id === CONNECTION_ID) throw new WireError('0 is not an id for requests');
    try {
      if (type === FRAME.push) push(id, bytes);
      else answer(decodeClientFrame(bytes), id);
    } catch (error) {
      if (error instanceof WireError) throw error;
      const subscribing = type === FRAME.subscribe || type === FRAME.subscribeTenant;
      outbox.send(subscribing ? endedFrame(id, error, []) : errorFrame(id, error));
    }
  }

  function answer(frame: ClientFrame, id: number): void {
    switch (frame.type) {
      case FRAME.subscribe:
        admitRequest();
        subscriptions.subscribe(frame, auth);
        break;
      case FRAME.subscribeTenant:
        admitRequest();
        subscriptions.subscribeTenant(frame, auth);
        break;
      case FRAME.ack:
        subscriptions.ack(frame);
        break;
      case FRAME.unsubscribe:
        subscriptions.unsubscribe(id);
        break;
      default:
        outbox.send(encodePong(id));
    }
  }

  function push(id: number, bytes: Uint8Array): void {
    requirePermission(auth, WS_ACCESS.push);
    admitRequest();
    pushes.push(id, bytes, auth.ingestScope);
  }

  function admitRequest(): void {
    if (draining)
      throw new ServiceError('SERVICE_UNAVAILABLE', 'The service is stopping; another instance may answer');
    deps.limitRate?.(auth);
  }

  function recheck(): void {
    const known = (found: AuthContext) => {
      if (phase !== 'open' || found === auth) return;
      if (found.tenant !== auth.tenant) throw new ServiceError('INVALID_API_KEY');
      auth = found;
      subscriptions.recheck(found);
    };
    checkAgain(authenticate, known, fail);
  }

  function startDrain(): void {
    subscriptions.endAll(
      new ServiceError(
        'SERVICE_UNAVAILABLE',
        'The service is stopping; connect again and go on from the cursor',
      ),
    );
    finishDrain();
  }

  function finishDrain(): void {
    if (pushes.underWay === 0)
      setImmediate(() => close({ code: CLOSE.goingAway, reason: 'the service is stopping' }));
  }

  const connection: Connection = {
    message(bytes, isBinary) {
      if (phase === 'over') return;
      stats.framesIn++;
      stats.bytesIn += bytes.length;
      try {
        if (!isBinary) throw new WireError('frames are binary messages');
        if (phase === 'open') dispatch(bytes);
        else if (phase === 'greeting') greet(bytes);
        else throw new WireError('wait for the welcome frame before you send more');
      } catch (error) {
        if (error instanceof WireError) breakOff(malformed(error.message));
        else fail(error);
      }
      // L8: answers to a peer that sends and never reads.
      if (outbox.buffered > 4 * limits.bufferBytesMax + limits.frameBytesMax) cutSlowConsumer();
    },
    drained() {
      if (phase === 'over') return;
      outbox.drained();
      subscriptions.resume();
    },
    gone() {
      phase = 'over';
      outbox.stop();
      pushes.close();
      subscriptions.close();
    },
    tick(now) {
      if (phase === 'over') return;
      if (phase !== 'open') {
        if (now - openedAt > HELLO_TIMEOUT_MS)
          breakOff(withCode('REQUEST_TIMEOUT', 'No hello came in time', CLOSE.helloTimeout));
        return;
      }
      pushes.tick(now);
      if (outbox.stalledSince > 0 && now - outbox.stalledSince > limits.slowConsumerTimeoutMs)
        return cutSlowConsumer();
      if (now - checkedAt > RECHECK_MS) {
        checkedAt = now;
        subscriptions.tellProgress();
        recheck();
      }
    },
    drain() {
      draining = true;
      if (phase === 'open') startDrain();
      else if (phase === 'greeting') close({ code: CLOSE.goingAway, reason: 'the service is stopping' });
    },
  };
  return connection;
}

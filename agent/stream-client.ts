/**
 * An agent's line to the service over the binary WebSocket, in Node and in browsers. It reconnects by itself: pushes without an answer
 * are sent again (safe: an event is stored at most once), subscriptions go on behind the last event they received.
 */
import type { VesEnvelopeJson } from '../engine/protocol/index.js';
import { FRAME, type ServerFrame } from '../engine/wire/index.js';
import type { BackoffOptions } from './backoff.js';
import { createPushQueue, type StreamPushResult, type WantedReceipts } from './stream-push.js';
import { type Line, type OpenWebSocket, openLine, StreamFailed } from './stream-socket.js';
import {
  createSubscription,
  type EventSubscription,
  type LiveSubscription,
  type SubscribeOptions,
} from './stream-subscription.js';
import {
  createTenantSubscription,
  type SubscribeTenantOptions,
  type TenantSubscription,
} from './tenant-subscription.js';

export type { StreamPushResult, WantedReceipts } from './stream-push.js';
export { type OpenWebSocket, StreamFailed, type WebSocketLike } from './stream-socket.js';
export type { EventSubscription, SubscribeOptions } from './stream-subscription.js';
export type { SubscribeTenantOptions, TenantSubscription } from './tenant-subscription.js';

export interface StreamClientOptions {
  /** Origin of the service, such as `http://localhost:8080`. */
  readonly url: string;
  readonly apiKey?: string;
  /** A browser's: `(url, protocol) => new WebSocket(url, protocol)`. Unset: the `ws` package. */
  readonly webSocket?: OpenWebSocket;
  readonly backoff?: BackoffOptions;
  readonly connectTimeoutMs?: number;
  /** The line is down and will be tried again. */
  onDown?(reason: string): void;
}

export interface StreamClient {
  /**
   * Sends events of one agent and one stream; any number of calls may be under way, and they are sequenced in the order of the calls
   * as long as none is refused.
   *
   * @param receipts unset: group receipts
   * @throws StreamFailed when the push is refused as a whole or the client is closed; the events may then be stored or not
   */
  push(
    agentId: string,
    events: readonly VesEnvelopeJson[],
    receipts?: WantedReceipts,
  ): Promise<StreamPushResult>;
  /**
   * Follows a stream.
   *
   * @example for await (const event of client.subscribe({ tenantId, storeId, after: 0 })) handle(event)
   */
  subscribe(options: SubscribeOptions): EventSubscription;
  /**
   * Follows all streams of a tenant, also those that appear later.
   *
   * @example for await (const event of client.subscribeTenant({ tenantId, after: new Map() })) handle(event.storeId, event)
   */
  subscribeTenant(options: SubscribeTenantOptions): TenantSubscription;
  close(): void;
}

const DEFAULTS = {
  connectTimeoutMs: 10_000,
  backoff: { firstMs: 100, maxMs: 5000, random: Math.random },
};

/** Connects in the background; calls wait until the line is up. */
export function createStreamClient(options: StreamClientOptions): StreamClient {
  let line: Line | undefined;
  let failure: StreamFailed | undefined;
  let ids = 0;
  let closed = false;
  const nextId = () => ++ids;
  const theLine = () => line;
  const pushes = createPushQueue(theLine, nextId);
  const subscriptions = new Map<number, LiveSubscription>();

  function onFrame(frame: ServerFrame): void {
    const subscription = 'id' in frame ? subscriptions.get(frame.id) : undefined;
    switch (frame.type) {
      case FRAME.result:
        pushes.onResult(frame);
        break;
      case FRAME.error:
        if (!pushes.onError(frame))
          subscription?.onError(new StreamFailed(frame.message, frame.code, frame.retryAfterSecs));
        break;
      case FRAME.subscribed:
        subscription?.onSubscribed(frame.cursor);
        break;
      case FRAME.events:
      case FRAME.storeEvents:
        subscription?.onEvents(frame);
        break;
      case FRAME.caughtUp:
        subscription?.caughtUp(frame.head);
        break;
      case FRAME.ended:
        subscription?.onEnded(frame);
        break;
      case FRAME.acked:
        subscription?.onAcked(frame);
        break;
      default: // of requests this client does not make
    }
  }

  function onOver(reason: StreamFailed): void {
    failure = reason;
    pushes.over(reason);
    for (const subscription of [...subscriptions.values()]) subscription.over(reason);
  }

  void openLine({
    ...DEFAULTS,
    url: options.url,
    apiKey: options.apiKey,
    webSocket: options.webSocket,
    ...(options.backoff && { backoff: options.backoff }),
    ...(options.connectTimeoutMs && { connectTimeoutMs: options.connectTimeoutMs }),
    onUp(welcome) {
      pushes.up(welcome);
      for (const subscription of subscriptions.values()) subscription.up();
    },
    onFrame,
    onDown(reason) {
      pushes.down();
      options.onDown?.(reason);
    },
    onOver,
  }).then(
    (opened) => {
      line = opened;
      if (closed) opened.close();
    },
    (error) => onOver(new StreamFailed(String(error), undefined)),
  );

  /** A subscription of either kind begins when the line is up. */
  function begin<S extends LiveSubscription>(create: (id: number, onClosed: () => void) => S): S {
    const id = nextId();
    const subscription = create(id, () => subscriptions.delete(id));
    if (failure !== undefined) subscription.over(failure);
    else {
      subscriptions.set(id, subscription);
      if (line?.up) subscription.up();
    }
    return subscription;
  }

  return {
    push: (agentId, events, receipts = 'group') => pushes.push(agentId, events, receipts),
    subscribe: (request) => begin((id, onClosed) => createSubscription(id, request, theLine, onClosed)),
    subscribeTenant: (request) =>
      begin((id, onClosed) => createTenantSubscription(id, request, theLine, onClosed)),
    close() {
      closed = true;
      if (line !== undefined) line.close();
      else onOver(new StreamFailed('the client was closed', undefined));
    },
  };
}

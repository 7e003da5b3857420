/** A subscription that survives its connections: the cursor moves with what was handed out, and a new connection goes on from it. */
import {
  type Acked,
  type Ended,
  type EventRecord,
  type EventsFrame,
  encodeAck,
  encodeSubscribe,
  type StoreCursor,
  type WireFilter,
} from '../engine/wire/index.js';
import { createDelivery } from './event-delivery.js';
import { type Line, StreamFailed } from './stream-socket.js';

export interface SubscribeOptions {
  readonly tenantId: string;
  readonly storeId: string;
  /** The last number the subscriber has; unset: the durable cursor of `agentId`, or only what comes from now on. */
  readonly after?: number;
  readonly filter?: Partial<WireFilter>;
  /** Whose durable cursor `ack` moves. */
  readonly agentId?: string;
  /** Events received ahead of their use. Unset: 1000. */
  readonly window?: number;
}

/** Events in their order, each once, across connections. */
export interface EventSubscription extends AsyncIterable<EventRecord> {
  /** The last number that was handed out or passed over. */
  readonly cursor: number | undefined;
  /** Everything up to this number has been dealt with: moves the durable cursor of `agentId`. Resolves when it is stored. */
  ack(sequence: number): Promise<void>;
  /** Called when everything that is stored has been received, with the stream's head. */
  onCaughtUp: ((head: number) => void) | undefined;
  close(): void;
}

/** What the client does with a subscription, to one stream or to a tenant's. */
export interface LiveSubscription {
  up(): void;
  onSubscribed(cursor: readonly StoreCursor[]): void;
  onEvents(frame: EventsFrame): void;
  caughtUp(head: number | undefined): void;
  onAcked(frame: Acked): void;
  /** An acknowledgement was refused. */
  onError(failure: StreamFailed): void;
  onEnded(frame: Ended): void;
  over(failure: StreamFailed): void;
}

/** @param line the line as soon as there is one */
export function createSubscription(
  id: number,
  options: SubscribeOptions,
  line: () => Line | undefined,
  onClosed: () => void,
): EventSubscription & LiveSubscription {
  const { tenantId, storeId, agentId } = options;
  const filter = completeFilter(options.filter);
  /** The last number received or passed over; the next connection goes on behind it. */
  let received = options.after;
  let cursor = options.after;
  let acks: { sequence: number; resolve: () => void; reject: (error: unknown) => void }[] = [];

  const delivery = createDelivery({
    id,
    window: options.window,
    line,
    request(credits) {
      const frames = [encodeSubscribe({ id, tenantId, storeId, after: received, credits, filter, agentId })];
      const greatest = Math.max(0, ...acks.map(({ sequence }) => sequence));
      if (greatest > 0) frames.push(encodeAck({ id, credits: 0, sequence: greatest }));
      return frames;
    },
    onTaken({ sequence }) {
      cursor = sequence;
    },
    onStopped(reason) {
      for (const { reject } of acks.splice(0)) reject(reason);
      onClosed();
    },
  });

  const subscription: EventSubscription & LiveSubscription = {
    get cursor() {
      return cursor;
    },
    onCaughtUp: undefined,
    [Symbol.asyncIterator]: () => delivery[Symbol.asyncIterator](),
    ack(sequence) {
      if (delivery.closed) return Promise.reject(new StreamFailed('the subscription is closed', undefined));
      return new Promise((resolve, reject) => {
        acks.push({ sequence, resolve, reject });
        line()?.send(encodeAck({ id, credits: 0, sequence }));
      });
    },
    close: delivery.close,
    up: delivery.up,
    onSubscribed(vector) {
      const after = vector[0]?.[1] ?? 0;
      received ??= after;
      cursor ??= after;
    },
    onEvents({ first, last, events }) {
      if (delivery.closed) return;
      const gap = missing(received, first, filter);
      if (gap !== undefined) return delivery.stop(gap);
      delivery.add(received === undefined ? events : events.filter(({ sequence }) => sequence > received!));
      received = Math.max(received ?? 0, last);
      if (delivery.drained) cursor = received;
    },
    caughtUp(head = 0) {
      received = Math.max(received ?? 0, head);
      if (delivery.drained) cursor = Math.max(cursor ?? 0, head);
      subscription.onCaughtUp?.(head);
    },
    onAcked({ acknowledged }) {
      const done = acks.filter(({ sequence }) => sequence <= acknowledged);
      acks = acks.filter(({ sequence }) => sequence > acknowledged);
      for (const { resolve } of done) resolve();
    },
    onError(reason) {
      for (const { reject } of acks.splice(0)) reject(reason);
    },
    onEnded: delivery.onEnded,
    over: delivery.stop,
  };
  return subscription;
}

/** A filter as frames have it. */
export const completeFilter = (filter: Partial<WireFilter> | undefined): WireFilter | undefined =>
  filter && {
    entityTypes: filter.entityTypes ?? [],
    entityIds: filter.entityIds ?? [],
    eventTypes: filter.eventTypes ?? [],
    agents: filter.agents ?? [],
  };

/** L7: without a filter, frames follow on each other. What was received before a cut may come again, but is not taken twice. */
export function missing(
  received: number | undefined,
  first: number,
  filter: WireFilter | undefined,
): StreamFailed | undefined {
  if (received === undefined || filter !== undefined || first <= received + 1) return undefined;
  return new StreamFailed(`events ${received + 1} to ${first - 1} are missing`, 'SEQUENCE_GAP');
}

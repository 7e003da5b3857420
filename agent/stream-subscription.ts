/** A subscription that survives its connections: the cursor moves with what was handed out, and a new connection goes on from it. */
import {
  type Acked,
  type Ended,
  type EventRecord,
  type EventsFrame,
  encodeAck,
  encodeSubscribe,
  encodeUnsubscribe,
  type WireFilter,
} from '../engine/wire/index.js';
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

/** What the client does with a subscription. */
export interface LiveSubscription extends EventSubscription {
  readonly id: number;
  up(): void;
  onSubscribed(after: number): void;
  onEvents(frame: EventsFrame): void;
  caughtUp(head: number): void;
  onAcked(frame: Acked): void;
  /** An acknowledgement was refused. */
  onError(failure: StreamFailed): void;
  onEnded(frame: Ended): void;
  over(failure: StreamFailed): void;
}

const WINDOW = 1000;
const RESUME_MS_MIN = 100;

export function createSubscription(
  id: number,
  options: SubscribeOptions,
  line: () => Line | undefined,
  onClosed: () => void,
): LiveSubscription {
  const { tenantId, storeId, agentId } = options;
  const window = options.window ?? WINDOW;
  const filter = options.filter && {
    entityTypes: options.filter.entityTypes ?? [],
    entityIds: options.filter.entityIds ?? [],
    eventTypes: options.filter.eventTypes ?? [],
    agents: options.filter.agents ?? [],
  };
  /** Received and not handed out yet. */
  const queue: EventRecord[] = [];
  /** The last number received or passed over; the next connection goes on behind it. */
  let received = options.after;
  let cursor = options.after;
  /** Handed out since credits were last given. */
  let used = 0;
  let wake: (() => void) | undefined;
  let failure: StreamFailed | undefined;
  let closed = false;
  let acks: { sequence: number; resolve: () => void; reject: (error: unknown) => void }[] = [];

  function subscribe(): void {
    used = 0;
    line()?.send(
      encodeSubscribe({
        id,
        tenantId,
        storeId,
        after: received,
        credits: Math.max(1, window - queue.length),
        filter,
        agentId,
      }),
    );
    const greatest = Math.max(0, ...acks.map(({ sequence }) => sequence));
    if (greatest > 0) line()?.send(encodeAck({ id, credits: 0, sequence: greatest }));
  }

  function grant(): void {
    used++;
    if (used < window / 2) return;
    line()?.send(encodeAck({ id, credits: used, sequence: undefined }));
    used = 0;
  }

  function stop(reason?: StreamFailed): void {
    if (closed) return;
    closed = true;
    failure = reason;
    const error = reason ?? new StreamFailed('the subscription was closed', undefined);
    for (const { reject } of acks.splice(0)) reject(error);
    wake?.();
    onClosed();
  }

  async function* events(): AsyncGenerator<EventRecord> {
    try {
      for (;;) {
        const event = queue.shift();
        if (event !== undefined) {
          cursor = event.sequence;
          if (!closed) grant();
          yield event;
        } else if (closed) {
          if (failure !== undefined) throw failure;
          return;
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      subscription.close();
    }
  }

  const subscription: LiveSubscription = {
    id,
    get cursor() {
      return cursor;
    },
    onCaughtUp: undefined,
    [Symbol.asyncIterator]: events,
    ack(sequence) {
      if (closed)
        return Promise.reject(failure ?? new StreamFailed('the subscription was closed', undefined));
      return new Promise((resolve, reject) => {
        acks.push({ sequence, resolve, reject });
        line()?.send(encodeAck({ id, credits: 0, sequence }));
      });
    },
    close() {
      if (closed) return;
      line()?.send(encodeUnsubscribe(id));
      stop();
    },
    up: subscribe,
    onSubscribed(after) {
      received ??= after;
      cursor ??= after;
    },
    onEvents({ first, last, events: batch }) {
      if (closed) return;
      // L7: what was received before a cut is not taken twice, and nothing may be missing in between.
      if (received !== undefined && filter === undefined && first > received + 1) {
        stop(new StreamFailed(`events ${received + 1} to ${first - 1} are missing`, 'SEQUENCE_GAP'));
        return;
      }
      for (const event of batch) if (received === undefined || event.sequence > received) queue.push(event);
      received = Math.max(received ?? 0, last);
      wake?.();
    },
    caughtUp(head) {
      received = Math.max(received ?? 0, head);
      if (queue.length === 0) cursor = Math.max(cursor ?? 0, head);
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
    onEnded(frame) {
      if (closed) return;
      if (frame.retryAfterSecs === undefined)
        stop(new StreamFailed(frame.message ?? 'the subscription ended', frame.code));
      else
        setTimeout(
          () => {
            if (!closed && line()?.up) subscribe();
          },
          Math.max(RESUME_MS_MIN, 1000 * frame.retryAfterSecs),
        );
    },
    over: stop,
  };
  return subscription;
}

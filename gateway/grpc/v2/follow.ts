/** Subscriptions of the hub as streams of messages. */
import type { ServiceError } from '../../../engine/errors/index.js';
import { eventBytes } from '../../../engine/subscriptions/chunk.js';
import type { EventFilter } from '../../../engine/subscriptions/filter.js';
import type { SubscriptionHub } from '../../../engine/subscriptions/hub-types.js';
import type { Outlet } from '../outlet.js';
import type { StreamRef } from '../values.js';

/** Where a client goes on: the number to ask for next. */
export const RESUME_TRAILER = 'x-resume-sequence';

export interface FollowRequest {
  readonly stream: StreamRef;
  /** The last number the client has. */
  readonly after: number;
  readonly filter: EventFilter;
  readonly signal: AbortSignal;
}

/**
 * Sends the events behind `after` as they are and as they come, until the signal is aborted. Rejects when the hub ends the
 * subscription.
 *
 * @param wrap what is sent for a SequencedEvent
 */
export function follow(
  hub: SubscriptionHub,
  { stream, after, filter, signal }: FollowRequest,
  out: Outlet,
  wrap: (event: Uint8Array) => Uint8Array = (event) => event,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const mark = (sequence: number) => {
      out.trailers[RESUME_TRAILER] = String(sequence + 1);
    };
    mark(after);
    const subscription = hub.subscribe(
      { stream, after, filter, format: 'proto' },
      {
        room: out.room,
        deliver(chunk) {
          for (let i = 0; i < chunk.count; i++) out.write(wrap(eventBytes(chunk, i)));
          mark(chunk.last);
        },
        caughtUp() {},
        end: (error: ServiceError) => reject(error),
      },
    );
    out.onRoom(subscription.resume);
    const stop = () => {
      subscription.close();
      resolve();
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  });
}

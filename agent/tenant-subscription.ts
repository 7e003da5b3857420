/**
 * A subscription to all streams of a tenant that survives its connections. Its cursor is a vector, a number for each store; a new
 * connection goes on from it, and stores that appeared meanwhile begin at their first event.
 */
import { type EventRecord, encodeSubscribeTenant, type WireFilter } from '../engine/wire/index.js';
import { createDelivery } from './event-delivery.js';
import type { Line } from './stream-socket.js';
import { completeFilter, type LiveSubscription, missing } from './stream-subscription.js';

export interface SubscribeTenantOptions {
  readonly tenantId: string;
  /** Unset: all stores that the credentials reach, also those that appear later. */
  readonly stores?: readonly string[];
  /**
   * The last numbers the subscriber has, by store, such as the `cursor` of a subscription before; stores that it does not name begin
   * at their first event, so that an empty one gets everything. Unset: only what comes from now on.
   */
  readonly after?: ReadonlyMap<string, number>;
  readonly filter?: Partial<WireFilter>;
  /** Events received ahead of their use. Unset: 1000. */
  readonly window?: number;
}

/** The events of every store in their order, each once, across connections. There is no order between stores. */
export interface TenantSubscription extends AsyncIterable<EventRecord> {
  /**
   * By store, the last number that was handed out or passed over: `after` of the subscription that goes on from here. Undefined until
   * the service has said where it begins.
   */
  readonly cursor: ReadonlyMap<string, number> | undefined;
  /** Called when everything that is stored has been received. */
  onCaughtUp: (() => void) | undefined;
  close(): void;
}

/** @param line the line as soon as there is one */
export function createTenantSubscription(
  id: number,
  options: SubscribeTenantOptions,
  line: () => Line | undefined,
  onClosed: () => void,
): TenantSubscription & LiveSubscription {
  const { tenantId, stores: storeIds } = options;
  const filter = completeFilter(options.filter);
  /** The last numbers received or passed over; the next connection goes on behind them. */
  let received = options.after && new Map([...options.after].map(([id, n]) => [id.toLowerCase(), n]));
  let cursor = received && new Map(received);

  const delivery = createDelivery({
    id,
    window: options.window,
    line,
    request: (credits) => [
      encodeSubscribeTenant({
        id,
        tenantId,
        storeIds,
        cursor: [...(received ?? [])],
        othersFromBeginning: received !== undefined,
        credits,
        filter,
      }),
    ],
    onTaken: ({ storeId, sequence }) => cursor?.set(storeId, sequence),
    onStopped: onClosed,
  });

  const subscription: TenantSubscription & LiveSubscription = {
    get cursor() {
      return cursor;
    },
    onCaughtUp: undefined,
    [Symbol.asyncIterator]: () => delivery[Symbol.asyncIterator](),
    close: delivery.close,
    up: delivery.up,
    onSubscribed(vector) {
      // The service's word for the stores that were not named; of the others it repeats ours.
      received = new Map([...vector, ...(received ?? [])]);
      cursor = new Map([...vector, ...(cursor ?? [])]);
    },
    onEvents({ storeId, first, last, events }) {
      if (delivery.closed || received === undefined || storeId === undefined) return;
      const before = received.get(storeId) ?? 0;
      const gap = missing(before, first, filter);
      if (gap !== undefined) return delivery.stop(gap);
      delivery.add(events.filter(({ sequence }) => sequence > before));
      received.set(storeId, Math.max(before, last));
      if (delivery.drained) cursor?.set(storeId, Math.max(before, last));
    },
    caughtUp: () => subscription.onCaughtUp?.(),
    onAcked() {}, // tenants have no durable cursors
    onError: delivery.stop,
    onEnded: delivery.onEnded,
    over: delivery.stop,
  };
  return subscription;
}

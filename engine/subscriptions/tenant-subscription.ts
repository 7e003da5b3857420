/** Subscriptions to all streams of a tenant: one subscription per stream behind one sink, with a vector cursor. */
import { ServiceError } from '../errors/index.js';
import type { HeadWatches } from './head-watches.js';
import type {
  EventSink,
  SubscribeRequest,
  Subscription,
  TenantSink,
  TenantSubscribeRequest,
  TenantSubscription,
} from './hub-types.js';

/** Streams that one subscription may follow. */
const STREAMS_MAX = 4096;

export interface TenantSubscriptions {
  subscribe(request: TenantSubscribeRequest, sink: TenantSink): TenantSubscription;
  /** Ends those that are open. */
  close(reason: ServiceError): void;
}

export function createTenantSubscriptions(deps: {
  readonly subscribe: (request: SubscribeRequest, sink: EventSink) => Subscription;
  readonly watches: Pick<HeadWatches, 'watchTenant'>;
}): TenantSubscriptions {
  const open = new Set<(error: ServiceError) => void>();

  function subscribe(request: TenantSubscribeRequest, sink: TenantSink): TenantSubscription {
    const { tenantId, storeIds, filter, format } = request;
    const wanted = storeIds === undefined ? undefined : new Set(storeIds);
    const streams = new Map<string, Subscription>();
    /** Streams that have not caught up yet. */
    const behind = new Set<string>();
    let listed = false;
    let caughtUp = false;
    let closed = false;

    function close(): void {
      if (closed) return;
      closed = true;
      open.delete(end);
      stopWatching();
      for (const subscription of streams.values()) subscription.close();
    }

    function end(error: ServiceError): void {
      if (closed) return;
      close();
      sink.end(error);
    }

    function tellIfCaughtUp(): void {
      if (!listed || caughtUp || behind.size > 0 || closed) return;
      caughtUp = true;
      sink.caughtUp();
    }

    function startOf(storeId: string, head: number): number {
      const after = request.after.get(storeId);
      if (after !== undefined) return after;
      // A stream that appears later is new altogether.
      return request.others === 'head' && !listed ? head : 0;
    }

    function follow(storeId: string, head: number): void {
      if (closed || streams.has(storeId) || (wanted !== undefined && !wanted.has(storeId))) return;
      if (streams.size >= STREAMS_MAX) {
        end(tooManyStreams());
        return;
      }
      behind.add(storeId);
      const stream = { tenantId, storeId };
      const one: EventSink = {
        room: () => sink.room(),
        deliver: (chunk) => sink.deliver(storeId, chunk),
        caughtUp() {
          behind.delete(storeId);
          tellIfCaughtUp();
        },
        end,
      };
      streams.set(storeId, deps.subscribe({ stream, after: startOf(storeId, head), filter, format }, one));
    }

    const stopWatching = deps.watches.watchTenant(tenantId, {
      head: follow,
      opened() {
        listed = true;
        tellIfCaughtUp();
      },
    });
    open.add(end);

    return {
      cursors() {
        const cursors = new Map(request.after);
        for (const [storeId, { cursor }] of streams) cursors.set(storeId, cursor);
        return cursors;
      },
      resume() {
        for (const subscription of streams.values()) subscription.resume();
      },
      close,
    };
  }

  return {
    subscribe,
    close(reason) {
      for (const end of [...open]) end(reason);
    },
  };
}

const tooManyStreams = (): ServiceError =>
  new ServiceError(
    'INVALID_FIELD_VALUE',
    `A subscription follows at most ${STREAMS_MAX} streams; name the stores that are wanted`,
  );

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
    /** Heads told before all of them were; undefined afterwards. */
    let heads: Map<string, number> | undefined = new Map();
    /** Where each stream began. */
    let starts = request.after;
    /** Streams that have not caught up yet. */
    const behind = new Set<string>();
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
      if (heads !== undefined || caughtUp || behind.size > 0 || closed) return;
      caughtUp = true;
      sink.caughtUp();
    }

    function told(storeId: string, head: number): void {
      if (closed || streams.has(storeId) || (wanted !== undefined && !wanted.has(storeId))) return;
      if ((heads ?? streams).size >= STREAMS_MAX) end(tooManyStreams());
      // A stream that appears later is new altogether.
      else if (heads === undefined) follow(storeId, starts.get(storeId) ?? 0);
      else heads.set(storeId, head);
    }

    /**
     * Nothing is delivered before the subscriber knows where every stream begins: it could not resume in those that it has not heard of.
     */
    function opened(): void {
      if (closed || heads === undefined) return;
      const found = heads;
      heads = undefined;
      starts = startsOf(request, found);
      sink.opened(starts);
      for (const storeId of found.keys()) follow(storeId, starts.get(storeId)!);
      tellIfCaughtUp();
    }

    function follow(storeId: string, after: number): void {
      if (closed) return;
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
      streams.set(storeId, deps.subscribe({ stream, after, filter, format }, one));
    }

    const stopWatching = deps.watches.watchTenant(tenantId, { head: told, opened });
    open.add(end);

    return {
      cursors() {
        const cursors = new Map(starts);
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

/** The whole vector: what was asked for, and where the streams begin that it does not name. */
function startsOf(
  { after, others, storeIds = [] }: TenantSubscribeRequest,
  heads: ReadonlyMap<string, number>,
): Map<string, number> {
  const starts = new Map(after);
  for (const [storeId, head] of heads)
    if (!starts.has(storeId)) starts.set(storeId, others === 'head' ? head : 0);
  for (const storeId of storeIds) if (!starts.has(storeId)) starts.set(storeId, 0);
  return starts;
}

const tooManyStreams = (): ServiceError =>
  new ServiceError(
    'INVALID_FIELD_VALUE',
    `A subscription follows at most ${STREAMS_MAX} streams; name the stores that are wanted`,
  );

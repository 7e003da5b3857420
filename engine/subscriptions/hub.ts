/**
 * The hub: all subscriptions of this process, on the thread that has the sockets. Subscribers who want the same of a stream share a feed;
 * its chunks are encoded once (by the tail) and handed to each of them as they have room.
 */
import { ServiceError } from '../errors/index.js';
import { createFeed, type Feed } from './feed.js';
import { filterName } from './filter.js';
import { createHeadWatches } from './head-watches.js';
import type { EventSink, SubscribeRequest, SubscriptionHub } from './hub-types.js';
import { createPager } from './pager.js';
import { createStreamSubscription, type StreamSubscription } from './stream-subscription.js';
import type { TailAnswer, TailPort } from './tail-messages.js';
import { createTenantSubscriptions } from './tenant-subscription.js';

/** A feed and who listens to it. */
interface OpenFeed {
  readonly feed: Feed;
  readonly subscribers: Set<StreamSubscription>;
}

/**
 * After handing out took a while, the next round waits for as long, but no longer than this: chunks that arrive meanwhile reach each
 * subscriber in one go.
 */
const REST_MS_MAX = 25;
/** Subscribers served before others get a turn on the thread. */
const SERVED_PER_TURN = 256;
const SWEEPS_PER_AGE = 4;

/**
 * @param keptMs how long encoded events are kept in memory at most, for whomever; unset: as long as there is room
 */
export function createSubscriptionHub(
  tail: TailPort,
  { keptMs }: { readonly keptMs?: number | undefined } = {},
): SubscriptionHub {
  const byName = new Map<string, OpenFeed>();
  const byId = new Map<number, OpenFeed>();
  const pager = createPager(tail);
  const watches = createHeadWatches(tail);
  const tenants = createTenantSubscriptions({ subscribe, watches });
  /** Who may have something to be given; in order. */
  let due = new Set<StreamSubscription>();
  let scheduled = false;
  let restUntil = 0;
  let feedIds = 0;
  let closed = false;
  let subscriptions = 0;
  const stats = { chunksEncoded: 0, chunksDelivered: 0, eventsDelivered: 0 };

  /** What nobody asks for any more has to go, too: where payloads can be erased, memory must not outlast the erasure. */
  const sweep = keptMs === undefined ? undefined : setInterval(dropExpired, keptMs / SWEEPS_PER_AGE);
  sweep?.unref();

  tail.onAnswer((answer: TailAnswer) => {
    switch (answer.type) {
      case 'feed-open':
        byId.get(answer.feed)?.feed.moveTo(answer.position);
        return wakeAll(byId.get(answer.feed));
      case 'chunk':
        stats.chunksEncoded++;
        for (const id of answer.feeds) {
          const open = byId.get(id);
          open?.feed.append(answer.chunk);
          wakeAll(open);
        }
        return;
      case 'page':
      case 'page-failed':
        return pager.answer(answer);
      default:
        return watches.answer(answer);
    }
  });

  function dropExpired(): void {
    const now = performance.now();
    for (const { feed, subscribers } of byId.values()) {
      feed.dropExpired(now);
      for (const subscriber of subscribers) subscriber.dropExpired(now);
    }
  }

  function wakeAll(open: OpenFeed | undefined): void {
    for (const subscriber of open?.subscribers ?? []) due.add(subscriber);
    arm();
  }

  function schedule(subscription: StreamSubscription): void {
    due.add(subscription);
    arm();
  }

  function arm(): void {
    if (scheduled || due.size === 0) return;
    scheduled = true;
    const rest = restUntil - performance.now();
    if (rest > 1) setTimeout(serve, rest);
    else setImmediate(serve);
  }

  function serve(): void {
    scheduled = false;
    const begun = performance.now();
    let served = 0;
    for (const subscription of due) {
      if (served === SERVED_PER_TURN) break;
      due.delete(subscription);
      served++;
      subscription.pump();
    }
    // Those left over go on in the next turn; only a complete round is followed by a rest.
    if (due.size === 0 && served > 1) {
      const now = performance.now();
      restUntil = now + Math.min(REST_MS_MAX, now - begun);
    }
    arm();
  }

  function openFeed({ stream, filter, format }: SubscribeRequest): OpenFeed {
    const name = `${stream.tenantId}/${stream.storeId} ${format} ${filterName(filter)}`;
    const known = byName.get(name);
    if (known !== undefined) return known;
    const feed = createFeed(++feedIds, name, { stream, filter, format }, keptMs);
    const open: OpenFeed = { feed, subscribers: new Set() };
    byName.set(name, open);
    byId.set(feed.id, open);
    tail.post({ type: 'open-feed', feed: feed.id, stream, filter, format });
    return open;
  }

  function leave({ feed, subscribers }: OpenFeed, subscription: StreamSubscription): void {
    subscriptions--;
    due.delete(subscription);
    subscribers.delete(subscription);
    if (subscribers.size > 0) return;
    byName.delete(feed.name);
    byId.delete(feed.id);
    tail.post({ type: 'close-feed', feed: feed.id });
  }

  function subscribe(request: SubscribeRequest, sink: EventSink): StreamSubscription {
    if (closed) throw stopping();
    const open = openFeed(request);
    const subscription = createStreamSubscription(request.after, {
      feed: open.feed,
      pager,
      sink,
      schedule,
      delivered(events) {
        stats.chunksDelivered++;
        stats.eventsDelivered += events;
      },
      left: (one) => leave(open, one),
    });
    subscriptions++;
    open.subscribers.add(subscription);
    schedule(subscription);
    return subscription;
  }

  return {
    subscribe,
    subscribeTenant(request, sink) {
      if (closed) throw stopping();
      return tenants.subscribe(request, sink);
    },
    waitForHead: (kind, stream, after, options) => watches.waitForHead(kind, stream, after, options),
    get stats() {
      return { ...stats, subscriptions, feeds: byId.size, pagesRead: pager.pagesRead };
    },
    close() {
      closed = true;
      clearInterval(sweep);
      watches.close();
      tenants.close(stopping());
      for (const { subscribers } of [...byId.values()])
        for (const subscription of [...subscribers]) subscription.end(stopping());
      due = new Set();
    },
  };
}

const stopping = (): ServiceError =>
  new ServiceError('SERVICE_UNAVAILABLE', 'The service is stopping; connect again and go on from the cursor');

/**
 * One subscriber of one stream: a cursor that only moves forward, and the rule where the next events come from.
 *
 *   the feed still has the next number      → from memory, shared with everybody at the head
 *   the next number is stored               → a page from the database, others being read ahead
 *   everything stored has been delivered    → caught up; the feed's next chunk wakes it
 *
 * Nothing is queued for a subscriber but the pages it asked for: who does not read falls behind, and later catches up (L7, L8).
 */
import type { ServiceError } from '../errors/index.js';
import type { EventChunk } from './chunk.js';
import { cutChunk } from './cut-chunk.js';
import type { Feed } from './feed.js';
import { filterName } from './filter.js';
import type { EventSink, Subscription } from './hub-types.js';
import { createPageQueue } from './page-queue.js';
import type { Pager } from './pager.js';

export interface StreamSubscription extends Subscription {
  /** Delivers as long as there are events and room. */
  pump(): void;
  /** Lets go of events that were kept for too long. @param now `performance.now()` */
  dropExpired(now: number): void;
  end(error: ServiceError): void;
}

export interface SubscriptionPorts {
  readonly feed: Feed;
  readonly pager: Pager;
  readonly sink: EventSink;
  /** Calls `pump` soon. */
  schedule(subscription: StreamSubscription): void;
  delivered(events: number): void;
  /** The subscription is over. */
  left(subscription: StreamSubscription): void;
}

export function createStreamSubscription(after: number, ports: SubscriptionPorts): StreamSubscription {
  const { feed, pager, sink } = ports;
  let cursor = after;
  let closed = false;
  let caughtUp = false;
  const pages = createPageQueue(
    { ...feed, position: () => feed.position, filtered: filterName(feed.filter) !== '' },
    pager,
    () => sink.room() > 0,
    () => ports.schedule(subscription),
    end,
  );

  function close(): void {
    if (closed) return;
    closed = true;
    pages.clear();
    ports.left(subscription);
  }

  function end(error: ServiceError): void {
    if (closed) return;
    close();
    sink.end(error);
  }

  function pump(): void {
    while (!closed && feed.position !== undefined) {
      const chunk = pages.next(cursor) ?? (pages.empty ? feed.find(cursor + 1) : undefined);
      if (chunk === undefined) {
        if (cursor < feed.position) {
          caughtUp = false;
          readAhead();
        } else if (!caughtUp) {
          caughtUp = true;
          sink.caughtUp(feed.position);
        }
        return;
      }
      if (chunk.count === 0) cursor = chunk.last;
      else if (!deliver(chunk)) return;
      if (!closed) readAhead();
    }
  }

  /** Whoever has no room reads on when it is woken, and before that only if nobody else is waiting (L8). */
  function readAhead(): void {
    if (sink.room() > 0 || pager.spare) pages.readAhead(cursor);
  }

  /** False: there is no room. */
  function deliver(chunk: EventChunk): boolean {
    const room = sink.room();
    if (room <= 0) {
      if (pager.full) pages.clear();
      return false;
    }
    const piece = cutChunk(chunk, cursor, room);
    cursor = piece.last;
    if (piece.count > 0) {
      ports.delivered(piece.count);
      sink.deliver(piece);
    }
    return true;
  }

  const subscription: StreamSubscription = {
    get cursor() {
      return cursor;
    },
    get head() {
      return Math.max(feed.position ?? 0, cursor);
    },
    resume: () => ports.schedule(subscription),
    close,
    pump,
    dropExpired: pages.dropExpired,
    end,
  };
  return subscription;
}

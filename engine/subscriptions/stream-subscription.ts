/**
 * One subscriber of one stream: a cursor that only moves forward, and the rule where the next events come from.
 *
 *   the feed still has the next number      → from memory, shared with everybody at the head
 *   the next number is stored               → a page from the database, one more being read ahead
 *   everything stored has been delivered    → caught up; the feed's next chunk wakes it
 *
 * Nothing is queued for a subscriber but the pages it asked for: who does not read falls behind, and later catches up (L7, L8).
 */
import { ServiceError } from '../errors/index.js';
import type { EventChunk } from './chunk.js';
import { cutChunk } from './cut-chunk.js';
import type { Feed } from './feed.js';
import type { EventSink, Subscription } from './hub-types.js';
import type { Pager, PageTicket } from './pager.js';

/** Events of a page at most; the pages of a subscriber in memory at most. */
const PAGE_EVENTS = 1000;
const PAGES_AHEAD = 2;

export interface StreamSubscription extends Subscription {
  /** Delivers as long as there are events and room. */
  pump(): void;
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
  /** Pages that follow on each other and on the cursor. */
  let pages: EventChunk[] = [];
  let ticket: PageTicket | undefined;

  function close(): void {
    if (closed) return;
    closed = true;
    ticket?.cancel();
    pages = [];
    ports.left(subscription);
  }

  function end(error: ServiceError): void {
    if (closed) return;
    close();
    sink.end(error);
  }

  /** Where the next number is, without asking the database. */
  function nextChunk(): EventChunk | undefined {
    while (pages.length > 0 && pages[0]!.last <= cursor) pages.shift();
    return pages[0] ?? feed.find(cursor + 1);
  }

  function readAhead(): void {
    const from = (pages.at(-1)?.last ?? cursor) + 1;
    const position = feed.position!;
    if (ticket !== undefined || pages.length >= PAGES_AHEAD || from > position || feed.find(from)) return;
    const { stream, filter, format } = feed;
    const request = { stream, filter, format, from, to: position, eventsMax: PAGE_EVENTS };
    ticket = pager.read(request, (result) => {
      ticket = undefined;
      if (result instanceof ServiceError) return end(result);
      const faulty = feed.name.endsWith(' ') && result.count !== result.last - result.first + 1;
      if (faulty || result.last < result.first) return end(gapIn(result));
      pages.push(result);
      ports.schedule(subscription);
    });
  }

  function pump(): void {
    while (!closed && feed.position !== undefined) {
      const chunk = nextChunk();
      if (chunk === undefined) {
        if (cursor < feed.position) {
          caughtUp = false;
          readAhead();
          return;
        }
        if (!caughtUp) {
          caughtUp = true;
          sink.caughtUp(feed.position);
        }
        return;
      }
      if (chunk.count > 0) {
        const room = sink.room();
        if (room <= 0 || closed) return;
        const piece = cutChunk(chunk, cursor, room);
        cursor = piece.last;
        if (piece.count > 0) {
          ports.delivered(piece.count);
          sink.deliver(piece);
        }
      } else cursor = chunk.last;
      if (!closed) readAhead();
    }
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
    end,
  };
  return subscription;
}

const gapIn = ({ first, last, count }: EventChunk): ServiceError =>
  new ServiceError('SEQUENCE_GAP', `Only ${count} of the events from ${first} to ${last} are stored`);

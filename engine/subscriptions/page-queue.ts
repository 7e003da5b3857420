/**
 * The pages of one subscriber who is behind: asked for ahead and side by side, handed out in order. A page that turns out shorter than
 * asked for leaves a rest, which is asked for next.
 */
import { ServiceError } from '../errors/index.js';
import type { EventChunk } from './chunk.js';
import type { Feed } from './feed.js';
import type { Pager, PageTicket } from './pager.js';

export interface PageQueue {
  /** The page that covers the number behind `cursor`; undefined while it is on its way, or when there is none. */
  next(cursor: number): EventChunk | undefined;
  /** Whether pages are there or on their way. */
  readonly empty: boolean;
  /** Asks for what follows on `cursor`, as far as it is stored and the feed does not have it. */
  readAhead(cursor: number): void;
  /** Lets go of pages that were kept for too long; they are read again when it is their turn. @param now `performance.now()` */
  dropExpired(now: number): void;
  /** Lets go of everything. */
  clear(): void;
}

/** Events of a page at most. */
const PAGE_EVENTS = 1000;
/** Pages of a subscriber, there or on their way. */
const PAGES_MAX = 3;

interface Slot {
  readonly from: number;
  to: number;
  chunk: EventChunk | undefined;
  /** When the chunk came, in milliseconds of the process's clock. */
  since: number;
  ticket: PageTicket | undefined;
}

/**
 * @param hasRoom whether the subscriber takes events now; if not, and others wait, what it has asked for is not read until it asks again
 * @param arrived called when a page has come
 * @param failed called when events cannot be read
 */
export function createPageQueue(
  { stream, filter, format, filtered, keptMs, ...feed }: PagedFeed,
  pager: Pager,
  hasRoom: () => boolean,
  arrived: () => void,
  failed: (error: ServiceError) => void,
): PageQueue {
  let slots: Slot[] = [];

  function request(slot: Slot): void {
    const { from, to } = slot;
    const arrive = (result: EventChunk | ServiceError): void => {
      slot.ticket = undefined;
      if (result instanceof ServiceError) {
        failed(result);
        return;
      }
      const { first, last, count } = result;
      if (last < first || (!filtered && count !== last - first + 1)) {
        failed(gapIn(result));
        return;
      }
      slot.chunk = result;
      slot.since = performance.now();
      pager.hold(result.bytes.length);
      if (last < to) {
        slots.splice(slots.indexOf(slot) + 1, 0, unread(last + 1, to));
        slot.to = last;
      }
      arrived();
    };
    const page = { stream, filter, format, from, to, eventsMax: PAGE_EVENTS };
    let dropped = false;
    const ticket = pager.read(page, {
      done: arrive,
      wanted: hasRoom,
      dropped() {
        dropped = true;
        slot.ticket = undefined;
      },
    });
    if (!dropped) slot.ticket = ticket;
  }

  function drop(slot: Slot): void {
    slot.ticket?.cancel();
    if (slot.chunk !== undefined) pager.hold(-slot.chunk.bytes.length);
    slot.chunk = undefined;
  }

  function dropExpired(now: number): void {
    for (const slot of slots) {
      if (slot.chunk === undefined || now - slot.since <= keptMs) continue;
      drop(slot);
    }
  }

  return {
    dropExpired,
    next(cursor) {
      dropExpired(performance.now());
      while (slots[0]?.chunk !== undefined && slots[0].chunk.last <= cursor) drop(slots.shift()!);
      return slots[0]?.chunk;
    },
    get empty() {
      return slots.length === 0;
    },
    readAhead(cursor) {
      const position = feed.position()!;
      const pagesMax = pager.full ? 1 : PAGES_MAX;
      for (;;) {
        const open = slots.findIndex(({ chunk, ticket }) => chunk === undefined && ticket === undefined);
        if (open !== -1) {
          if (open < pagesMax) request(slots[open]!);
          if (slots[open]!.ticket === undefined || slots.length >= pagesMax) return;
          continue;
        }
        const from = (slots.at(-1)?.to ?? cursor) + 1;
        // How far a page reaches through a filter is only known when it is there.
        if (slots.length >= (filtered ? 1 : pagesMax) || from > position || feed.find(from)) return;
        const to = filtered ? position : Math.min(position, from + PAGE_EVENTS - 1);
        slots.push(unread(from, to));
      }
    },
    clear() {
      for (const slot of slots) drop(slot);
      slots = [];
    },
  };
}

const unread = (from: number, to: number): Slot => ({
  from,
  to,
  chunk: undefined,
  since: 0,
  ticket: undefined,
});

/** What a queue needs to know of its feed. */
export interface PagedFeed extends Pick<Feed, 'stream' | 'filter' | 'format' | 'find' | 'keptMs'> {
  position(): number | undefined;
  /** Whether the filter leaves events out. */
  readonly filtered: boolean;
}

const gapIn = ({ first, last, count }: EventChunk): ServiceError =>
  new ServiceError('SEQUENCE_GAP', `Only ${count} of the events from ${first} to ${last} are stored`);

/** Subscriptions as the protocols see them. Everything here lives on the thread that has the sockets. */
import type { ServiceError } from '../errors/index.js';
import type { EventChunk, EventFormat, StreamName } from './chunk.js';
import type { EventFilter } from './filter.js';

/** What a subscriber asks for. */
export interface SubscribeRequest {
  readonly stream: StreamName;
  /** The last number the subscriber has; the next event it gets is a later one. Not beyond the head, unless it waits for that. */
  readonly after: number;
  readonly filter: EventFilter;
  readonly format: EventFormat;
}

/** Where the events go. Its methods are never called from within `subscribe`, `resume` or `close`. */
export interface EventSink {
  /**
   * How many events it takes now. Asked before every delivery; after an answer of 0 nothing is delivered until
   * {@link Subscription.resume} is called.
   */
  room(): number;
  /** Takes the next events: `chunk.first` follows on what was delivered before. `chunk.count` is at most what `room` said. */
  deliver(chunk: EventChunk): void;
  /** Everything that is stored was delivered. Called once after the start, and again whenever the subscriber had fallen behind. */
  caughtUp(head: number): void;
  /** The subscription is over, and nothing is delivered any more: the events cannot be read, or the service stops. */
  end(error: ServiceError): void;
}

/** A running subscription. */
export interface Subscription {
  /** The last number that was delivered or passed over. */
  readonly cursor: number;
  /** The stream's head, as far as known. */
  readonly head: number;
  /** The sink has room again. */
  resume(): void;
  close(): void;
}

/** Subscriptions to all streams of a tenant, each with its own cursor. */
export interface TenantSubscribeRequest {
  readonly tenantId: string;
  /** Stores to follow; undefined: all, also those that appear later. */
  readonly storeIds: readonly string[] | undefined;
  /** The vector cursor: the last number the subscriber has, by store. */
  readonly after: ReadonlyMap<string, number>;
  /** Where to begin in stores that the cursor does not name: at their first event, or behind their head as of now. */
  readonly others: 'beginning' | 'head';
  readonly filter: EventFilter;
  readonly format: EventFormat;
}

/** As {@link EventSink}, told which store the events belong to. */
export interface TenantSink {
  /** The streams there are, named or found, with the number each begins behind. Called once, before anything is delivered. */
  opened(cursors: ReadonlyMap<string, number>): void;
  room(): number;
  deliver(storeId: string, chunk: EventChunk): void;
  /** Everything that is stored in all streams was delivered. */
  caughtUp(): void;
  end(error: ServiceError): void;
}

export interface TenantSubscription {
  /** The vector cursor. */
  cursors(): ReadonlyMap<string, number>;
  resume(): void;
  close(): void;
}

/** All subscriptions of this process. */
export interface SubscriptionHub {
  subscribe(request: SubscribeRequest, sink: EventSink): Subscription;
  subscribeTenant(request: TenantSubscribeRequest, sink: TenantSink): TenantSubscription;
  /**
   * Resolves with the head of a stream as soon as it is beyond `after`, or with the present head when `signal` says so or after
   * `timeoutMs`.
   */
  waitForHead(
    kind: 'ves' | 'legacy',
    stream: StreamName,
    after: number,
    options: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<number>;
  /** For metrics. */
  readonly stats: HubStats;
  /** Ends all subscriptions with SERVICE_UNAVAILABLE, so that clients connect elsewhere with their cursors. */
  close(): void;
}

export interface HubStats {
  readonly subscriptions: number;
  readonly feeds: number;
  /** Counters since the start. */
  readonly chunksEncoded: number;
  readonly chunksDelivered: number;
  readonly eventsDelivered: number;
  readonly pagesRead: number;
}

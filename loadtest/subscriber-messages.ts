/** Between the thread that holds many subscribers and the one that steers it. */

/** Sockets to open; with a subscription on each, or without. */
export interface SubscribersPlan {
  readonly host: string;
  readonly port: number;
  readonly apiKey: string;
  readonly sockets: number;
  readonly subscription?: {
    readonly tenantId: string;
    readonly storeId: string;
    /** The number to begin behind. */
    readonly after: number;
  };
}

export type SubscriberCommand =
  /** Answered when all sockets are open and subscribed. */
  | { readonly type: 'open'; readonly plan: SubscribersPlan }
  /** Deliveries are counted from now on. */
  | { readonly type: 'begin' }
  /** What was counted. */
  | { readonly type: 'end' }
  /** Answered when every subscriber has this number, or when the time is up. */
  | { readonly type: 'await'; readonly sequence: number; readonly timeoutMs: number }
  /** Closes all sockets, and tells what was heard. */
  | { readonly type: 'close' };

/** Of the time between `begin` and `end`. */
export interface DeliveryCounts {
  readonly seconds: number;
  /** Events, counted once for each subscriber that got them. */
  readonly deliveries: number;
  readonly frames: number;
  readonly bytes: number;
  /** From the event's `sequenced_at` to its arrival; see {@link mergeLatencies}. */
  readonly latencies: string;
}

/** What the subscribers heard from the beginning. */
export interface HeardLog {
  /** The first number, and the ids of all events from there on, 16 bytes each. */
  readonly first: number;
  readonly ids: Uint8Array;
  /** What was wrong: gaps, repetitions, differences between subscribers, lost connections. */
  readonly faults: readonly string[];
  /** The least of the subscribers' cursors. */
  readonly leastCursor: number;
}

export type SubscriberReply =
  | { readonly type: 'done'; readonly reached: boolean }
  | { readonly type: 'counts'; readonly counts: DeliveryCounts }
  | { readonly type: 'heard'; readonly heard: HeardLog }
  | { readonly type: 'failed'; readonly message: string };

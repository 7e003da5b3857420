/**
 * What the hub (on the thread with the sockets) and the tail (on a thread of its own) say to each other. The tail knows what has been
 * committed, reads the database and encodes; the hub knows the subscribers.
 */
import type { ErrorCode } from '../errors/index.js';
import type { EventChunk, EventFormat, StreamName } from './chunk.js';
import type { EventFilter } from './filter.js';

export type StreamKindName = 'ves' | 'legacy';

/** Hub → tail. */
export type TailRequest =
  /** Follow a stream: every event from the answered position on is sent once, encoded. */
  | {
      readonly type: 'open-feed';
      readonly feed: number;
      readonly stream: StreamName;
      readonly filter: EventFilter;
      readonly format: EventFormat;
    }
  | { readonly type: 'close-feed'; readonly feed: number }
  /** Tell whenever the head moves. */
  | {
      readonly type: 'watch-head';
      readonly watch: number;
      readonly kind: StreamKindName;
      readonly stream: StreamName;
    }
  /** Tell about every stream of a tenant: those there are, and whenever one moves. */
  | { readonly type: 'watch-tenant'; readonly watch: number; readonly tenantId: string }
  | { readonly type: 'close-watch'; readonly watch: number }
  /** Read stored events. */
  | ({ readonly type: 'page'; readonly page: number } & PageRequest);

/** A piece of a stream to be read from the database. */
export interface PageRequest {
  readonly stream: StreamName;
  readonly filter: EventFilter;
  readonly format: EventFormat;
  readonly from: number;
  /** Not beyond what is known to be committed. */
  readonly to: number;
  readonly eventsMax: number;
}

/** Tail → hub. */
export type TailAnswer =
  /** The feed's first chunk begins behind `position`. */
  | { readonly type: 'feed-open'; readonly feed: number; readonly position: number }
  | { readonly type: 'chunk'; readonly feeds: readonly number[]; readonly chunk: EventChunk }
  | { readonly type: 'head'; readonly watch: number; readonly head: number }
  | { readonly type: 'tenant-head'; readonly watch: number; readonly storeId: string; readonly head: number }
  /** All streams that the tenant has at the start have been told. */
  | { readonly type: 'tenant-open'; readonly watch: number }
  | { readonly type: 'page'; readonly page: number; readonly chunk: EventChunk }
  | {
      readonly type: 'page-failed';
      readonly page: number;
      readonly code: ErrorCode;
      readonly message: string;
    };

/** The hub's end of the line. */
export interface TailPort {
  post(request: TailRequest): void;
  /** Called once. */
  onAnswer(listener: (answer: TailAnswer) => void): void;
}

/** What one committed group added to a stream. */
export interface CommittedPiece {
  readonly kind: StreamKindName;
  /** 32 lower-case hex digits. */
  readonly tenant: string;
  readonly store: string;
  readonly first: number;
  readonly last: number;
  /** A complete COPY stream of the events' rows; absent for legacy streams, and where only the head was asked for. */
  readonly rows?: Uint8Array;
}

/** What is to be heard of the groups committed in this process. Names are `<kind><tenant><store>`, ids as 32 hex digits, kind 0 (VES) or 1. */
export interface CommitWatch {
  /** Streams whose events are wanted, and for legacy streams the head. */
  watchStream(name: string): Promise<void>;
  unwatchStream(name: string): void;
  /** A tenant (32 hex digits) all of whose streams' heads are wanted. */
  watchTenant(tenant: string): Promise<void>;
  unwatchTenant(tenant: string): void;
}

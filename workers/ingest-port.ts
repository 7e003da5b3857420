/** How the gateway hands requests to the ingest pipeline. Types only: whoever imports this takes no threads along. */
import type { ErrorCode } from '../engine/errors/index.js';
import type { Codec, IngestScope } from './messages.js';

/** Which of the two streams a request writes to. */
export type IngestKind = 'ves' | 'legacy';

/** One ingest request on its way into the pipeline. */
export interface IngestRequest {
  readonly kind: IngestKind;
  /** How `body` and the answer are written down. */
  readonly codec: Codec;
  readonly scope: IngestScope;
  /** Copied before `submit` returns: it may be a view on memory that is gone afterwards. */
  readonly body: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly deadlineMs: number;
  /** Receipts the answer carries (VES only): a sum of EVENT_RECEIPTS and GROUP_RECEIPTS of messages.ts. */
  readonly receipts: number;
  /** The connection: requests of one lane are sequenced in the order of submission. */
  readonly lane: number;
  /** Set: the request is traced. Called just before `reply`, if its worker came to an end with it. */
  readonly onTimings?: ((timings: IngestTimings) => void) | undefined;
  /** Called exactly once, on the main thread, never within `submit`. */
  reply(result: IngestReply): void;
}

/** Where a traced request was, and when: milliseconds since 1970, with fractions. */
export interface IngestTimings {
  /** A verify worker began with its bundle. */
  readonly received: number;
  /** Its events were verified and handed to their partition. */
  readonly verified: number;
  readonly partition: number;
  /** The transaction of the group that decided it; 0 when no group did. */
  readonly groupBegun: number;
  readonly groupEnded: number;
  /** Its last event was decided. */
  readonly decided: number;
  /** Its receipts were signed and its answer written. */
  readonly rendered: number;
}

/** What became of an ingest request. `body` is the finished answer, written down as the request was. */
export type IngestReply =
  | {
      readonly ok: true;
      readonly body: Uint8Array;
      readonly accepted: number;
      readonly rejected: number;
      readonly replayed: number;
    }
  | {
      readonly ok: false;
      readonly error: {
        readonly code: ErrorCode;
        readonly message: string;
        readonly details?: Readonly<Record<string, unknown>>;
      };
    };

/** Why a request was not taken: over the in-flight limits (L8), over the tenant's part of them (L10), or at the end of the service. */
export type IngestRefusal = 'service_full' | 'tenant_full' | 'stopping';

/** The pipeline as the gateway sees it. */
export interface IngestPort {
  /** Whatever it answers but `taken`: nothing was taken, and `reply` is never called. */
  submit(request: IngestRequest): 'taken' | IngestRefusal;
  readonly inflightBytes: number;
  readonly inflightRequests: number;
  /** What of it is a tenant's (32 hex digits; null: the operator's). Unset: not told apart. */
  usageOf?(tenant: string | null): { readonly bytes: number; readonly requests: number };
}

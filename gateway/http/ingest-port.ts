import type { ErrorCode } from '../../engine/errors/index.js';
import type { IngestScope } from '../../workers/messages.js';

/** One ingest request on its way into the pipeline. */
export interface IngestRequest {
  readonly kind: 'ves' | 'legacy';
  readonly scope: IngestScope;
  /** Copied during `submit`; may be a view on memory that is gone afterwards. */
  readonly body: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly deadlineMs: number;
  /** Connection identity: requests of one lane are sequenced in submission order. */
  readonly lane: number;
  /** Called exactly once, on the main thread. */
  reply(result: IngestReply): void;
}

/** What became of an ingest request. `body` is the finished JSON answer. */
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
        code: ErrorCode;
        message: string;
        details?: Record<string, unknown>;
        /** Seconds. */
        retryAfter?: number;
      };
    };

/** The gateway's view of the ingest pipeline. */
export interface IngestPort {
  /** `false`: over the in-flight limits, nothing was taken and `reply` is never called. */
  submit(request: IngestRequest): boolean;
  readonly inflightBytes: number;
  readonly inflightRequests: number;
}

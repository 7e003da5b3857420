/** What the tail's thread and the partitions' threads say to each other. */
import type { MessagePort } from 'node:worker_threads';
import type { Config } from '../engine/config/index.js';
import type { DatabaseTarget, SessionLimits } from '../engine/store/connection.js';
import type { CommittedPiece } from '../engine/subscriptions/index.js';

/** Database connections of the tail besides the one that listens. */
export const TAIL_CONNECTIONS = 4;

/** `workerData` of the tail's thread. */
export interface TailSetup {
  readonly database: DatabaseTarget;
  /** Of its connections, without the thread. */
  readonly applicationName: string;
  readonly session: SessionLimits;
  /** Unset: payloads are in clear text. */
  readonly encryption?: Config['encryption'];
  readonly instanceId: string;
  /** One per partition, in order. */
  readonly partitions: readonly MessagePort[];
}

/** Tail → partition. Streams are named as in engine/sequencer/stream.ts, tenants by 32 hex digits. */
export type CommitCommand =
  | {
      readonly type: 'watch';
      readonly what: 'stream' | 'tenant';
      readonly name: string;
      readonly ack: number;
    }
  | { readonly type: 'unwatch'; readonly what: 'stream' | 'tenant'; readonly name: string };

/** Partition → tail. */
export type CommitNews =
  /** From here on everything committed is told. */
  | { readonly type: 'watching'; readonly ack: number }
  | { readonly type: 'committed'; readonly pieces: readonly CommittedPiece[] };

/** Tail → main, besides the hub's answers. */
export type TailReport =
  | { readonly type: 'ready' }
  | { readonly type: 'closed' }
  | { readonly type: 'log'; readonly message: string; readonly cause: string };

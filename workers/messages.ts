/**
 * What travels between the main thread, the verify workers and the partition threads. Everything per event is packed into
 * buffers that are transferred; the objects around them are per bundle.
 */
import type { MessagePort } from 'node:worker_threads';
import type { Config } from '../engine/config/index.js';
import type { ErrorCode } from '../engine/errors/index.js';
import type { GroupTree } from '../engine/log/index.js';
import type { DatabaseTarget } from '../engine/store/connection.js';
import type { SignatureStats } from './signature-checks.js';

/** Who sends a request, as far as ingest needs to know. Ids are 32 lower-case hex digits. */
export interface IngestScope {
  /** The tenant the credential belongs to; null for the bootstrap administrator, who may write for any. */
  readonly tenant: string | null;
  /** Stores it is limited to; empty = all stores of the tenant. */
  readonly stores: readonly string[];
  /** The agent it is bound to, if any. */
  readonly agent: string | null;
}

/** The identity that signs receipts. */
export interface SequencerIdentity {
  /** UUID text. */
  readonly id: string;
  readonly keyVersion: number;
  /** Ed25519 seed, 32 bytes. */
  readonly seed: Uint8Array;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Keys that signed before and are still held: an event of their time gets its first receipt again. */
  readonly retired: readonly { readonly keyVersion: number; readonly seed: Uint8Array }[];
}

/** `workerData` of every worker thread. */
export interface WorkerSetup {
  readonly config: Config;
  readonly database: DatabaseTarget;
  readonly identity: SequencerIdentity;
  /** This process, a UUID made at start. */
  readonly instanceId: string;
}

/** Which receipts the answer to a VES request carries: a sum of these. */
export const EVENT_RECEIPTS = 1;
export const GROUP_RECEIPTS = 2;

/** How a request and its answer are written down. */
export const CODECS = ['json', 'msgpack', 'proto'] as const;
export type Codec = (typeof CODECS)[number];

/**
 * Numbers per request in {@link VerifyTask.requests}: kind · scope index · offset · length · deadline (ms since epoch) ·
 * receipts wanted · index in {@link CODECS} · whether it is traced (1 or 0).
 */
export const TASK_NUMBERS = 8;

/** A bundle of request bodies for one verify worker. */
export interface VerifyTask {
  readonly bodies: ArrayBuffer;
  readonly requests: Float64Array;
  readonly scopes: readonly IngestScope[];
}

/** Numbers per request in {@link VerifyResult.requests}: offset · length · accepted · rejected · replayed. Length -1: an error. */
export const RESULT_NUMBERS = 5;

/** The answers to a bundle, in its order. */
export interface VerifyResult {
  readonly bodies: ArrayBuffer;
  readonly requests: Float64Array;
  readonly errors: readonly RequestError[];
  /** {@link TIMING_NUMBERS} per traced request. */
  readonly timings: Float64Array;
  /** What the worker did since it last said so; about once a second. */
  readonly stats: VerifyStats | undefined;
}

/**
 * Numbers per request in {@link VerifyResult.timings}: request in the bundle · received · verified · partition · group begun · group ended ·
 * decided · rendered. Times are milliseconds since 1970 with fractions; 0: it did not come to that.
 */
export const TIMING_NUMBERS = 8;

/** What a verify worker did in a while. */
export interface VerifyStats {
  events: number;
  /** Time of each bundle in milliseconds until it was handed over, and from then until its last decision. Bounded. */
  bundles: { readonly verifyMs: number; readonly sequenceMs: number }[];
  /** Events that the worker itself rejected, by reason. */
  rejections: Record<string, number>;
  signatures: SignatureStats;
}

/** A request that failed as a whole. */
export interface RequestError {
  /** Index in the bundle. */
  readonly request: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Verify worker → main at start: one port per partition, to be handed to the partition threads. */
export interface PortsMessage {
  readonly type: 'ports';
  readonly ports: readonly MessagePort[];
}

/** Main → partition thread. */
export type PartitionMessage =
  | { readonly type: 'port'; readonly port: MessagePort }
  /** Whoever follows streams, see commit-feed.ts. */
  | { readonly type: 'tail'; readonly port: MessagePort }
  | { readonly type: 'close' };

/** Partition thread → main. */
export type PartitionReport =
  | { readonly type: 'ready' }
  | { readonly type: 'closed' }
  | { readonly type: 'stats'; readonly partition: number; readonly stats: PartitionStats }
  | {
      readonly type: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly message: string;
      readonly details: object;
    };

/** Counters since start, sent about once a second while they change. */
export interface PartitionStats {
  groups: number;
  events: number;
  failures: number;
  fenced: number;
  queuedEvents: number;
  /** Sum of the commit times in milliseconds. */
  commitMs: number;
  /** Sizes and times of the groups since the last report, and the events that waited when they were committed. */
  recent: { events: number; ms: number; queued: number }[];
  /** Largest head of a stream that was answered. */
  head: number;
  /** CPU time of the thread in microseconds. */
  cpuMicros: number;
}

/** Verify worker → partition thread: a packed batch. */
export interface BatchMessage {
  readonly batchId: number;
  readonly batch: ArrayBuffer;
}

/**
 * Partition thread → verify worker: decided requests, packed: batch id · request slot · head · event count · tree count, then the
 * numbers of its trees in `trees`, then four numbers per event (see RequestOutcome). `sequencers` names other sequencers' ids
 * as batch id · slot · event · id.
 */
export interface OutcomeMessage {
  readonly outcomes: Float64Array;
  /** What the groups added to their logs, for group receipts. */
  readonly trees: readonly GroupTree[];
  readonly sequencers: readonly (readonly [batchId: number, slot: number, event: number, id: string])[];
  /** The last group: its partition, and when its transaction began and ended (milliseconds since 1970). */
  readonly group: readonly [partition: number, begun: number, ended: number];
}

/** Broadcast to all verify workers: what to forget of the agents' keys. */
export type KeyCacheMessage =
  | { readonly type: 'forget'; readonly key: string }
  | { readonly type: 'forget-all' }
  /** While notifications may be missed, cached keys are trusted for a second only. */
  | { readonly type: 'trust'; readonly trusted: boolean };

/** Name of the BroadcastChannel that carries {@link KeyCacheMessage}. */
export const KEY_CACHE_CHANNEL = 'stateset-sequencer/agent-keys';

/**
 * What the partition needs from the outside: a store that runs one group at a time in one transaction, and a clock.
 * Production plugs in Postgres (engine/store/group-store.ts), the simulator a model with faults.
 */
import type { Frontier } from '../log/index.js';
import type { PackedBatch, StreamKind } from './batch.js';
import type { StreamKey } from './stream.js';

/** A (tenant, store, kind) that a group appends to. Ids are 32 hex digits. */
export interface StreamRef {
  readonly key: StreamKey;
  readonly kind: StreamKind;
  readonly tenant: string;
  readonly store: string;
}

/** An entity whose version a group checks. `key` is unique per stream pair and entity. */
export interface EntityRef {
  readonly key: string;
  readonly tenant: string;
  readonly store: string;
  readonly entityKey: string;
  readonly type: string;
  readonly id: string;
}

/** Everything a group must know of the database before it can be planned. */
export interface GroupNeeds {
  readonly streams: ReadonlyMap<StreamKey, StreamRef>;
  /** Event ids (32 hex digits) by kind. */
  readonly eventIds: readonly [ves: readonly string[], legacy: readonly string[]];
  /** Command ids by stream. */
  readonly commands: ReadonlyMap<StreamKey, readonly string[]>;
  readonly entities: ReadonlyMap<string, EntityRef>;
}

/** An event that is stored already. */
export interface StoredEvent {
  readonly stream: StreamKey;
  readonly tenant: string;
  /** Content digest, 64 hex digits. */
  readonly digest: string;
  readonly sequence: number;
  readonly sequencedAtMicros: number;
  readonly sequencer: string;
  readonly keyVersion: number;
}

/** The state of a stream under lock. Legacy streams have no frontier. */
export interface StreamState {
  readonly head: number;
  readonly frontier: Frontier | undefined;
}

/** The database's answer to {@link GroupNeeds}, read under the locks of the streams. */
export interface Snapshot {
  readonly streams: ReadonlyMap<StreamKey, StreamState>;
  /** By `<kind><event id>`; several tenants may hold the same id. */
  readonly events: ReadonlyMap<string, readonly StoredEvent[]>;
  /** `<stream key><command id>`. */
  readonly commands: ReadonlySet<string>;
  /** By {@link EntityRef} key: every entity that was asked for, 0 when it has no events. */
  readonly versions: ReadonlyMap<string, number>;
}

/** How far one stream moves in a group. */
export interface StreamAdvance {
  readonly stream: StreamRef;
  readonly first: number;
  readonly last: number;
  readonly frontier: Frontier | undefined;
}

/** A row to insert: already numbered in the batch's bytes. */
export interface RowRef {
  readonly batch: PackedBatch;
  readonly event: number;
  readonly stream: StreamRef;
}

/** What one transaction writes. */
export interface GroupWrite {
  /** Rows by kind, in sequence order within each stream. */
  readonly rows: readonly [ves: readonly RowRef[], legacy: readonly RowRef[]];
  readonly streams: readonly StreamAdvance[];
  /** New versions of the checked entities. */
  readonly versions: readonly { readonly entity: EntityRef; readonly version: number }[];
  readonly sequencedAtMicros: number;
  /** Version of the key that will sign the receipts. */
  readonly keyVersion: number;
}

/** Answer to `open`: the snapshot, or the news that another owner took the partition over (nothing is held then). */
export type Opened = { readonly fenced: false; readonly snapshot: Snapshot } | { readonly fenced: true };

/**
 * One connection's worth of transactions. Calls never overlap. A rejected promise carries a {@link StoreFailure}: after
 * `refused` and `unavailable` nothing of the transaction is stored; after `lost` nobody knows.
 */
export interface GroupStore {
  /** Begins a transaction: fence check, stream locks, look-ups. */
  open(needs: GroupNeeds): Promise<Opened>;
  /** Writes and commits. */
  write(write: GroupWrite): Promise<void>;
  /** Ends the open transaction without writing. */
  release(): Promise<void>;
  /** Throws the connection away, whatever it is doing. The next `open` connects anew. */
  reset(): Promise<void>;
}

/** Why a transaction failed. */
export interface StoreFailure extends Error {
  readonly outcome: 'refused' | 'unavailable' | 'lost';
}

/** The wall clock. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Microseconds since the epoch, never going back. */
  nowMicros(): number;
}

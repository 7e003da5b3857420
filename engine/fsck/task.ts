/** What travels between the coordinator and the workers of a check. Plain data. */
import type { Config } from '../config/index.js';
import type { DatabaseTarget } from '../store/connection.js';
import type { Finding, StreamId } from './finding.js';
import type { StreamFilter, StreamKind } from './streams.js';
import type { Pieces } from './subtrees.js';

/** What every worker is told at its start. */
export interface FsckSetup {
  readonly target: DatabaseTarget;
  /** Name of the snapshot that all connections read. */
  readonly snapshot: string;
  /** Whether Ed25519 signatures are verified. */
  readonly signatures: boolean;
  /** Findings of a task that are reported whole. */
  readonly findingsMax: number;
  /** Versions of the sequencer's keys. */
  readonly keyVersions: readonly number[];
  /** Streams that are looked at. */
  readonly filter: StreamFilter;
  /** Whether there may be rows from before check values were written. */
  readonly oldRows: boolean;
  /** Settings with the keys of sealed payloads; undefined: they are not opened. */
  readonly encryption: Config['encryption'] | undefined;
}

/** Events `from..to` of a stream, both inclusive. VES ranges begin at 1 + a multiple of {@link CHUNK_EVENTS}. */
export interface StreamRange extends StreamId {
  readonly from: number;
  readonly to: number;
}

/** Most events of one task. A power of two and a multiple of 256, so that chunks are perfect subtrees and share their borders with tiles. */
export const CHUNK_EVENTS = 16_384;

export type Task =
  | { readonly kind: 'ves' | 'legacy'; readonly ranges: readonly StreamRange[] }
  /** Leaves `from..to` of the notary log, counted from 1; begins as ranges do. */
  | { readonly kind: 'notary'; readonly from: number; readonly to: number }
  | { readonly kind: 'entity-versions' | 'legacy-states'; readonly stream: StreamId }
  | { readonly kind: 'agent-keys' | 'cosignatures' }
  | { readonly kind: 'duplicates'; readonly log: StreamKind; readonly column: 'event_id' | 'command_id' }
  | { readonly kind: 'row-counts'; readonly log: StreamKind };

export interface TaskResult {
  /** The first findings, in order of position. */
  readonly findings: readonly Finding[];
  /** All of them. */
  readonly total: number;
  /** What was checked: rows by table, and other things by name. */
  readonly counts: Readonly<Record<string, number>>;
  /** One for each range, or one for the notary's. */
  readonly parts: readonly LogPart[];
}

/** Roots that somebody recorded, at sizes within the range: what the coordinator compares with the derived ones. Sorted by size. */
export interface Claims {
  readonly sizes: Float64Array;
  /** Where each comes from: a number of {@link CLAIM}. */
  readonly sources: Uint8Array;
  /** Fold of the range's leaves up to the size, 32 bytes each; zeros where the size is the range's beginning. */
  readonly folds: Uint8Array;
  readonly roots: Uint8Array;
}

/** Where a claim comes from. */
export const CLAIM = { group: 0, logRoot: 1, notaryEntry: 2, notaryRoot: 3, notaryCheckpoint: 4 } as const;

/** A stored tile of level 1 or higher that ends in the range. */
export interface UpperTile {
  readonly level: number;
  readonly index: number;
  readonly root: Uint8Array;
  readonly hashes: Uint8Array;
}

/** What a commitment's row says, and the pieces of its tree that lie in the range. */
export interface CommitmentPart {
  readonly start: number;
  readonly end: number;
  readonly root: Uint8Array;
  readonly prevStateRoot: Uint8Array;
  readonly newStateRoot: Uint8Array;
  readonly pieces: Pieces;
}

/** What a range contributes to its stream's trees. */
export interface LogPart {
  readonly from: number;
  readonly to: number;
  /** Numbers whose leaf is missing or known to be wrong: what follows from them is not reported again. */
  readonly suspects: readonly number[];
  /** The range's leaves as perfect subtrees of the stream's log; none for legacy streams. */
  readonly pieces: Pieces;
  /** Roots of the range's whole runs of 256 leaves. */
  readonly tileRoots: Uint8Array;
  readonly claims: Claims;
  readonly upperTiles: readonly UpperTile[];
  readonly commitments: readonly CommitmentPart[];
  /** Last number that groups cover, among the groups that end in the range; 0: none; undefined: they cannot be read. */
  readonly groupsEnd: number | undefined;
}

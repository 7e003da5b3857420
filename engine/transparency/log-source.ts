/**
 * What a stored Merkle log consists of. Proofs, tiles and roots (log-service.ts) are made from this and nothing else, so a log
 * is whatever can answer these questions. Sizes, leaf indexes and levels are safe integers, hashes `Uint8Array(32)`.
 */

/** Leaves `from` up to, but not including, `to`. */
export interface LeafRange {
  readonly from: number;
  readonly to: number;
}

/** A root that the log's writer stored, in the transaction that made the tree this large. */
export interface RecordedRoot {
  readonly size: number;
  readonly root: Uint8Array;
}

/** A log as of one snapshot. */
export interface LogState {
  /** Leaves in the log. */
  readonly size: number;
  /** As `encodeFrontier` writes it: roots of the perfect subtrees, largest first. */
  readonly frontier: Uint8Array;
  /** The recorded root at `size`; undefined when none is. */
  readonly root: Uint8Array | undefined;
  /** For each size that was asked for, what is recorded around it. */
  readonly around: readonly Surroundings[];
}

export interface Surroundings {
  /** The recorded root at the largest size below; undefined when there is none. */
  readonly before: RecordedRoot | undefined;
  /** The recorded root at this size or the smallest above; undefined when there is none. */
  readonly after: RecordedRoot | undefined;
}

/** A full tile's place. */
export interface TileKey {
  readonly level: number;
  readonly index: number;
}

/** Full tiles of a level, indexes `from` up to, but not including, `to`. */
export interface TileQuery {
  readonly level: number;
  readonly from: number;
  readonly to: number;
  /** Whether their hashes are wanted, or only their roots. */
  readonly whole: boolean;
}

/** A full tile: its own root, and its 256 hashes (8192 bytes) where they were asked for. */
export interface TileRow extends TileKey {
  readonly root: Uint8Array;
  readonly hashes: Uint8Array | undefined;
}

/** A full tile with its hashes. */
export type FullTile = TileRow & { readonly hashes: Uint8Array };

/** Full tiles that are stored. They are derived data: any of them may be missing at any time. */
export interface TileStore {
  /** The tiles that are there, in no particular order; one query. */
  read(queries: readonly TileQuery[]): Promise<TileRow[]>;
  /** Indexes of tiles that are not there, ascending, at most `limit`, from `from` up to, but not including, `to`. */
  missing(level: number, from: number, to: number, limit: number): Promise<number[]>;
  /** Adds the tiles that are not there yet, in one transaction; says how many those were. Never changes one. */
  insert(tiles: readonly FullTile[]): Promise<number>;
}

export interface LogSource {
  /** Names the log in messages and cache keys: `<tenant>/<store>` or `notary`. */
  readonly name: string;
  state(sizes: readonly number[]): Promise<LogState>;
  /**
   * The raw log entries of each range, in order; one query. They may be views of a common buffer.
   *
   * @throws ServiceError SEQUENCE_GAP when one is missing
   */
  entries(ranges: readonly LeafRange[]): Promise<Uint8Array[][]>;
  readonly tiles: TileStore;
  /** Records a root at a size that has none yet, and answers the one that is recorded now, which may be somebody else's. */
  recordRoot(size: number, root: Uint8Array): Promise<Uint8Array>;
}

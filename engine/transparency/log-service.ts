/** The service's Merkle logs as they are stored: heads, proofs, tiles, roots. Nothing here signs. */
import type { Sha256Into } from '../log/index.js';
import { type RowHashing, rowHashingOf } from '../protocol/index.js';
import type { Sql } from '../store/connection.js';
import { streamsMissingLogTiles } from '../store/log-tiles.js';
import type { LogId } from './log-id.js';
import { createLogProofs, type InclusionProof } from './log-proofs.js';
import { readEntryBundle, readTile } from './log-resources.js';
import type { LogSource, RecordedRoot } from './log-source.js';
import { createTiler } from './log-tiler.js';
import { createNodeReader } from './node-reader.js';
import { createNotarySource } from './notary-source.js';
import { createStreamSource } from './stream-source.js';

/**
 * Sizes, leaf indexes and levels are whole numbers up to 2^53 - 1, hashes `Uint8Array(32)`. Results are plain data of their own, fit to
 * be sent to another thread. A log that nothing was written to yet has size 0.
 *
 * Every method rejects with ServiceError SEQUENCE_GAP when stored entries are missing, and INTERNAL_ERROR, naming the log and the size,
 * when what is stored contradicts itself: proofs and roots are checked against the roots that were recorded with the events, a stored
 * tile against its own root.
 */
export interface LogService {
  /** The present size and root. */
  head(log: LogId): Promise<RecordedRoot>;
  /**
   * The leaf's entry and its proof in the tree of this size (RFC 9162 section 2.1.3).
   *
   * @throws ServiceError INVALID_FIELD_VALUE unless leafIndex < size <= the present size
   */
  inclusion(log: LogId, leafIndex: number, size: number): Promise<InclusionProof>;
  /**
   * Proof that the tree of size `to` continues that of size `from` (RFC 9162 section 2.1.4); empty from 0 and between equal sizes.
   *
   * @throws ServiceError INVALID_FIELD_VALUE unless from <= to <= the present size
   */
  consistency(log: LogId, from: number, to: number): Promise<{ hashes: Uint8Array[] }>;
  /** The first `width` hashes of a tile; undefined when there is no such tile (c2sp.org/tlog-tiles). */
  tile(log: LogId, level: number, index: number, width: number): Promise<Uint8Array | undefined>;
  /** The first `width` entries of a bundle; undefined when there is no such bundle. */
  entries(log: LogId, index: number, width: number): Promise<Uint8Array | undefined>;
  /**
   * The one root that may be signed at this size, recorded in the database when this returns (L5).
   *
   * @throws ServiceError INVALID_FIELD_VALUE when the size is above the present size
   */
  recordRoot(log: LogId, size: number): Promise<Uint8Array>;
  /** Writes full tiles that are not stored yet, at most `tilesMax`; `done`: nothing is missing at the present size. */
  integrate(log: LogId, tilesMax: number): Promise<{ written: number; done: boolean }>;
  /** Streams with full tiles beyond those that are stored, at most `limit`. */
  streamsToIntegrate(limit: number): Promise<LogId[]>;
}

/** @param deps `hashing` hashes tiles and entries; by `sha256` if left out */
export function createLogService(deps: {
  readonly sql: Sql;
  readonly sha256: Sha256Into;
  readonly hashing?: RowHashing;
}): LogService {
  const { sql, sha256, hashing = rowHashingOf(sha256) } = deps;
  const reader = createNodeReader(sha256, hashing);
  const proofs = createLogProofs(reader);
  const tiler = createTiler(reader, proofs);
  const notary = createNotarySource({ sql, sha256 });
  const sourceOf = (log: LogId): LogSource => (log.kind === 'notary' ? notary : createStreamSource(sql, log));

  return {
    head: async (log) => proofs.head(sourceOf(log)),
    inclusion: async (log, leafIndex, size) => proofs.inclusion(sourceOf(log), leafIndex, size),
    consistency: async (log, from, to) => proofs.consistency(sourceOf(log), from, to),
    tile: async (log, level, index, width) => readTile(reader, sourceOf(log), level, index, width),
    entries: async (log, index, width) => readEntryBundle(sourceOf(log), index, width),
    recordRoot: async (log, size) => proofs.recordRoot(sourceOf(log), size),
    integrate: async (log, tilesMax) => tiler.integrate(sourceOf(log), tilesMax),
    async streamsToIntegrate(limit) {
      const streams = await streamsMissingLogTiles(sql, limit);
      return streams.map(({ tenantId, storeId }) => ({ kind: 'stream', tenantId, storeId }));
    },
  };
}

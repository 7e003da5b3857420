import { invariant, ServiceError } from '../errors/index.js';
import {
  createNodeHasher,
  formatTlogProof,
  leafHash,
  type Sha256Into,
  verifyInclusion,
} from '../log/index.js';
import type { Sql } from '../store/connection.js';
import { findNotaryEntry } from '../store/notary.js';
import type { LogId } from './log-id.js';
import type { LogService } from './log-service.js';
import { createNotaryEntryMaker } from './notary-entry.js';
import { intact } from './notary-source.js';
import type { PublishedCheckpoints } from './published.js';

/** That a checkpoint of a stream is in the notary log. */
export interface StreamProof {
  /** Size of the stream's checkpoint. */
  readonly size: number;
  /** `Uint8Array(32)`. */
  readonly root: Uint8Array;
  /** Text of the stream's checkpoint. Nobody needs to have signed it: the notary's checkpoint covers it. */
  readonly body: string;
  /** The notary log's entry, which holds the body's hash. */
  readonly entry: Uint8Array;
  readonly leafIndex: number;
  /** Size of the notary's checkpoint. */
  readonly notarySize: number;
  /** Verifier keys of the witnesses under it. */
  readonly cosignedBy: readonly string[];
  /** A c2sp.org/tlog-proof@v1 file with the entry as extra data. */
  readonly tlogProof: string;
}

const NOTARY = { kind: 'notary' } as const;

/**
 * Proves a checkpoint of a stream against the latest checkpoint of the notary that counts (with witnesses: one that a quorum cosigned).
 * Given a size it is the first notarised checkpoint that covers it, else the latest.
 *
 * @throws ServiceError RESOURCE_NOT_FOUND when the notary has not come that far yet
 */
export function createProveStream(deps: {
  sql: Sql;
  sha256: Sha256Into;
  logs: LogService;
  published: PublishedCheckpoints;
}): (log: Extract<LogId, { kind: 'stream' }>, size?: number) => Promise<StreamProof> {
  const { sql, sha256, logs, published } = deps;
  const hashNode = createNodeHasher(sha256);
  const makeEntry = createNotaryEntryMaker(sha256);

  return async (log, size) => {
    const checkpoint = await published.witnessed();
    if (!checkpoint) throw notYet('The notary has no checkpoint yet');
    const found = await findNotaryEntry(sql, log, checkpoint.size, size);
    if (!found) throw notYet('The notary log does not cover this size of the stream yet');
    const { leafIndex, treeSize, rootHash } = intact(found, found.leafIndex);
    const { body, entry } = makeEntry(found);
    const { hashes } = await logs.inclusion(NOTARY, leafIndex, checkpoint.size);
    invariant(
      verifyInclusion(leafHash(entry, sha256), leafIndex, checkpoint.size, hashes, checkpoint.root, hashNode),
      'INTERNAL_ERROR',
      () => `notary log: entry ${leafIndex} does not lead to the root of size ${checkpoint.size}`,
    );
    return {
      size: treeSize,
      root: new Uint8Array(rootHash),
      body,
      entry,
      leafIndex,
      notarySize: checkpoint.size,
      cosignedBy: checkpoint.cosignedBy,
      tlogProof: formatTlogProof({ extra: entry, index: leafIndex, hashes, checkpoint: checkpoint.note }),
    };
  };
}

const notYet = (what: string) => new ServiceError('RESOURCE_NOT_FOUND', `${what}; ask again in a while.`);

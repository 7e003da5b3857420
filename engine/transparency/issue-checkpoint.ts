import { invariant } from '../errors/index.js';
import { createNodeHasher, type Sha256Into, verifyConsistency } from '../log/index.js';
import { equalBytes } from '../protocol/index.js';
import type { Sql } from '../store/connection.js';
import { insertNotaryCheckpoint, notaryCheckpointCheck } from '../store/notary-checkpoints.js';
import { type LogSigner, originOf, signCheckpoint } from './checkpoints.js';
import type { LogService } from './log-service.js';
import type { NotaryCheckpoint, PublishedCheckpoints } from './published.js';

const NOTARY = { kind: 'notary' } as const;

/**
 * Signs the present end of the notary log and stores the note, unless that is done; answers the latest checkpoint, nothing while the log
 * is empty. A crash between the steps loses nothing: the next call finds the root recorded and signs it.
 *
 * @param deps `origin` is the base of all origins; `now` a clock in milliseconds
 * @throws ServiceError INTERNAL_ERROR, and signs nothing, when the end does not continue the latest checkpoint
 */
export function createIssueCheckpoint(deps: {
  sql: Sql;
  sha256: Sha256Into;
  logs: LogService;
  origin: string;
  signer: LogSigner;
  published: PublishedCheckpoints;
  now?: () => number;
}): () => Promise<NotaryCheckpoint | undefined> {
  const { sql, logs, signer, published, now = Date.now } = deps;
  const origin = originOf(deps.origin, NOTARY);
  const hashNode = createNodeHasher(deps.sha256);

  return async () => {
    const head = await logs.head(NOTARY);
    const latest = await published.latest();
    if (head.size === 0) return undefined;
    if (latest && latest.size >= head.size && latest.keyVersions.includes(signer.keyVersion)) return latest;

    const { size } = head;
    // L5: the root at this size was committed when the log grew to it; it is signed if it is the one we derive ourselves, and if the
    // log up to it begins with what was signed before.
    const root = await logs.recordRoot(NOTARY, size);
    invariant(
      equalBytes(root, head.root),
      'INTERNAL_ERROR',
      `notary_log: another root is recorded at size ${size}`,
    );
    if (latest && latest.size <= size) {
      const { hashes } = await logs.consistency(NOTARY, latest.size, size);
      invariant(
        verifyConsistency(latest.size, latest.root, size, root, hashes, hashNode),
        'INTERNAL_ERROR',
        `notary log: size ${size} does not continue the checkpoint of size ${latest.size}`,
      );
    }
    const note = signCheckpoint({ origin, size, root }, signer);
    const row = {
      origin,
      treeSize: size,
      keyVersion: signer.keyVersion,
      rootHash: root,
      issuedAt: now() * 1000,
      note,
    };
    await insertNotaryCheckpoint(sql, { ...row, rowCheck: notaryCheckpointCheck(row) });
    return published.at(size);
  };
}

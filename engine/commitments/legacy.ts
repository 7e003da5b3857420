/** Commitments of legacy streams; as in ves.ts, everything that takes time comes before the transaction. */
import { randomUUID } from 'node:crypto';
import { ServiceError } from '../errors/index.js';
import type { Sha256Into } from '../log/index.js';
import { proveLegacyInclusion, type RowHashing, treeRoot } from '../protocol/index.js';
import type { AuditRecord } from '../store/audit-entry.js';
import { appendAudit } from '../store/audit-log.js';
import { type CommitmentStream, databaseMicros, type Statements } from '../store/commitment-rows.js';
import type { Sql } from '../store/connection.js';
import { readCountedHeads } from '../store/entity-counts.js';
import { readLegacyHead } from '../store/heads.js';
import {
  findLegacyCommitment,
  insertLegacyCommitment,
  type LegacyCommitment,
  lastLegacyCommitment,
  legacyCommitmentUpTo,
} from '../store/legacy-commitments.js';
import { buildLegacyTreeOf } from './build-tree.js';
import { findCommitment, type InclusionProof, inclusionOf, requireRoot } from './inclusion.js';
import { computeLegacyState, type LegacyState, sameHeads } from './legacy-state.js';
import { judgeRange, requireRange } from './range.js';
import type { Trees } from './trees.js';

const GENESIS = new Uint8Array(32);
/** Tries to have a state root that is still right when the commitment is stored. */
const ATTEMPTS_MAX = 5;

export function createLegacyCommitments(deps: {
  sql: Sql;
  sha256: Sha256Into;
  hashing: RowHashing;
  trees: Trees;
}) {
  const { sql, sha256, hashing, trees } = deps;

  async function look(db: Statements, stream: CommitmentStream, start: bigint, end: bigint, head: bigint) {
    // In this order: outside a transaction a commitment may be made in between, and must not be seen as the last one only.
    const last = await lastLegacyCommitment(db, stream);
    const before = await legacyCommitmentUpTo(db, stream, start);
    const isStored = judgeRange('', start, end, { head, last, before }) === 'stored';
    return { stored: isStored ? before : undefined, last };
  }

  return {
    /** @throws ServiceError INVALID_FIELD_VALUE, SEQUENCE_GAP, OVERLOADED, SERVICE_UNAVAILABLE */
    async commit(
      stream: CommitmentStream,
      start: bigint,
      end: bigint,
      audit?: AuditRecord,
    ): Promise<LegacyCommitment> {
      requireRange(start, end);
      const { tenantId, storeId } = stream;
      const head = await readLegacyHead(sql, tenantId, storeId);
      const { stored } = await look(sql, stream, start, end, head);
      if (stored !== undefined) return stored;

      const tree = await trees.build(() => buildLegacyTreeOf({ sql, sha256, hashing, stream, start, end }));
      const eventsRoot = treeRoot(tree);
      const batchId = randomUUID();

      /** `undefined` when the state is not the present one any more. */
      const store = (state: LegacyState) =>
        sql.begin(async (tx): Promise<LegacyCommitment | undefined> => {
          const counted = await readCountedHeads(tx, stream, { forUpdate: true });
          const { stored, last } = await look(tx, stream, start, end, head);
          if (stored !== undefined) return stored;
          if (!sameHeads(counted, state.heads)) return undefined;
          const commitment: LegacyCommitment = {
            tenantId,
            storeId,
            sequenceStart: start,
            sequenceEnd: end,
            batchId,
            eventCount: tree.leafCount,
            eventsRoot,
            prevStateRoot: last?.newStateRoot ?? GENESIS,
            newStateRoot: state.root,
            vesHead: counted.ves,
            legacyHead: counted.legacy,
            committedAtMicros: await databaseMicros(tx, last?.committedAtMicros),
            chainId: null,
            chainTxHash: null,
            chainBlockNumber: null,
            anchoredAtMicros: null,
          };
          await insertLegacyCommitment(tx, commitment);
          if (audit !== undefined) await appendAudit(tx, { ...audit, resourceId: batchId });
          return commitment;
        });

      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        const state = await computeLegacyState(sql, stream);
        const committed = state && (await store(state));
        if (committed === undefined) continue;
        trees.keep(committed.batchId, requireRoot(tree, committed.eventsRoot, committed.batchId));
        return committed;
      }
      throw new ServiceError(
        'SERVICE_UNAVAILABLE',
        'Other commitments of this store are under way; try again',
      );
    },

    /** @throws ServiceError BATCH_NOT_FOUND, EVENT_NOT_FOUND, INSUFFICIENT_PERMISSIONS, INVALID_FIELD_VALUE, OVERLOADED */
    async prove(stream: CommitmentStream, sequence: bigint, batchId?: string): Promise<InclusionProof> {
      const finders = {
        byBatch: (batch: string) => findLegacyCommitment(sql, batch),
        upTo: (number: bigint) => legacyCommitmentUpTo(sql, stream, number),
        last: () => lastLegacyCommitment(sql, stream),
        head: () => readLegacyHead(sql, stream.tenantId, stream.storeId),
      };
      const commitment = await findCommitment(finders, stream, sequence, batchId);
      const { sequenceStart: start, sequenceEnd: end, eventsRoot: root } = commitment;
      const tree = await trees.get(commitment.batchId, async () =>
        requireRoot(
          await buildLegacyTreeOf({ sql, sha256, hashing, stream, start, end }),
          root,
          commitment.batchId,
        ),
      );
      return inclusionOf({ ...commitment, root }, sequence, tree, proveLegacyInclusion);
    },
  };
}

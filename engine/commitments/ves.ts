/**
 * Commitments of VES streams. What takes time, reading and hashing the events, happens before the transaction: events never
 * change, so that the root stays right; only the chain of commitments may have moved on, which is looked at again under the
 * stream's lock.
 */
import { randomUUID } from 'node:crypto';
import type { Sha256Into } from '../log/index.js';
import {
  proveVesInclusion,
  type RowHashing,
  type Sha256,
  tenantStoreOf,
  treeRoot,
  vesCommitLockKey,
  vesPaddedLeafCount,
  vesStateRoot,
  vesStreamId,
  vesTreeDepth,
} from '../protocol/index.js';
import type { AuditRecord } from '../store/audit-entry.js';
import { appendAudit } from '../store/audit-log.js';
import { type CommitmentStream, databaseMicros, type Statements } from '../store/commitment-rows.js';
import type { Sql } from '../store/connection.js';
import { readVesHead } from '../store/heads.js';
import {
  findVesCommitment,
  insertVesCommitment,
  lastVesCommitment,
  type VesCommitment,
  vesCommitmentUpTo,
} from '../store/ves-commitments.js';
import { buildVesTreeOf } from './build-tree.js';
import { findCommitment, type InclusionProof, inclusionOf, requireRoot } from './inclusion.js';
import { judgeRange, requireRange } from './range.js';
import type { Trees } from './trees.js';

/** The tree's format. */
const VES_VERSION = 1;
const GENESIS = new Uint8Array(32);

export function createVesCommitments(deps: {
  sql: Sql;
  sha256: Sha256Into;
  hashing: RowHashing;
  trees: Trees;
}) {
  const { sql, sha256, hashing, trees } = deps;
  const digest: Sha256 = (bytes) => {
    const hash = new Uint8Array(32);
    sha256(bytes, hash, 0);
    return hash;
  };

  /** The stored commitment of this very range, or the last one if the range may be committed. */
  async function look(db: Statements, stream: CommitmentStream, start: bigint, end: bigint, head: bigint) {
    // In this order: outside a transaction a commitment may be made in between, and must not be seen as the last one only.
    const last = await lastVesCommitment(db, stream);
    const before = await vesCommitmentUpTo(db, stream, start);
    const isStored = judgeRange('VES ', start, end, { head, last, before }) === 'stored';
    return { stored: isStored ? before : undefined, last };
  }

  return {
    /** @throws ServiceError INVALID_FIELD_VALUE, SEQUENCE_GAP, OVERLOADED */
    async commit(
      stream: CommitmentStream,
      start: bigint,
      end: bigint,
      audit?: AuditRecord,
    ): Promise<VesCommitment> {
      requireRange(start, end);
      const { tenantId, storeId } = stream;
      const head = await readVesHead(sql, tenantId, storeId);
      const { stored } = await look(sql, stream, start, end, head);
      if (stored !== undefined) return stored;

      const tree = await trees.build(() => buildVesTreeOf({ sql, sha256, hashing, stream, start, end }));
      const merkleRoot = treeRoot(tree);
      const leafCount = tree.leafCount;
      const streamId = vesStreamId(tenantStoreOf(stream), digest);
      const batchId = randomUUID();
      const committed = await sql.begin(async (tx) => {
        await tx`select pg_advisory_xact_lock(${vesCommitLockKey(streamId)})`;
        const { stored, last } = await look(tx, stream, start, end, head);
        if (stored !== undefined) return stored;
        const prevStateRoot = last?.newStateRoot ?? GENESIS;
        const commitment: VesCommitment = {
          tenantId,
          storeId,
          sequenceStart: start,
          sequenceEnd: end,
          batchId,
          vesVersion: VES_VERSION,
          treeDepth: vesTreeDepth(leafCount),
          leafCount,
          paddedLeafCount: vesPaddedLeafCount(leafCount),
          merkleRoot,
          prevStateRoot,
          newStateRoot: vesStateRoot(
            { streamId, prevStateRoot, merkleRoot, sequenceStart: start, sequenceEnd: end, leafCount },
            digest,
          ),
          committedAtMicros: await databaseMicros(tx, last?.committedAtMicros),
          chainId: null,
          chainTxHash: null,
          chainBlockNumber: null,
          anchoredAtMicros: null,
        };
        await insertVesCommitment(tx, commitment);
        if (audit !== undefined) await appendAudit(tx, { ...audit, resourceId: batchId });
        return commitment;
      });
      trees.keep(committed.batchId, requireRoot(tree, committed.merkleRoot, committed.batchId));
      return committed;
    },

    /** @throws ServiceError BATCH_NOT_FOUND, EVENT_NOT_FOUND, INSUFFICIENT_PERMISSIONS, INVALID_FIELD_VALUE, OVERLOADED */
    async prove(stream: CommitmentStream, sequence: bigint, batchId?: string): Promise<InclusionProof> {
      const finders = {
        byBatch: (batch: string) => findVesCommitment(sql, batch),
        upTo: (number: bigint) => vesCommitmentUpTo(sql, stream, number),
        last: () => lastVesCommitment(sql, stream),
        head: () => readVesHead(sql, stream.tenantId, stream.storeId),
      };
      const commitment = await findCommitment(finders, stream, sequence, batchId);
      const { sequenceStart: start, sequenceEnd: end, merkleRoot: root } = commitment;
      const tree = await trees.get(commitment.batchId, async () =>
        requireRoot(
          await buildVesTreeOf({ sql, sha256, hashing, stream, start, end }),
          root,
          commitment.batchId,
        ),
      );
      return inclusionOf({ ...commitment, root }, sequence, tree, (built, index) =>
        proveVesInclusion(built, index, sha256),
      );
    },
  };
}

import type { Sha256Into } from '../log/index.js';
import { type RowHashing, rowHashingOf } from '../protocol/index.js';
import type { AuditRecord } from '../store/audit-entry.js';
import type { CommitmentPage, CommitmentStream } from '../store/commitment-rows.js';
import type { Sql } from '../store/connection.js';
import {
  findLegacyCommitment,
  type LegacyCommitment,
  listLegacyCommitments,
} from '../store/legacy-commitments.js';
import {
  findVesCommitment,
  listPendingVesCommitments,
  listVesCommitments,
  type VesCommitment,
} from '../store/ves-commitments.js';
import { type Anchor, markAnchored } from './anchoring.js';
import type { InclusionProof } from './inclusion.js';
import { createLegacyCommitments } from './legacy.js';
import { createTrees } from './trees.js';
import { createVesCommitments } from './ves.js';

/**
 * Commitments and the proofs in them. Arguments and results can be cloned between threads. Long computations give way to the
 * thread's other tasks; the database's refusals come as the driver's errors.
 */
export interface CommitmentService {
  /**
   * Commits the events `start..end`, both inclusive; the same range again answers the stored commitment.
   *
   * @throws ServiceError INVALID_FIELD_VALUE when the range does not follow the last commitment, reaches beyond the head or is
   * too large; SEQUENCE_GAP; OVERLOADED
   *
   * @param audit goes into the audit log together with the commitment, if it is new
   */
  commitVes(
    stream: CommitmentStream,
    start: bigint,
    end: bigint,
    audit?: AuditRecord,
  ): Promise<VesCommitment>;
  getVes(batchId: string): Promise<VesCommitment | undefined>;
  /** In the order of the stream. */
  listVes(stream: CommitmentStream, page: CommitmentPage): Promise<VesCommitment[]>;
  /**
   * Proves that an event is in a commitment: the named one, or the one that covers it.
   *
   * @throws ServiceError BATCH_NOT_FOUND (unknown, or the event is not committed), EVENT_NOT_FOUND, INSUFFICIENT_PERMISSIONS
   * (the batch is another stream's), INVALID_FIELD_VALUE (the batch does not cover the event), OVERLOADED
   */
  proveVes(stream: CommitmentStream, sequence: bigint, batchId?: string): Promise<InclusionProof>;

  /** As `commitVes`, and SERVICE_UNAVAILABLE when other commitments of the store keep getting in its way. */
  commitLegacy(
    stream: CommitmentStream,
    start: bigint,
    end: bigint,
    audit?: AuditRecord,
  ): Promise<LegacyCommitment>;
  getLegacy(batchId: string): Promise<LegacyCommitment | undefined>;
  listLegacy(stream: CommitmentStream, page: CommitmentPage): Promise<LegacyCommitment[]>;
  proveLegacy(stream: CommitmentStream, sequence: bigint, batchId?: string): Promise<InclusionProof>;

  /** VES commitments that no chain knows of, of all tenants, oldest first. */
  listPending(limit: number): Promise<VesCommitment[]>;
  /** @throws ServiceError BATCH_NOT_FOUND, ALREADY_EXISTS (another transaction) */
  markAnchored(
    batchId: string,
    anchor: Anchor,
    audit?: AuditRecord,
  ): Promise<'anchored' | 'already_anchored'>;
}

/** @param deps `hashing` hashes trees; by `sha256` if left out */
export function createCommitmentService(deps: {
  readonly sql: Sql;
  readonly sha256: Sha256Into;
  readonly hashing?: RowHashing;
}): CommitmentService {
  const { sql, sha256, hashing = rowHashingOf(sha256) } = deps;
  const parts = { sql, sha256, hashing, trees: createTrees() };
  const ves = createVesCommitments(parts);
  const legacy = createLegacyCommitments(parts);
  return {
    commitVes: ves.commit,
    getVes: (batchId) => findVesCommitment(sql, batchId),
    listVes: (stream, page) => listVesCommitments(sql, stream, page),
    proveVes: ves.prove,
    commitLegacy: legacy.commit,
    getLegacy: (batchId) => findLegacyCommitment(sql, batchId),
    listLegacy: (stream, page) => listLegacyCommitments(sql, stream, page),
    proveLegacy: legacy.prove,
    listPending: (limit) => listPendingVesCommitments(sql, limit),
    markAnchored: (batchId, anchor, audit) => markAnchored(sql, batchId, anchor, audit),
  };
}

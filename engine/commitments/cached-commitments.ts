import type { LegacyCommitment } from '../store/legacy-commitments.js';
import type { VesCommitment } from '../store/ves-commitments.js';
import type { CommitmentService } from './commitment-service.js';
import type { InclusionProof } from './inclusion.js';

/** Where found things are kept. Keys name the tenant's own things: batch ids, or streams and numbers. */
interface Kept<V> {
  get(key: string): V | undefined;
  set(key: string, value: V, ttlMs?: number): void;
  delete(key: string): void;
}

export interface CommitmentCaches {
  readonly vesCommitments: Kept<VesCommitment>;
  readonly vesProofs: Kept<InclusionProof>;
  readonly legacyCommitments: Kept<LegacyCommitment>;
  readonly legacyProofs: Kept<InclusionProof>;
}

/** Another process may anchor a commitment at any time; afterwards nothing of it changes. */
const UNANCHORED_TTL_MS = 1000;

/**
 * A commitment service that remembers what it found. Commitments and the proofs in them never change; only whether a commitment is
 * anchored does, once. What was not found is asked for again.
 */
export function cacheCommitments(service: CommitmentService, caches: CommitmentCaches): CommitmentService {
  async function kept<V>(
    cache: Kept<V>,
    key: string,
    find: () => Promise<V>,
    ttlMs: (found: V) => number | undefined = () => undefined,
  ): Promise<V> {
    const known = cache.get(key);
    if (known !== undefined) return known;
    const found = await find();
    if (found !== undefined) cache.set(key, found, ttlMs(found));
    return found;
  }

  const proofKey = (stream: { tenantId: string; storeId: string }, sequence: bigint, batchId = '') =>
    `${stream.tenantId}/${stream.storeId}/${sequence}/${batchId}`;

  return {
    commitVes: (...args) => service.commitVes(...args),
    listVes: (...args) => service.listVes(...args),
    commitLegacy: (...args) => service.commitLegacy(...args),
    listLegacy: (...args) => service.listLegacy(...args),
    listPending: (...args) => service.listPending(...args),
    getVes: (batchId) =>
      kept(
        caches.vesCommitments as Kept<VesCommitment | undefined>,
        batchId,
        () => service.getVes(batchId),
        (found) => (found?.anchoredAtMicros === null ? UNANCHORED_TTL_MS : undefined),
      ),
    getLegacy: (batchId) =>
      kept(
        caches.legacyCommitments as Kept<LegacyCommitment | undefined>,
        batchId,
        () => service.getLegacy(batchId),
        (found) => (found?.anchoredAtMicros === null ? UNANCHORED_TTL_MS : undefined),
      ),
    proveVes: (stream, sequence, batchId) =>
      kept(caches.vesProofs, proofKey(stream, sequence, batchId), () =>
        service.proveVes(stream, sequence, batchId),
      ),
    proveLegacy: (stream, sequence, batchId) =>
      kept(caches.legacyProofs, proofKey(stream, sequence, batchId), () =>
        service.proveLegacy(stream, sequence, batchId),
      ),
    async markAnchored(batchId, anchor, audit) {
      const outcome = await service.markAnchored(batchId, anchor, audit);
      caches.vesCommitments.delete(batchId);
      return outcome;
    },
  };
}

import { ServiceError } from '../errors/index.js';
import { encodeHex, equalBytes } from '../protocol/index.js';
import type { AuditRecord } from '../store/audit-entry.js';
import { appendAudit } from '../store/audit-log.js';
import { databaseMicros } from '../store/commitment-rows.js';
import type { Sql } from '../store/connection.js';
import { findVesCommitment, setVesAnchor } from '../store/ves-commitments.js';

/** Where a chain has a commitment. */
export type Anchor = {
  /** `Uint8Array(32)`. */
  readonly txHash: Uint8Array;
  /** 0 to 4294967295. */
  readonly chainId: number;
  readonly blockNumber: bigint | null;
};

/**
 * Writes down that a commitment is anchored, once; the same transaction again changes nothing.
 *
 * @throws ServiceError BATCH_NOT_FOUND; ALREADY_EXISTS when it is anchored by another transaction
 */
export async function markAnchored(
  sql: Sql,
  batchId: string,
  anchor: Anchor,
  audit?: AuditRecord,
): Promise<'anchored' | 'already_anchored'> {
  return sql.begin(async (tx) => {
    const commitment = await findVesCommitment(tx, batchId, { forUpdate: true });
    if (commitment === undefined) throw new ServiceError('BATCH_NOT_FOUND', 'Commitment not found');
    if (commitment.chainTxHash !== null) {
      if (equalBytes(commitment.chainTxHash, anchor.txHash)) return 'already_anchored';
      const txHash = `0x${encodeHex(commitment.chainTxHash)}`;
      throw new ServiceError('ALREADY_EXISTS', `The commitment is anchored by transaction ${txHash}`, {
        details: { chain_tx_hash: txHash },
      });
    }
    await setVesAnchor(tx, {
      ...commitment,
      chainId: anchor.chainId,
      chainTxHash: anchor.txHash,
      chainBlockNumber: anchor.blockNumber,
      anchoredAtMicros: await databaseMicros(tx),
    });
    if (audit !== undefined) await appendAudit(tx, { ...audit, tenantId: commitment.tenantId });
    return 'anchored';
  });
}

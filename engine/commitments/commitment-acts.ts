/** How administrative acts on commitments are recorded in the audit log. */
import { encodeHex } from '../protocol/index.js';
import type { AuditRecord } from '../store/audit-entry.js';
import type { CommitmentStream } from '../store/commitment-rows.js';
import type { Anchor } from './anchoring.js';

type CommitmentAct = Pick<AuditRecord, 'action' | 'tenantId' | 'resourceType' | 'resourceId' | 'details'>;

/** A commitment made because somebody asked for it; its id is known when it is stored. */
export const commitmentCreated = (
  resourceType: 'ves_commitment' | 'commitment',
  { tenantId, storeId }: CommitmentStream,
  start: bigint,
  end: bigint,
): CommitmentAct => ({
  action: 'custom:commitment_created',
  tenantId,
  resourceType,
  details: { store_id: storeId, sequence_start: Number(start), sequence_end: Number(end) },
});

/** The tenant is known when the commitment is found. */
export const commitmentAnchored = (batchId: string, anchor: Anchor): CommitmentAct => ({
  action: 'custom:commitment_anchored',
  tenantId: null,
  resourceType: 'ves_commitment',
  resourceId: batchId,
  details: {
    chain_tx_hash: `0x${encodeHex(anchor.txHash)}`,
    chain_id: anchor.chainId,
    block_number: anchor.blockNumber === null ? null : Number(anchor.blockNumber),
  },
});

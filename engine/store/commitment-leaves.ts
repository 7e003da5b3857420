/** What the leaves of commitments are hashed from, a page of a stream at a time. Events never change, so neither do pages. */
import { ServiceError } from '../errors/index.js';
import type { CommitmentStream } from './commitment-rows.js';
import type { Sql } from './connection.js';

/** What a leaf of the legacy tree covers, besides the number. */
export type LegacyLeafRow = {
  readonly sequence: bigint;
  readonly payloadHash: Uint8Array;
  readonly entityType: string;
  readonly entityId: string;
};

/**
 * Signing hash and signature (96 bytes) of each event `from..to`, side by side: one value, because a row for each would cost
 * several times as much. By the primary key; takes no lock.
 *
 * @throws ServiceError SEQUENCE_GAP when an event is missing (L1)
 */
export async function readVesLeafProofs(
  sql: Sql,
  stream: CommitmentStream,
  from: bigint,
  to: bigint,
): Promise<Uint8Array> {
  const [row] = await sql<{ found: bigint; proofs: Uint8Array | null }[]>`
    select count(*) as found, string_agg(substr(hashes, 1, 96), ''::bytea order by sequence_number) as proofs
    from ves_events
    where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId} and sequence_number between ${from} and ${to}`;
  requireAll(row?.found ?? 0n, from, to);
  return row?.proofs ?? new Uint8Array(0);
}

/** The same for legacy events, as rows. @throws ServiceError SEQUENCE_GAP */
export async function readLegacyLeafRows(
  sql: Sql,
  stream: CommitmentStream,
  from: bigint,
  to: bigint,
): Promise<readonly LegacyLeafRow[]> {
  const rows = await sql<LegacyLeafRow[]>`
    select sequence_number as sequence, payload_hash as "payloadHash", entity_type as "entityType", entity_id as "entityId"
    from events
    where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId} and sequence_number between ${from} and ${to}
    order by sequence_number`;
  requireAll(BigInt(rows.length), from, to);
  return rows;
}

/** Numbers are unique, so that a range without a gap is one that has as many events as numbers. */
function requireAll(found: bigint, from: bigint, to: bigint): void {
  if (found !== to - from + 1n)
    throw new ServiceError('SEQUENCE_GAP', `Only ${found} of the events ${from} to ${to} are stored`, {
      details: { from: Number(from), to: Number(to), found: Number(found) },
    });
}

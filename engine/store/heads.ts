import type { Sql } from './connection.js';

/** Sequence number of the last event of a VES stream, 0 if there is none. By the counter's primary key; takes no lock. */
export async function readVesHead(sql: Sql, tenantId: string, storeId: string): Promise<bigint> {
  const [row] = await sql<{ head: bigint }[]>`
    select current_sequence as head from ves_sequence_counters
    where tenant_id = ${tenantId} and store_id = ${storeId}`;
  return row?.head ?? 0n;
}

/** The same for a legacy stream. */
export async function readLegacyHead(sql: Sql, tenantId: string, storeId: string): Promise<bigint> {
  const [row] = await sql<{ head: bigint }[]>`
    select current_sequence as head from sequence_counters
    where tenant_id = ${tenantId} and store_id = ${storeId}`;
  return row?.head ?? 0n;
}

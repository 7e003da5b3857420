import type { Sql } from '../store/connection.js';

/**
 * Payloads of a tenant that do not depend on its key: clear text, and SSE1 records. Reads all of the tenant's rows. Counts at most `max`
 * in each table.
 */
export async function countUnsealed(sql: Sql, tenant: string, max: number): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select (select count(*) from (
        select from ves_events where tenant_id = ${tenant}::uuid and not starts_with(payload, 'SSE2') limit ${max}) v)::int
      + (select count(*) from (
        select from events where tenant_id = ${tenant}::uuid and not starts_with(payload, 'SSE2') limit ${max}) l)::int as count`;
  return row!.count;
}

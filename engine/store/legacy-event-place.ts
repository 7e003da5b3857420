import type { Sql } from './connection.js';

/** Where a legacy event stands. Lower-case hyphenated UUIDs. */
export type LegacyEventPlace = {
  readonly tenantId: string;
  readonly storeId: string;
  readonly sequence: bigint;
};

/** Finds a legacy event by its id. By the unique index (event_id, tenant_id). @param tenantId unset: of whatever tenant */
export async function findLegacyEventPlace(
  sql: Sql,
  eventId: string,
  tenantId?: string,
): Promise<LegacyEventPlace | undefined> {
  const [place] = await sql<LegacyEventPlace[]>`
    select tenant_id as "tenantId", store_id as "storeId", sequence_number as sequence from events
    where event_id = ${eventId} ${tenantId === undefined ? sql`` : sql`and tenant_id = ${tenantId}`}
    order by tenant_id limit 1`;
  return place;
}

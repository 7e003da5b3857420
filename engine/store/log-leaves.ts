import { ServiceError } from '../errors/index.js';
import { tenantStoreOf, VES_LEAF_BYTES, VES_LEAF_PROOF_BYTES, vesLeafEntries } from '../protocol/index.js';
import type { Sql } from './connection.js';
import { literal } from './id-text.js';

/**
 * Log entries (147-byte VES leaves) of ranges of a stream's leaves, `to` excluded; leaf index = sequence number - 1. The entries
 * of a range are views of one buffer. One query, by the primary key; takes no lock.
 *
 * @param stream UUIDs in any form
 * @throws ServiceError SEQUENCE_GAP when an event is missing
 */
export async function readLogEntries(
  sql: Sql,
  stream: { tenantId: string; storeId: string },
  ranges: readonly { readonly from: number; readonly to: number }[],
): Promise<Uint8Array[][]> {
  if (ranges.length === 0) return [];
  // One value per range: many small rows would cost the driver more than the hashing costs us.
  const rows = await sql<{ found: bigint; proofs: Buffer | null }[]>`
    select e.found, e.proofs
    from unnest(${literal(ranges.map(({ from }) => String(from + 1)))}::text::bigint[],
      ${literal(ranges.map(({ to }) => String(to)))}::text::bigint[]) with ordinality as r(first, last, place)
    cross join lateral (
      select count(*) as found, string_agg(substr(hashes, 1, ${VES_LEAF_PROOF_BYTES}::int), ''::bytea order by sequence_number) as proofs
      from ves_events
      where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId}
        and sequence_number between r.first and r.last
    ) e
    order by r.place`;
  const tenantStore = tenantStoreOf(stream);
  return rows.map(({ found, proofs }, i) => {
    const { from, to } = ranges[i]!;
    if (Number(found) !== to - from) throw gap(stream, from + 1, to, Number(found));
    return proofs === null ? [] : viewsOf(vesLeafEntries(tenantStore, from + 1, proofs));
  });
}

const viewsOf = (entries: Uint8Array): Uint8Array[] =>
  Array.from({ length: entries.length / VES_LEAF_BYTES }, (_, i) =>
    entries.subarray(i * VES_LEAF_BYTES, (i + 1) * VES_LEAF_BYTES),
  );

function gap(
  stream: { tenantId: string; storeId: string },
  from: number,
  to: number,
  found: number,
): ServiceError {
  return new ServiceError(
    'SEQUENCE_GAP',
    `Only ${found} of the ${to - from + 1} events from ${from} to ${to} of ${stream.tenantId}/${stream.storeId} are stored`,
    { details: { from, to, found } },
  );
}

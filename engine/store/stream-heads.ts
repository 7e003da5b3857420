/** Heads of streams, asked for and told: every group that is committed is announced to all processes on the database. */
import { STREAM_VES, type StreamAdvance } from '../sequencer/index.js';
import type { Sql } from './connection.js';
import { literal } from './id-text.js';

/** The channel of the announcements. */
export const STREAM_HEADS_CHANNEL = 'stream_heads';

/** A payload of NOTIFY may have less than 8000 bytes (PostgreSQL manual, NOTIFY). */
const PAYLOAD_BYTES_MAX = 7900;

/** A stream that has moved. Ids are 32 hex digits. */
export interface HeadNews {
  readonly kind: 'ves' | 'legacy';
  readonly tenant: string;
  readonly store: string;
  readonly head: number;
}

/** Payloads that announce a group: `<instance id>` and `,<kind><tenant><store><head>` for each stream. */
export function formatHeadNews(instanceId: string, streams: readonly StreamAdvance[]): string[] {
  const payloads: string[] = [];
  let payload = instanceId;
  for (const { stream, last } of streams) {
    const entry = `,${stream.kind}${stream.tenant}${stream.store}${last}`;
    if (payload.length + entry.length > PAYLOAD_BYTES_MAX) {
      payloads.push(payload);
      payload = instanceId;
    }
    payload += entry;
  }
  payloads.push(payload);
  return payloads;
}

/** Takes a payload apart; what cannot be read is left out. */
export function parseHeadNews(payload: string): { instanceId: string; heads: HeadNews[] } {
  const [instanceId = '', ...entries] = payload.split(',');
  const heads: HeadNews[] = [];
  for (const entry of entries) {
    const match = /^([01])([0-9a-f]{32})([0-9a-f]{32})(\d{1,16})$/.exec(entry);
    if (match === null) continue;
    const kind = Number(match[1]) === STREAM_VES ? 'ves' : 'legacy';
    heads.push({ kind, tenant: match[2]!, store: match[3]!, head: Number(match[4]) });
  }
  return { instanceId, heads };
}

/** Heads of streams, in the order asked for; 0 where there is no event. One query, by the primary key; takes no lock. */
export async function readHeads(
  sql: Sql,
  kind: 'ves' | 'legacy',
  streams: readonly { readonly tenantId: string; readonly storeId: string }[],
): Promise<number[]> {
  const tenants = literal(streams.map(({ tenantId }) => tenantId));
  const stores = literal(streams.map(({ storeId }) => storeId));
  const counters = sql(kind === 'ves' ? 'ves_sequence_counters' : 'sequence_counters');
  const rows = await sql<{ head: bigint }[]>`
    select coalesce(c.current_sequence, 0) as head
    from unnest(${tenants}::text::uuid[], ${stores}::text::uuid[]) with ordinality as s(tenant_id, store_id, place)
    left join ${counters} c on c.tenant_id = s.tenant_id and c.store_id = s.store_id
    order by s.place`;
  return rows.map(({ head }) => Number(head));
}

/** All VES streams of a tenant with their heads. */
export async function readTenantHeads(
  sql: Sql,
  tenantId: string,
): Promise<{ storeId: string; head: number }[]> {
  const rows = await sql<{ storeId: string; head: bigint }[]>`
    select store_id as "storeId", current_sequence as head from ves_sequence_counters
    where tenant_id = ${tenantId} and current_sequence > 0`;
  return rows.map(({ storeId, head }) => ({ storeId, head: Number(head) }));
}

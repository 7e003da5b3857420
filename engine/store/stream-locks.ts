/** The stream counters: the rows whose locks give out sequence numbers (L1). */
import { decodeFrontier } from '../log/index.js';
import {
  STREAM_LEGACY,
  STREAM_VES,
  type StreamKey,
  type StreamKind,
  type StreamRef,
  type StreamState,
  streamKey,
} from '../sequencer/index.js';
import type { Sql } from './connection.js';
import { hexOf, literal } from './id-text.js';

/** Locks the counters of `streams` and reads them; streams without a counter are missing from the answer. */
export async function lockStreams(
  sql: Sql,
  streams: readonly StreamRef[],
): Promise<Map<StreamKey, StreamState>> {
  const states = new Map<StreamKey, StreamState>();
  const [ves, legacy] = await Promise.all([
    lockKind(sql, STREAM_VES, streams),
    lockKind(sql, STREAM_LEGACY, streams),
  ]);
  for (const row of ves) {
    const head = Number(row.current_sequence);
    const frontier = decodeFrontier(head, row.frontier!);
    if (!frontier)
      throw new Error(
        `ves_sequence_counters: the frontier of ${row.tenant_id}/${row.store_id} does not fit its head`,
      );
    states.set(streamKey(STREAM_VES, hexOf(row.tenant_id), hexOf(row.store_id)), { head, frontier });
  }
  for (const row of legacy) {
    const key = streamKey(STREAM_LEGACY, hexOf(row.tenant_id), hexOf(row.store_id));
    states.set(key, { head: Number(row.current_sequence), frontier: undefined });
  }
  return states;
}

type CounterRow = { tenant_id: string; store_id: string; current_sequence: bigint; frontier?: Buffer };

/** Row locks in key order (VES before legacy), so that two processes never wait for each other in a circle. */
function lockKind(sql: Sql, kind: StreamKind, streams: readonly StreamRef[]): PromiseLike<CounterRow[]> {
  const mine = streams.filter((stream) => stream.kind === kind);
  if (mine.length === 0) return Promise.resolve([]);
  const tenants = literal(mine.map((stream) => stream.tenant));
  const stores = literal(mine.map((stream) => stream.store));
  return kind === STREAM_VES
    ? sql<CounterRow[]>`select tenant_id, store_id, current_sequence, frontier from ves_sequence_counters
        where (tenant_id, store_id) in (select * from unnest(${tenants}::text::uuid[], ${stores}::text::uuid[]))
        order by tenant_id, store_id for update`.execute()
    : sql<CounterRow[]>`select tenant_id, store_id, current_sequence from sequence_counters
        where (tenant_id, store_id) in (select * from unnest(${tenants}::text::uuid[], ${stores}::text::uuid[]))
        order by tenant_id, store_id for update`.execute();
}

/** Makes counters that are missing. One statement and transaction per kind, in the order of the locks. */
export async function createCounters(sql: Sql, streams: readonly StreamRef[]): Promise<void> {
  for (const kind of [STREAM_VES, STREAM_LEGACY] as const) {
    const mine = streams.filter((stream) => stream.kind === kind);
    if (mine.length === 0) continue;
    const tenants = literal(mine.map((stream) => stream.tenant));
    const names = literal(mine.map((stream) => stream.store));
    const missing = sql`select * from unnest(${tenants}::text::uuid[], ${names}::text::uuid[]) as s(tenant_id, store_id)
      order by tenant_id, store_id`;
    if (kind === STREAM_VES)
      await sql`insert into ves_sequence_counters (tenant_id, store_id) ${missing} on conflict do nothing`;
    else await sql`insert into sequence_counters (tenant_id, store_id) ${missing} on conflict do nothing`;
  }
}

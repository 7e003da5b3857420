/** The streams of the database, page by page. */
import type { Sql } from '../store/connection.js';
import { type FindingList, type StreamId, uuidText } from './finding.js';
import type { Session } from './session.js';
import { allRows, orUnreadable } from './unreadable.js';

export type StreamKind = 'ves' | 'legacy';

/** Which streams to look at; unset: all. Ids are 32 hex digits. */
export interface StreamFilter {
  readonly tenant?: string | undefined;
  readonly store?: string | undefined;
}

/** A counter and what there is of its stream. */
export interface StreamState extends StreamId {
  readonly kind: StreamKind;
  /** current_sequence as stored. */
  readonly head: number;
  /** As stored; empty for legacy streams. */
  readonly frontier: Uint8Array;
  /** Number of the last stored event, 0 if there is none. */
  readonly lastEvent: number;
}

/** A name of a stream, for sets. */
export const streamLabel = ({ kind, tenant, store }: StreamId & { readonly kind: StreamKind }): string =>
  `${kind}${tenant}${store}`;

const PAGE_STREAMS = 2000;

export const TABLES = {
  ves: { counters: 'ves_sequence_counters', events: 'ves_events' },
  legacy: { counters: 'sequence_counters', events: 'events' },
} as const;

/** Conditions on tenant_id and store_id. */
export function filterCondition(sql: Sql, { tenant, store }: StreamFilter, prefix = '') {
  const column = (name: string) => sql.unsafe(`${prefix}${name}`);
  return sql`${tenant === undefined ? sql`true` : sql`${column('tenant_id')} = ${uuidText(tenant)}::uuid`}
    and ${store === undefined ? sql`true` : sql`${column('store_id')} = ${uuidText(store)}::uuid`}`;
}

type Row = { tenant: string; store: string; head: number; frontier: Buffer; last: number };

/** All streams of a kind in the order of their counters' primary key. */
export async function* readStreams(
  session: Session,
  kind: StreamKind,
  filter: StreamFilter,
): AsyncGenerator<StreamState> {
  const { counters, events } = TABLES[kind];
  let after: Row | undefined;
  for (;;) {
    const rows = await session.run(
      (sql) => sql<Row[]>`
        select replace(c.tenant_id::text, '-', '') as tenant, replace(c.store_id::text, '-', '') as store,
          c.current_sequence::float8 as head, ${sql.unsafe(kind === 'ves' ? 'c.frontier' : "''::bytea")} as frontier,
          coalesce((select max(sequence_number) from ${sql(events)} e
            where e.tenant_id = c.tenant_id and e.store_id = c.store_id), 0)::float8 as last
        from ${sql(counters)} c
        where ${filterCondition(sql, filter, 'c.')}
          and ${after ? sql`(c.tenant_id, c.store_id) > (${after.tenant}::uuid, ${after.store}::uuid)` : sql`true`}
        order by c.tenant_id, c.store_id limit ${PAGE_STREAMS}`,
    );
    for (const { tenant, store, head, frontier, last } of rows)
      yield { kind, tenant, store, head, frontier, lastEvent: last };
    after = rows.at(-1);
    if (rows.length < PAGE_STREAMS) return;
  }
}

/** How many streams and, by their counters, events there are. */
export async function countStreams(
  session: Session,
  kind: StreamKind,
  filter: StreamFilter,
): Promise<{ streams: number; events: number }> {
  const [row] = await session.run(
    (sql) => sql<{ streams: number; events: number }[]>`
      select count(*)::float8 as streams, coalesce(sum(current_sequence), 0)::float8 as events
      from ${sql(TABLES[kind].counters)} where ${filterCondition(sql, filter)}`,
  );
  return row!;
}

/** The stores that a table has rows of. Walks from one to the next along the primary key; the table may be large. */
export const storesQuery = (sql: Sql, table: string, filter: StreamFilter) => sql`
  with recursive streams as (
    (select tenant_id, store_id from ${sql(table)} where ${filterCondition(sql, filter)}
      order by tenant_id, store_id limit 1)
    union all
    select next.tenant_id, next.store_id from streams s cross join lateral (
      select t.tenant_id, t.store_id from ${sql(table)} t
      where (t.tenant_id, t.store_id) > (s.tenant_id, s.store_id) and ${filterCondition(sql, filter, 't.')}
      order by t.tenant_id, t.store_id limit 1
    ) next
  )`;

/** The stores that any of the tables has rows of; a table that cannot be read is a finding. */
export async function storesOf(
  session: Session,
  tables: readonly string[],
  filter: StreamFilter,
  findings: Pick<FindingList, 'add'>,
): Promise<StreamId[]> {
  const stores = new Map<string, StreamId>();
  for (const table of tables) {
    const rows = await orUnreadable<readonly StreamId[]>(allRows(table), findings, [], () =>
      session.run(
        (sql) => sql<StreamId[]>`
          ${storesQuery(sql, table, filter)}
          select replace(tenant_id::text, '-', '') as tenant, replace(store_id::text, '-', '') as store from streams`,
      ),
    );
    for (const { tenant, store } of rows) stores.set(tenant + store, { tenant, store });
  }
  return [...stores.values()];
}

/** The streams of the database, page by page, and what stands outside of them. */
import type { Sql } from '../store/connection.js';
import { type Finding, type FindingList, findingOf, type StreamId, uuidText } from './finding.js';
import type { Session } from './session.js';

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

/**
 * How many events of a stream to look at, 1 to n, and what the counter says wrongly. Events beyond the counter are looked at only
 * when they continue the stream without a gap.
 */
export async function extentOf(
  session: Session,
  stream: StreamState,
): Promise<{ n: number; finding?: Finding }> {
  const { head, lastEvent, kind, tenant, store } = stream;
  if (head === lastEvent) return { n: head };
  const { counters, events } = TABLES[kind];
  const column = 'current_sequence';
  const row = {
    table: counters,
    stream: { tenant, store },
    row: 'the stream',
    position: Number.MAX_SAFE_INTEGER,
  };
  if (lastEvent < head) {
    const message = `current_sequence is ${head}, the last event is ${lastEvent}`;
    return { n: lastEvent, finding: findingOf(row, [{ check: 'head', column, message }]) };
  }
  const [counted] = await session.run(
    (sql) => sql<{ all: number; beyond: number; first: number; last: number }[]>`
      select count(*)::float8 as all, count(*) filter (where sequence_number > ${head})::float8 as beyond,
        min(sequence_number) filter (where sequence_number > ${head})::float8 as first,
        coalesce(max(sequence_number) filter (where sequence_number <= ${head}), 0)::float8 as last
      from ${sql(events)} where tenant_id = ${uuidText(tenant)} and store_id = ${uuidText(store)}`,
  );
  const { all, beyond, first, last } = counted!;
  const message = `current_sequence is ${head}, but ${beyond} events have greater numbers, the first of them ${first}`;
  return {
    n: all === lastEvent ? lastEvent : last,
    finding: findingOf(row, [{ check: 'head', column, message }]),
  };
}

/** A table whose rows belong to streams. `position`: the column that must not be greater than the head; unset: there is none. */
interface StreamTable {
  readonly table: string;
  readonly kind: StreamKind;
  readonly position?: string;
}

const STREAM_TABLES: readonly StreamTable[] = [
  { table: 'ves_events', kind: 'ves' },
  { table: 'ves_sequencer_receipts', kind: 'ves', position: 'last_sequence' },
  { table: 'ves_log_roots', kind: 'ves', position: 'tree_size' },
  { table: 'ves_commitments', kind: 'ves', position: 'sequence_start' },
  { table: 'notary_entries', kind: 'ves', position: 'tree_size' },
  { table: 'events', kind: 'legacy' },
  { table: 'commitments', kind: 'legacy', position: 'sequence_start' },
];

/** Finds rows of streams that have no counter, and rows that refer to events behind the head. */
export async function findOutsiders(
  session: Session,
  filter: StreamFilter,
  findings: FindingList,
): Promise<void> {
  for (const each of STREAM_TABLES) {
    const { counters } = TABLES[each.kind];
    for (const { tenant, store } of await streamsWithoutCounter(session, each.table, counters, filter)) {
      const message = `there are rows of this stream, but no row in ${counters}`;
      const row = { table: each.table, stream: { tenant, store }, row: 'the stream', position: 0 };
      findings.add(findingOf(row, [{ check: 'beyond-head', column: 'tenant_id or store_id', message }]));
    }
    if (each.position !== undefined)
      await findBeyond(session, each.table, counters, each.position, filter, findings);
  }
  await findTilesOutside(session, filter, findings);
}

/** Streams of a table that have no counter. Walks from stream to stream along the primary key. */
function streamsWithoutCounter(
  session: Session,
  table: string,
  counters: string,
  filter: StreamFilter,
): Promise<StreamId[]> {
  return session.run(
    (sql) => sql<StreamId[]>`
      with recursive streams as (
        (select tenant_id, store_id from ${sql(table)} where ${filterCondition(sql, filter)}
          order by tenant_id, store_id limit 1)
        union all
        select next.tenant_id, next.store_id from streams s cross join lateral (
          select t.tenant_id, t.store_id from ${sql(table)} t
          where (t.tenant_id, t.store_id) > (s.tenant_id, s.store_id) and ${filterCondition(sql, filter, 't.')}
          order by t.tenant_id, t.store_id limit 1
        ) next
      )
      select replace(s.tenant_id::text, '-', '') as tenant, replace(s.store_id::text, '-', '') as store
      from streams s left join ${sql(counters)} c using (tenant_id, store_id)
      where c.tenant_id is null limit 1000`,
  );
}

async function findBeyond(
  session: Session,
  table: string,
  counters: string,
  position: string,
  filter: StreamFilter,
  findings: FindingList,
): Promise<void> {
  const rows = await session.run(
    (sql) => sql<(StreamId & { at: number; head: number })[]>`
      select replace(c.tenant_id::text, '-', '') as tenant, replace(c.store_id::text, '-', '') as store,
        beyond.at::float8 as at, c.current_sequence::float8 as head
      from ${sql(counters)} c cross join lateral (
        select t.${sql(position)} as at from ${sql(table)} t
        where t.tenant_id = c.tenant_id and t.store_id = c.store_id and t.${sql(position)} > c.current_sequence
        order by t.${sql(position)} limit 1
      ) beyond
      where ${filterCondition(sql, filter, 'c.')} limit 1000`,
  );
  for (const { tenant, store, at, head } of rows) {
    const message = `it refers to event ${at}; current_sequence of the stream is ${head}`;
    const row = { table, stream: { tenant, store }, row: `${position} ${at}`, position: at };
    findings.add(findingOf(row, [{ check: 'beyond-head', column: position, message }]));
  }
}

/** Tiles are few, so all of them are compared with their streams' heads; legitimate ones end at or before. */
async function findTilesOutside(
  session: Session,
  filter: StreamFilter,
  findings: FindingList,
): Promise<void> {
  const rows = await session.run(
    (sql) => sql<(StreamId & { level: number; index: number; head: number | null })[]>`
      select replace(t.tenant_id::text, '-', '') as tenant, replace(t.store_id::text, '-', '') as store,
        t.level, t.tile_index::float8 as index, c.current_sequence::float8 as head
      from ves_log_tiles t left join ves_sequence_counters c using (tenant_id, store_id)
      where ${filterCondition(sql, filter, 't.')}
        and (c.tenant_id is null or t.tile_index < 0 or t.level not between 0 and 6
          or (t.tile_index::numeric + 1) * 256::numeric ^ (t.level + 1) > c.current_sequence)
      limit 1000`,
  );
  for (const { tenant, store, level, index, head } of rows) {
    const row = {
      table: 'ves_log_tiles',
      stream: { tenant, store },
      row: `level ${level}, tile_index ${index}`,
      position: Number.MAX_SAFE_INTEGER,
    };
    const message =
      head === null
        ? 'there is no such stream in ves_sequence_counters'
        : `the tile ends behind the head, which is ${head}`;
    const column = 'tenant_id, store_id, level or tile_index';
    findings.add(findingOf(row, [{ check: 'beyond-head', column, message }]));
  }
}

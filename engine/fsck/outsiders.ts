/** Rows that refer to what is not there: streams without a counter, events behind the head. */
import { type Finding, type FindingList, findingOf, type StreamId } from './finding.js';
import type { Session } from './session.js';
import {
  filterCondition,
  type StreamFilter,
  type StreamKind,
  storesQuery,
  streamLabel,
  TABLES,
} from './streams.js';
import { allRows, orUnreadable } from './unreadable.js';

type Findings = Pick<FindingList, 'add'>;

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

/**
 * Finds rows of streams that have no counter, and rows that refer to events behind the head. Streams whose counter is known to be
 * wrong are left out.
 */
export async function findOutsiders(
  session: Session,
  filter: StreamFilter,
  wrongCounters: ReadonlySet<string>,
  outsiders: FindingList,
): Promise<void> {
  const findings = {
    add(finding: Finding): void {
      const { tenant, store } = finding.stream!;
      const kind = finding.table === 'events' || finding.table === 'commitments' ? 'legacy' : 'ves';
      if (!wrongCounters.has(streamLabel({ kind, tenant, store }))) outsiders.add(finding);
    },
  };
  for (const each of STREAM_TABLES)
    await orUnreadable(allRows(each.table), outsiders, undefined, () =>
      findIn(session, each, filter, findings),
    );
  await orUnreadable(allRows('ves_log_tiles'), outsiders, undefined, () =>
    findTilesOutside(session, filter, findings),
  );
}

async function findIn(
  session: Session,
  { table, kind, position }: StreamTable,
  filter: StreamFilter,
  findings: Findings,
): Promise<void> {
  const { counters } = TABLES[kind];
  for (const { tenant, store } of await streamsWithoutCounter(session, table, counters, filter)) {
    const message = `there are rows of this stream, but no row in ${counters}`;
    const row = { table, stream: { tenant, store }, row: 'the stream', position: 0 };
    findings.add(findingOf(row, [{ check: 'beyond-head', column: 'tenant_id or store_id', message }]));
  }
  if (position !== undefined) await findBeyond(session, table, counters, position, filter, findings);
}

/** Stores of a table that have no counter. */
function streamsWithoutCounter(
  session: Session,
  table: string,
  counters: string,
  filter: StreamFilter,
): Promise<StreamId[]> {
  return session.run(
    (sql) => sql<StreamId[]>`
      ${storesQuery(sql, table, filter)}
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
  findings: Pick<FindingList, 'add'>,
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
async function findTilesOutside(session: Session, filter: StreamFilter, findings: Findings): Promise<void> {
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

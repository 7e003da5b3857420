/**
 * What the unique indexes guarantee as long as they are sound (L1, L2): ids and numbers are not repeated. Reads the tables
 * themselves, not the indexes, and sorts; the server spills to disk what does not fit into its memory.
 */
import type { Sql } from '../store/connection.js';
import { type FindingList, findingOf } from './finding.js';
import type { Session } from './session.js';
import { filterCondition, type StreamFilter, type StreamKind, TABLES } from './streams.js';

const TOLD_MAX = 1000;

/** Runs work without indexes. */
async function withoutIndexes<T>(session: Session, work: (sql: Sql) => PromiseLike<T>): Promise<T> {
  const set = (value: 'on' | 'off') => {
    const opposite = value === 'on' ? 'off' : 'on';
    return session.run((sql) =>
      sql.unsafe(
        `set local enable_seqscan = ${opposite}; set local enable_indexscan = ${value}; set local enable_indexonlyscan = ${value}`,
      ),
    );
  };
  await set('off');
  const result = await session.run(work); // a failure starts the transaction anew, with the usual settings
  await set('on');
  return result;
}

/** Finds ids that more than one row has. */
export async function findDuplicates(
  session: Session,
  kind: StreamKind,
  column: 'event_id' | 'command_id',
  filter: StreamFilter,
  findings: FindingList,
): Promise<void> {
  const { events: table } = TABLES[kind];
  // A command is unique within its store, an event within its tenant.
  const perStore = column === 'command_id';
  const rows = await withoutIndexes(
    session,
    (sql) => sql<{ tenant: string; store: string; id: string; rows: number; first: number }[]>`
      select replace(tenant_id::text, '-', '') as tenant, replace(min(store_id::text), '-', '') as store,
        ${sql(column)}::text as id, count(*)::float8 as rows, min(sequence_number)::float8 as first
      from ${sql(table)} where ${sql(column)} is not null and ${filterCondition(sql, filter)}
      group by tenant_id, ${sql(column)} ${perStore ? sql`, store_id` : sql``}
      having count(*) > 1 limit ${TOLD_MAX}`,
  );
  for (const { tenant, store, id, rows: repeated, first } of rows) {
    const message = `${repeated} events have ${column} ${id}; ask for them without the index ${table}_${column}`;
    const row = { table, stream: { tenant, store }, row: `sequence_number ${first}`, position: first };
    findings.add(findingOf(row, [{ check: 'duplicate', column, message }]));
  }
}

/** Compares the number of rows in the table with what the counters say. */
export async function compareRowCounts(
  session: Session,
  kind: StreamKind,
  filter: StreamFilter,
  findings: FindingList,
): Promise<void> {
  const { events: table, counters } = TABLES[kind];
  const rows = await withoutIndexes(
    session,
    (sql) => sql<{ tenant: string; store: string; rows: number; head: number }[]>`
      select replace(coalesce(c.tenant_id, e.tenant_id)::text, '-', '') as tenant,
        replace(coalesce(c.store_id, e.store_id)::text, '-', '') as store,
        coalesce(e.rows, 0)::float8 as rows, coalesce(c.current_sequence, 0)::float8 as head
      from ${sql(counters)} c
      full join (select tenant_id, store_id, count(*) as rows from ${sql(table)} group by 1, 2) e
        on e.tenant_id = c.tenant_id and e.store_id = c.store_id
      where coalesce(e.rows, 0) <> coalesce(c.current_sequence, 0)
        and ${filter.tenant === undefined ? sql`true` : sql`coalesce(c.tenant_id, e.tenant_id) = ${filter.tenant}::uuid`}
        and ${filter.store === undefined ? sql`true` : sql`coalesce(c.store_id, e.store_id) = ${filter.store}::uuid`}
      limit ${TOLD_MAX}`,
  );
  for (const { tenant, store, rows: stored, head } of rows) {
    const message = `the table holds ${stored} rows of the stream, current_sequence is ${head}`;
    const row = { table, stream: { tenant, store }, row: 'the stream', position: Number.MAX_SAFE_INTEGER };
    findings.add(findingOf(row, [{ check: 'index', column: `index ${table}_pkey, or rows`, message }]));
  }
}

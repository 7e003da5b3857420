/**
 * What the index for reading an entity's history costs the writer: the same rows go into copies of the events' table with
 * different indexes, in turns, until the tables are large. See docs/adr/0020-entity-index.md.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { batch, type PackedBatch, readBatch, rowLength, rowOffset } from '../engine/sequencer/index.js';
import type { Sql } from '../engine/store/connection.js';
import { startCopy } from '../engine/store/copy-in.js';
import { COPY_HEADER, COPY_TRAILER, COPY_VES_EVENTS } from '../engine/store/copy-row.js';
import { startEmbeddedPostgres } from '../engine/store/embedded-postgres.js';
import { migrate } from '../engine/store/migrate.js';
import { createPopulation, createRandom } from '../loadtest/event-source.js';
import { openDatabase, readSettings } from './database.js';
import { familyMicros } from './proc.js';
import { packRows } from './rows.js';
import { median } from './statistics.js';
import { formatTable } from './table.js';

export interface EntityIndexOptions {
  /** A directory of the bench's own. */
  readonly dataDir: string;
  readonly rows: number;
  say(line: string): void;
}

/** One kind of index, in the first and the last quarter of its table's growth. */
export interface VariantReport {
  readonly name: string;
  readonly rows: number;
  /** CPU of all server processes per row, median over turns. */
  readonly postgres_us_per_row: { readonly first: number; readonly last: number };
  readonly rows_per_second: { readonly first: number; readonly last: number };
  readonly wal_bytes_per_row: { readonly first: number; readonly last: number };
  readonly index_bytes_per_row: number;
}

const GROUP_EVENTS = 1000;
const GROUPS_PER_TURN = 20;
const SHARED_BUFFERS = 1024 ** 3;
const STORES = 8;
const ENTITIES = 200_000;
const PAYLOAD_BYTES = 400;
const MIGRATIONS = fileURLToPath(new URL('../../migrations/postgres', import.meta.url));

const VARIANTS = [
  { name: 'none', table: 'events_none', index: undefined },
  { name: '8-byte key', table: 'events_key', index: '(entity_key, sequence_number)' },
  {
    name: 'full columns',
    table: 'events_full',
    index: '(tenant_id, store_id, entity_type, entity_id, sequence_number)',
  },
] as const;

/** What one turn of one variant took. */
interface Turn {
  readonly micros: number;
  readonly ms: number;
  readonly wal: number;
}

export async function runEntityIndex(options: EntityIndexOptions): Promise<{ report: object; text: string }> {
  const { dataDir, say } = options;
  const server = await startEmbeddedPostgres({
    dataDir: join(dataDir, 'entity-index'),
    sharedBuffers: SHARED_BUFFERS,
    log: () => {},
  });
  const sql = openDatabase(server.target);
  try {
    await migrate(sql, MIGRATIONS);
    const database = await readSettings(sql);
    for (const variant of VARIANTS) await createVariant(sql, variant.table, variant.index);
    const turns = await fillTables(sql, server.pid, options);
    const variants: VariantReport[] = [];
    for (const [i, { name, table }] of VARIANTS.entries())
      variants.push(await describeVariant(sql, name, table, turns[i]!));
    const report = {
      database,
      rows: options.rows,
      entities: ENTITIES,
      payload_bytes: PAYLOAD_BYTES,
      variants,
    };
    return { report, text: formatVariants(variants) };
  } finally {
    say('removing the tables …');
    await sql.end({ timeout: 1 });
    await server.stop();
    rmSync(join(dataDir, 'entity-index'), { recursive: true, force: true });
  }
}

/** A copy of the events' table with all its constraints and indexes, but this one on entities. */
async function createVariant(sql: Sql, table: string, index: string | undefined): Promise<void> {
  await sql.unsafe(`create table ${table} (like ves_events including all excluding indexes)`);
  await sql.unsafe(`alter table ${table} add primary key (tenant_id, store_id, sequence_number)`);
  await sql.unsafe(`create unique index on ${table} (event_id, tenant_id)`);
  await sql.unsafe(
    `create unique index on ${table} (tenant_id, store_id, command_id) where command_id is not null`,
  );
  if (index) await sql.unsafe(`create index ${table}_entity on ${table} ${index}`);
}

/** The same rows for every variant, in turns, so that slow phases of the machine meet all of them. */
async function fillTables(sql: Sql, postgresPid: number, options: EntityIndexOptions): Promise<Turn[][]> {
  const population = createPopulation('entity index', STORES, 1);
  const mix = { payloadBytes: PAYLOAD_BYTES, entities: ENTITIES, random: createRandom(11) };
  const turns: Turn[][] = VARIANTS.map(() => []);
  const turnRows = GROUPS_PER_TURN * GROUP_EVENTS;
  let sequence = 0;
  for (let rows = 0; rows < options.rows; rows += turnRows) {
    const groups = Array.from({ length: GROUPS_PER_TURN }, () => {
      const packed = readBatch(packRows(population, mix, GROUP_EVENTS));
      return copyData(packed, () => ++sequence);
    });
    // Another one begins each time: what the first leaves to the background processes is shared out.
    const first = (rows / turnRows) % VARIANTS.length;
    for (let v = 0; v < VARIANTS.length; v++) {
      const i = (first + v) % VARIANTS.length;
      turns[i]!.push(await oneTurn(sql, postgresPid, VARIANTS[i]!.table, groups));
    }
    if ((rows / turnRows) % 10 === 0)
      options.say(`entity-index: ${(rows + turnRows).toLocaleString('en-US')} rows per table`);
  }
  return turns;
}

function copyData(packed: PackedBatch, nextSequence: () => number): Buffer {
  for (let event = 0; event < packed.eventCount; event++) batch.patchRow(packed, event, nextSequence(), 0);
  const last = packed.eventCount - 1;
  const rows = packed.bytes.subarray(rowOffset(packed, 0), rowOffset(packed, last) + rowLength(packed, last));
  return Buffer.concat([COPY_HEADER, rows, COPY_TRAILER]);
}

async function oneTurn(
  sql: Sql,
  postgresPid: number,
  table: string,
  groups: readonly Buffer[],
): Promise<Turn> {
  const walBefore = await walPosition(sql);
  const micros = familyMicros(postgresPid);
  const startedAt = performance.now();
  const connection = await sql.reserve();
  for (const group of groups)
    await startCopy(connection.unsafe(COPY_VES_EVENTS.replace('ves_events', table))).send([group]);
  connection.release();
  const ms = performance.now() - startedAt;
  return { micros: familyMicros(postgresPid) - micros, ms, wal: (await walPosition(sql)) - walBefore };
}

async function walPosition(sql: Sql): Promise<number> {
  const [row] = await sql<{ bytes: number }[]>`
    select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8 as bytes`;
  return row!.bytes;
}

async function describeVariant(
  sql: Sql,
  name: string,
  table: string,
  turns: readonly Turn[],
): Promise<VariantReport> {
  const rows = turns.length * GROUPS_PER_TURN * GROUP_EVENTS;
  const quarter = Math.max(1, turns.length >>> 2);
  const [size] = await sql<{ bytes: number | null }[]>`
    select pg_relation_size(to_regclass(${`${table}_entity`}))::float8 as bytes`;
  const figures = (some: readonly Turn[]) => {
    const perTurn = GROUPS_PER_TURN * GROUP_EVENTS;
    return {
      micros: Number(median(some.map((turn) => turn.micros / perTurn)).toFixed(1)),
      rate: Math.round(median(some.map((turn) => (perTurn * 1000) / turn.ms))),
      wal: Math.round(median(some.map((turn) => turn.wal / perTurn))),
    };
  };
  const first = figures(turns.slice(0, quarter));
  const last = figures(turns.slice(-quarter));
  return {
    name,
    rows,
    postgres_us_per_row: { first: first.micros, last: last.micros },
    rows_per_second: { first: first.rate, last: last.rate },
    wal_bytes_per_row: { first: first.wal, last: last.wal },
    index_bytes_per_row: Number(((size?.bytes ?? 0) / rows).toFixed(1)),
  };
}

const formatVariants = (variants: readonly VariantReport[]): string =>
  formatTable(
    [
      'entity index',
      'µs/row, first quarter',
      'last',
      'rows/s, first',
      'last',
      'WAL B/row, first',
      'last',
      'index B/row',
    ],
    variants.map((variant) => [
      variant.name,
      variant.postgres_us_per_row.first,
      variant.postgres_us_per_row.last,
      variant.rows_per_second.first,
      variant.rows_per_second.last,
      variant.wal_bytes_per_row.first,
      variant.wal_bytes_per_row.last,
      variant.index_bytes_per_row,
    ]),
  );

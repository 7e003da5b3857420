import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Finding } from '../../engine/fsck/index.js';
import { buildFsckDatabase, type FsckDatabase, LEGACY_EVENTS, MAIN, MAIN_EVENTS } from './database.js';
import { check, withChange } from './support.js';

let database: FsckDatabase;
beforeAll(async () => {
  database = await buildFsckDatabase();
  // Constraints would only keep the test from writing some of the wrong values.
  const constraints = await database.sql<{ name: string; owner: string }[]>`
    select conname as name, conrelid::regclass::text as owner from pg_constraint
    where contype = 'c' and connamespace = 'public'::regnamespace`;
  for (const { name, owner } of constraints)
    await database.sql.unsafe(`alter table ${owner} drop constraint ${name}`);
});
afterAll(() => database.drop());

const main = `tenant_id = '${MAIN.tenantId}' and store_id = '${MAIN.storeId}'`;

/** A row and how it is called in findings. */
interface Target {
  readonly table: string;
  /** Columns that are changed; unset: all. */
  readonly only?: readonly string[];
  readonly where: string;
  readonly row: string;
  /** Columns nobody can tell anything about, with the reason. */
  readonly free?: Readonly<Record<string, string>>;
}

/** What the versions of the signature treat differently. */
const VERSIONED = ['command_id', 'base_version', 'ves_version', 'row_check'];
const EDGE = ['tenant_id', 'store_id', 'sequence_number', 'sequenced_at', 'hashes', 'row_check'];

const event = (sequence: number, only?: readonly string[]): Target => ({
  table: 'ves_events',
  ...(only ? { only } : {}),
  where: `${main} and sequence_number = ${sequence}`,
  row: `sequence_number ${sequence}`,
});
const legacyEvent = (sequence: number): Target => ({
  table: 'events',
  where: `${main} and sequence_number = ${sequence}`,
  row: `sequence_number ${sequence}`,
  free: { sequenced_at: 'nothing else says when a legacy event was sequenced' },
});
const group = (last: number): Target => ({
  table: 'ves_sequencer_receipts',
  where: `${main} and last_sequence = ${last}`,
  row: `last_sequence ${last}`,
});

const UPDATED_AT = { updated_at: 'when a counter was last written means nothing' };
const TARGETS: Record<string, Target> = {
  'a version 2 event': event(2),
  'a version 1 event': event(4),
  'an encrypted event': event(11),
  'a version 1 event with a command': event(12, VERSIONED),
  'a version 2 event with a command': event(13, VERSIONED),
  'a version 1 event with a base version': event(14, VERSIONED),
  'a version 2 event with a base version': event(15, VERSIONED),
  'the last event': event(MAIN_EVENTS, EDGE),
  'the first group': group(10),
  'the last group': group(MAIN_EVENTS),
  'the counter of a VES stream': {
    table: 'ves_sequence_counters',
    where: main,
    row: 'the stream',
    free: UPDATED_AT,
  },
  'a tile': {
    table: 'ves_log_tiles',
    where: `${main} and level = 0 and tile_index = 0`,
    row: 'level 0, tile_index 0',
  },
  'a recorded root': {
    table: 'ves_log_roots',
    where: `${main} and tree_size = 100`,
    row: 'tree_size 100',
  },
  'the first VES commitment': {
    table: 'ves_commitments',
    where: `${main} and sequence_start = 1`,
    row: 'sequence_start 1',
  },
  'the last VES commitment': {
    table: 'ves_commitments',
    where: `${main} and sequence_start = 7`,
    row: 'sequence_start 7',
  },
  'a legacy event with a command and a signature': legacyEvent(1),
  'a legacy event without': legacyEvent(2),
  'the last legacy event': legacyEvent(LEGACY_EVENTS),
  'the counter of a legacy stream': {
    table: 'sequence_counters',
    where: main,
    row: 'the stream',
    free: UPDATED_AT,
  },
  'the first legacy commitment': {
    table: 'commitments',
    where: `${main} and sequence_start = 2`,
    row: 'sequence_start 2',
  },
  'the last legacy commitment': {
    table: 'commitments',
    where: `${main} and sequence_start = 5`,
    row: 'sequence_start 5',
  },
  'the heads of counted entities': {
    table: 'commitment_entity_heads',
    where: main,
    row: 'the store',
  },
  'a count of an entity': {
    table: 'commitment_entity_versions',
    where: `${main} and entity_id = 'versioned-1'`,
    row: 'entity_type "order", entity_id "versioned-1"',
  },
  'a checkpoint of an entity version': {
    table: 'entity_versions',
    where: `${main} and entity_id = 'versioned-2'`,
    row: 'entity_type "order", entity_id "versioned-2"',
    free: { legacy_sequence: 'the entity has no legacy events, so the checkpoint stays true' },
  },
  'an entry of the notary': {
    table: 'notary_entries',
    where: `${main}`,
    row: 'leaf_index',
  },
  'a root of the notary': { table: 'notary_roots', where: 'true', row: 'tree_size 5' },
  'a checkpoint of the notary': { table: 'notary_checkpoints', where: 'true', row: 'origin' },
  'a cosignature': { table: 'notary_cosignatures', where: 'true', row: 'origin' },
  'the end of the notary log': {
    table: 'notary_log',
    where: 'true',
    row: 'the row',
    free: { only_row: 'it is there for its constraint' },
  },
  'the first audit record': { table: 'audit_log', where: 'sequence = 1', row: 'sequence 1' },
  'the last audit record': { table: 'audit_log', where: 'sequence = 3', row: 'sequence 3' },
  'the end of the audit log': {
    table: 'audit_log_head',
    where: 'true',
    row: 'the row',
    free: { only_row: 'it is there for its constraint' },
  },
  'a key of the sequencer': {
    table: 'sequencer_keys',
    where: 'key_version = 0',
    row: 'key_version 0',
    free: { valid_from: 'the clock of another process', valid_to: 'the clock of another process' },
  },
  'a key of an agent': {
    table: 'agent_signing_keys',
    where: `tenant_id = '${MAIN.tenantId}'`,
    row: 'tenant',
    free: { created_at: 'nothing follows from it' },
  },
};

interface Column {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
  readonly key: boolean;
}

async function columnsOf(table: string): Promise<Column[]> {
  const rows = await database.sql<Column[]>`
    select a.attname as name, format_type(a.atttypid, null) as type, not a.attnotnull as nullable,
      exists (select from pg_index i where i.indrelid = a.attrelid and i.indisprimary and a.attnum = any(i.indkey)) as key
    from pg_attribute a where a.attrelid = ${table}::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum`;
  return [...rows];
}

/** Places of a byte string that mean different things: in `hashes`, signing hash, both halves of the signature, plain and cipher hash. */
const BYTE_PLACES = [0, 31, 40, 80, 100, 130];

/** Values that differ in one bit from a value given as text, as SQL. */
function flips({ name, type }: Column, value: string): string[] {
  switch (type) {
    case 'uuid':
      return [`'${value.slice(0, -1)}${(Number.parseInt(value.at(-1)!, 16) ^ 1).toString(16)}'`];
    case 'boolean':
      return [`not ${name}`];
    case 'smallint':
      return [1, 1024].map((bit) => String(Number(value) ^ bit));
    case 'integer':
      return [1, 65_536].map((bit) => String(Number(value) ^ bit));
    case 'bigint':
      return [1n, 1n << 40n].map((bit) => String(BigInt.asIntN(64, BigInt(value) ^ bit)));
    case 'timestamp with time zone':
      return [`${name} + interval '1 microsecond'`, `${name} + interval '4.294967296 seconds'`];
    case 'text': {
      const places = [0, value.length >> 1, value.length - 1].filter((at) => /[\w.]/.test(value[at]!));
      return [...new Set(places)].map((at) => {
        const changed = String.fromCharCode(value.charCodeAt(at) ^ 1);
        return quote(value.slice(0, at) + changed + value.slice(at + 1));
      });
    }
    case 'bytea': {
      const bytes = Buffer.from(value.slice(2), 'hex');
      const places = [...BYTE_PLACES.filter((at) => at < bytes.length), bytes.length - 1];
      return [...new Set(places)].map((at) => {
        const changed = Buffer.from(bytes);
        changed[at]! ^= 1;
        return `'\\x${changed.toString('hex')}'`;
      });
    }
    default:
      throw new Error(`no flips for ${type}`);
  }
}

const quote = (text: string) => `'${text.replaceAll("'", "''")}'`;

/** By column or type. */
const IN_PLACE_OF_NULL: Readonly<Record<string, string>> = {
  valid_from: `'2999-01-01T00:00:00Z'`,
  uuid: `'00000000-0000-4000-8000-00000000abcd'`,
  bytea: `'\\x${'01'.repeat(32)}'`,
  'timestamp with time zone': `'2026-01-01T00:00:00Z'`,
};

async function changesOf(target: Target): Promise<{ column: Column; value: string }[]> {
  const changes: { column: Column; value: string }[] = [];
  for (const column of await columnsOf(target.table)) {
    if (target.free && column.name in target.free) continue;
    if (target.only && !target.only.includes(column.name)) continue;
    const [row] = await database.sql.unsafe<{ value: string | null }[]>(
      `select ${column.name}::text as value from ${target.table} where ${target.where} limit 1`,
    );
    if (row!.value === null)
      changes.push({ column, value: IN_PLACE_OF_NULL[column.name] ?? IN_PLACE_OF_NULL[column.type] ?? '0' });
    else for (const value of flips(column, row!.value)) changes.push({ column, value });
    if (row!.value !== null && column.nullable) changes.push({ column, value: 'null' });
  }
  return changes;
}

/** Tables whose columns only a signature may tell of. */
const SIGNED = new Set(['ves_events', 'agent_signing_keys']);

const UNIQUE_VIOLATION = '23505';

/** Whether a finding names the changed row and column. A row whose key was changed is not where it was. */
function names(finding: Finding, target: Target, { name, key }: Column): boolean {
  if (finding.column.includes(target.table)) return true; // a key, told by the events it does not fit
  if (finding.table !== target.table) return false;
  if (key) return true;
  const told =
    finding.column.includes(name) || finding.check === 'row-check' || finding.also.includes('row-check');
  return told && finding.row.startsWith(target.row);
}

describe.each(Object.entries(TARGETS))('%s', (_, target) => {
  test('cannot be changed in any column without being named', async () => {
    const unnoticed: string[] = [];
    const changes = await changesOf(target);
    expect(changes.length).toBeGreaterThan(1);
    for (const { column, value } of changes) {
      const report = await withChange(
        database.sql,
        target.table,
        target.where,
        `${column.name} = ${value}`,
        () => check(database.target, { signatures: SIGNED.has(target.table) }),
      ).catch((error) => {
        if (error.code !== UNIQUE_VIOLATION) throw error;
      });
      if (report === undefined) continue; // no index would let it stand
      if (report.findings.some((finding) => names(finding, target, column))) continue;
      const told = report.findings.map(
        ({ table, row, column, check }) => `${table} ${row} ${column} ${check}`,
      );
      unnoticed.push(`${column.name} = ${value.slice(0, 40)}: ${told.join(' | ') || 'nothing'}`);
    }
    expect(unnoticed).toEqual([]);
  }, 120_000);
});

test('and everything is as it was afterwards', async () => {
  expect((await check(database.target, { deep: true })).findings).toEqual([]);
});

import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { buildFsckDatabase, type FsckDatabase, LEGACY_EVENTS, MAIN, MAIN_EVENTS } from '../fsck/database.js';
import { check } from '../fsck/support.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { admin } from './support.js';

const stream = ['--tenant-id', MAIN.tenantId, '--store-id', MAIN.storeId];
const directory = mkdtempSync(join(tmpdir(), 'admin-'));
const file = (name: string) => join(directory, name);

let source: FsckDatabase;
const targets: TestDatabase[] = [];
beforeAll(async () => {
  source = await buildFsckDatabase();
});
afterAll(async () => {
  await source.drop();
  for (const each of targets) await each.drop();
});

async function emptyDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase({ migrated: true });
  targets.push(database);
  return database;
}

async function query<Result>(database: TestDatabase, work: (sql: Sql) => Promise<Result>): Promise<Result> {
  const sql = connectDatabase(database.target, { max: 1, applicationName: 'admin-test' });
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}

const exportTo = async (name: string, ...more: string[]) => {
  const run = await admin(['export-events', ...stream, '--output', file(name), ...more], {
    database: source.target,
  });
  expect(run.err).toBe('');
  expect(run.out).toMatch(/^ok: /);
  return readFileSync(file(name), 'utf8');
};

/** Rows that must be the same in both databases: all columns of a table. */
const rowsOf = (sql: Sql, table: string) =>
  sql.unsafe(
    `select * from ${table} where tenant_id = '${MAIN.tenantId}' and store_id = '${MAIN.storeId}' order by 1, 2, 3, 4`,
  );

test('an exported store imported into an empty database has the same rows: numbers, times, receipts, roots', async () => {
  const legacy = await exportTo('legacy.ndjson', '--stream', 'legacy');
  const ves = await exportTo('ves.ndjson');
  expect(ves.split('\n').filter((line) => line.startsWith('{"ves_version"'))).toHaveLength(MAIN_EVENTS);
  expect(ves).toContain('"payload_encrypted"');
  expect(legacy.split('\n').filter((line) => line.startsWith('{"envelope"'))).toHaveLength(LEGACY_EVENTS);
  expect(statSync(file('ves.ndjson')).mode & 0o077).toBe(0);

  const target = await emptyDatabase();
  const into = (name: string) =>
    admin(['import-events', '--input', file(name), '--json'], { database: target.target });
  // Versions of entities count the events of both streams: 16 VES events come before the first legacy ones.
  const first = splitBehindGroup(ves, 16);
  writeFileSync(file('ves-1.ndjson'), first.before);
  writeFileSync(file('ves-2.ndjson'), first.after);
  const early = legacy.split('\n').slice(0, 13);
  const late = legacy.trimEnd().split('\n').slice(13);
  writeFileSync(file('legacy-1.ndjson'), withRange(early, 1, 12));
  writeFileSync(file('legacy-2.ndjson'), withRange([early[0]!, ...late], 13, LEGACY_EVENTS));
  for (const name of ['ves-1.ndjson', 'legacy-1.ndjson', 'ves-2.ndjson', 'legacy-2.ndjson']) {
    const { code, err, json } = await into(name);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(json).toMatchObject({ ok: true });
  }
  for (const table of ['ves_events', 'events', 'ves_sequencer_receipts', 'entity_versions']) {
    const there = await query(target, (sql) => rowsOf(sql, table));
    expect([...there], table).toEqual([...(await rowsOf(source.sql, table))]);
  }
  const heads = (sql: Sql) => sql`
    select current_sequence, frontier from ves_sequence_counters where tenant_id = ${MAIN.tenantId} and store_id = ${MAIN.storeId}`;
  expect([...(await query(target, heads))]).toEqual([...(await heads(source.sql))]);
  expect((await check(target.target, { signatures: true, deep: true })).findings).toEqual([]);

  const again = await admin(['export-events', ...stream], { database: target.target });
  expect(again.out).toBe(ves);
  const repeated = await into('ves.ndjson');
  expect(repeated).toMatchObject({ code: 2, json: { ok: false, error: { code: 'SEQUENCE_GAP' } } });
}, 120_000);

const withRange = (lines: readonly string[], from: number, to: number) =>
  `${[JSON.stringify({ ...JSON.parse(lines[0]!), from, to }), ...lines.slice(1)].join('\n')}\n`;

/** The export up to an event that ends a group, and the rest. */
function splitBehindGroup(text: string, last: number) {
  const lines = text.trimEnd().split('\n');
  const cut =
    lines.findIndex((line) => line.includes(`"record":"group"`) && JSON.parse(line).last_sequence === last) +
    1;
  const keys = lines.filter((line) => /"record":"(agent|sequencer)_key"/.test(line));
  expect(cut).toBeGreaterThan(0);
  const header = JSON.parse(lines[0]!);
  return {
    before: withRange(lines.slice(0, cut), 1, last),
    after: withRange([lines[0]!, ...keys, ...lines.slice(cut)], last + 1, header.to),
  };
}

test('an export that was changed is refused, and nothing of the changed group is stored', async () => {
  const text = await exportTo('small.ndjson', '--to', '10');
  const forgeries: [string, string, string][] = [
    ['another payload', '"payload":{"n":3}', '"payload":{"n":4}'],
    ['another root', /"root_hash":"[0-9a-f]{2}/.exec(text)![0], '"root_hash":"00'],
    [
      'another time in the group',
      '"record":"group","first_sequence":1',
      '"record":"group","first_sequence":2',
    ],
  ];
  for (const [name, from, to] of forgeries) {
    const target = await emptyDatabase();
    expect(text, name).toContain(from);
    writeFileSync(file('forged.ndjson'), text.replace(from, to));
    const { code, json } = await admin(['import-events', '--input', file('forged.ndjson'), '--json'], {
      database: target.target,
    });
    expect(code, name).toBe(2);
    expect(json, name).toMatchObject({ ok: false });
    expect(await query(target, (sql) => rowsOf(sql, 'ves_events')), name).toHaveLength(0);
  }
}, 60_000);

test('a database whose sequencer has another key refuses an import', async () => {
  const target = await emptyDatabase();
  await query(
    target,
    (sql) => sql`insert into sequencer_keys (key_version, public_key) values (0, ${Buffer.alloc(32, 1)})`,
  );
  await exportTo('keys.ndjson', '--to', '10');
  const { code, json } = await admin(['import-events', '--input', file('keys.ndjson'), '--json'], {
    database: target.target,
  });
  expect({ code, error: json.error.code }).toEqual({ code: 2, error: 'ALREADY_EXISTS' });
});

test('an export as JSON is one object', async () => {
  const object = JSON.parse(await exportTo('whole.json', '--format', 'json', '--from', '11', '--to', '13'));
  expect(object.events.map((each: { sequence_number: number }) => each.sequence_number)).toEqual([
    11, 12, 13,
  ]);
  expect(object.records[0]).toMatchObject({ record: 'export', from: 11, to: 13, head: MAIN_EVENTS });
});

test('commitments are made, chained and verified; a wrong state root is found and replaced', async () => {
  const database = source.target;
  expect((await admin(['verify-chain'], { database })).code).toBe(0);
  const commit = await admin(['ves-commit', ...stream, '--max-events', '20', '--json'], { database });
  expect(commit.json).toMatchObject({
    ok: true,
    committed: true,
    sequence_start: 251,
    sequence_end: 270,
    leaf_count: 20,
  });
  const both = await admin(['ves-commit-and-anchor', ...stream, '--json'], { database });
  expect(both).toMatchObject({
    code: 0,
    json: { sequence_end: MAIN_EVENTS, anchored: false, anchoring: 'not configured' },
  });
  expect((await admin(['ves-commit', ...stream], { database })).out).toContain('nothing to commit');

  const { sql } = source;
  await sql`alter table ves_commitments disable trigger ves_commitments_immutable`;
  await sql`update ves_commitments set new_state_root = prev_state_root where sequence_start = 251`;
  await sql`alter table ves_commitments enable trigger ves_commitments_immutable`;
  const broken = await admin(['verify-chain', '--json'], { database });
  expect(broken).toMatchObject({ code: 1, json: { ok: false } });
  expect(broken.json.commitments.wrong[0]).toMatchObject({ sequence_start: 251 });
  expect((await admin(['backfill-ves-state-roots'], { database })).code).toBe(1);
  const dry = await admin(['backfill-ves-state-roots', '--dry-run', '--json'], { database });
  expect(dry).toMatchObject({ code: 0, json: { replaced: 0 } });
  expect((await admin(['backfill-ves-state-roots', '--force'], { database })).err).toContain('--yes');
  const done = await admin(['backfill-ves-state-roots', '--force', '--yes', '--json'], { database });
  expect(done).toMatchObject({ code: 0, json: { ok: true } });
  expect(done.json.replaced).toBeGreaterThan(0);
  expect((await admin(['verify-chain'], { database })).code).toBe(0);
  expect((await check(database, {})).findings).toEqual([]);
  await expect(sql`delete from ves_commitments`).rejects.toThrow('refused');
}, 60_000);

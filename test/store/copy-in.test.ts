import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { startCopy } from '../../engine/store/copy-in.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

/** Everything here must have settled after this time; a hanging COPY is the bug this file guards against. */
const BOUND_MS = 5_000;

let database: TestDatabase;
let admin: Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  admin = connectDatabase(database.target, { max: 2, applicationName: 'copy-test-admin' });
  await admin`create table numbers (n int primary key, note text)`;
  await admin`create table slow (n int)`;
  await admin`create function sleep_long() returns trigger language plpgsql as
    'begin perform pg_sleep(60); return new; end'`;
  await admin`create trigger slow_insert before insert on slow for each row execute function sleep_long()`;
});
afterAll(async () => {
  await admin.end({ timeout: 1 });
  await database.drop();
});

/** What became of a promise within the bound. */
async function outcomeOf(promise: Promise<unknown>): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('hangs'), BOUND_MS);
  });
  const settled = promise.then(
    () => 'done',
    (error: { code?: string }) => error.code ?? 'error without a code',
  );
  return Promise.race([settled, bound]).finally(() => clearTimeout(timer));
}

/** A reserved connection for one test. */
async function withSession(work: (sql: Sql, pid: number) => Promise<void>): Promise<void> {
  const pool = connectDatabase(database.target, { max: 1, applicationName: 'copy-test' });
  const sql = (await pool.reserve()) as unknown as Sql;
  const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
  try {
    await work(sql, row!.pid);
  } finally {
    await pool.end({ timeout: 0 });
  }
}

const isUsable = async (sql: Sql) => {
  const [row] = await sql`select 1 as one`;
  return row?.one === 1;
};

const rows = (from: number, to: number, note = 'note') =>
  Buffer.from(Array.from({ length: to - from }, (_, i) => `${from + i}\t${note}\n`).join(''));
const large = rows(100, 40_000, 'x'.repeat(200));

describe('a COPY', () => {
  test('stores its rows and leaves the connection usable', async () => {
    await withSession(async (sql) => {
      await admin`truncate numbers`;
      const copy = startCopy(sql.unsafe('copy numbers from stdin'));
      expect(await outcomeOf(copy.send([rows(0, 10), rows(10, 25)]))).toBe('done');
      expect(await outcomeOf(startCopy(sql.unsafe('copy numbers from stdin')).send([]))).toBe('done');
      expect((await sql`select count(*)::int as n from numbers`)[0]?.n).toBe(25);
    });
  });

  const REFUSALS: [string, string, readonly Buffer[], string][] = [
    ['a unique violation', 'copy numbers from stdin', [rows(5, 6), rows(5, 6)], '23505'],
    [
      'a unique violation before megabytes',
      'copy numbers from stdin',
      [rows(5, 7), rows(5, 6), large, large],
      '23505',
    ],
    ['a unique violation behind megabytes', 'copy numbers from stdin', [large, rows(100, 101)], '23505'],
    ['a value that does not fit its type', 'copy numbers from stdin', [Buffer.from('many\tnote\n')], '22P02'],
    [
      'bytes that are not UTF-8',
      'copy numbers from stdin',
      [Buffer.from([0x31, 0x09, 0xff, 0xfe, 0x0a])],
      '22021',
    ],
    ['a row with too few columns', 'copy numbers from stdin', [Buffer.from('1\n')], '22P04'],
    ['a row with too many columns', 'copy numbers from stdin', [Buffer.from('1\ta\tb\n')], '22P04'],
    [
      'a wrong header',
      'copy numbers from stdin with (format binary)',
      [Buffer.from('not binary at all')],
      '22P04',
    ],
    ['no data at all', 'copy numbers from stdin with (format binary)', [], '22P04'],
    ['a table that does not exist', 'copy nothing from stdin', [rows(0, 1)], '42P01'],
  ];
  test.each(REFUSALS)(
    'refused for %s says so and leaves the connection usable',
    async (_, statement, chunks, code) => {
      await withSession(async (sql) => {
        await admin`truncate numbers`;
        for (let attempt = 0; attempt < 2; attempt++) {
          await sql.unsafe('begin');
          expect(await outcomeOf(startCopy(sql.unsafe(statement)).send(chunks))).toBe(code);
          await sql.unsafe('rollback');
          expect(await isUsable(sql)).toBe(true);
        }
        expect(await outcomeOf(startCopy(sql.unsafe('copy numbers from stdin')).send([rows(0, 3)]))).toBe(
          'done',
        );
      });
    },
  );

  test('in a failed transaction says so', async () => {
    await withSession(async (sql) => {
      await sql.unsafe('begin');
      await sql.unsafe('select 1/0').catch(() => {});
      expect(await outcomeOf(startCopy(sql.unsafe('copy numbers from stdin')).send([rows(0, 1)]))).toBe(
        '25P02',
      );
      await sql.unsafe('rollback');
      expect(await isUsable(sql)).toBe(true);
    });
  });

  test.each([
    ['a few rows', [rows(0, 3)]],
    ['megabytes', [large, large, large]],
  ])('of %s whose server process is ended midway is rejected', async (_, chunks) => {
    await withSession(async (sql, pid) => {
      const sending = outcomeOf(
        startCopy(sql.unsafe('copy slow (n) from stdin')).send(chunks.map(firstColumn)),
      );
      await untilAsleep(pid);
      await admin`select pg_terminate_backend(${pid})`;
      expect(['57P01', 'CONNECTION_CLOSED', 'ECONNRESET', 'EPIPE']).toContain(await sending);
    });
  });

  test('whose connection is thrown away midway is rejected', async () => {
    const pool = connectDatabase(database.target, { max: 1, applicationName: 'copy-test' });
    const sql = (await pool.reserve()) as unknown as Sql;
    const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
    const sending = outcomeOf(startCopy(sql.unsafe('copy slow (n) from stdin')).send([Buffer.from('1\n')]));
    await untilAsleep(row!.pid);
    await pool.end({ timeout: 0 });
    expect(await sending).toBe('CONNECTION_DESTROYED');
    await admin`select pg_terminate_backend(${row!.pid})`;
  });

  test('that runs into the statement timeout says so', async () => {
    await withSession(async (sql) => {
      await sql.unsafe('set statement_timeout = 200');
      const sending = startCopy(sql.unsafe('copy slow (n) from stdin')).send([Buffer.from('1\n')]);
      expect(await outcomeOf(sending)).toBe('57014');
      expect(await isUsable(sql)).toBe(true);
    });
  });
});

const firstColumn = (chunk: Buffer) => Buffer.from(chunk.toString().replace(/\t.*\n/g, '\n'));

async function untilAsleep(pid: number): Promise<void> {
  for (let i = 0; i < 100; i++) {
    const [row] = await admin`select wait_event from pg_stat_activity where pid = ${pid}`;
    if (row?.wait_event === 'PgSleep') return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('the COPY did not begin');
}

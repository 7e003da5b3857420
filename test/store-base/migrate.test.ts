import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { migrate, pendingMigrations } from '../../engine/store/migrate.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

describe('migrations', () => {
  let database: TestDatabase;
  let sql: Sql;
  let directory: string;

  const file = (name: string, text: string) => writeFile(join(directory, name), text);
  const tables = async () =>
    (await sql`select tablename from pg_tables where schemaname = 'public' order by 1`).map(
      (row) => row.tablename,
    );

  beforeEach(async () => {
    database = await createTestDatabase();
    sql = connectDatabase(database.target, {
      max: 3,
      applicationName: 'migrate-test',
      lockTimeoutMs: 200,
      statementTimeoutMs: 400,
    });
    directory = await mkdtemp(join(tmpdir(), 'sseq-migrations-'));
    await file('001_first.sql', 'create table one (id int);\ncreate table two (id int);\n');
    await file('002_second.sql', 'insert into one values (1); alter table two add name text;');
  });
  afterEach(async () => {
    await sql.end();
    await database.drop();
    await rm(directory, { recursive: true });
  });

  test('are applied in order, once', async () => {
    expect(await pendingMigrations(sql, directory)).toEqual(['001_first', '002_second']);
    expect(await tables()).toEqual([]);
    expect(await migrate(sql, directory)).toEqual({ applied: ['001_first', '002_second'] });
    expect(await tables()).toEqual(['one', 'schema_migrations', 'two']);
    expect(await migrate(sql, directory)).toEqual({ applied: [] });
    expect(await pendingMigrations(sql, directory)).toEqual([]);
    expect(await sql`select version, name from schema_migrations order by version`).toEqual([
      { version: 1, name: '001_first' },
      { version: 2, name: '002_second' },
    ]);
  });

  test('leave the session as they found it', async () => {
    const one = connectDatabase(database.target, { max: 1, applicationName: 'one', lockTimeoutMs: 200 });
    await migrate(one, directory);
    expect(await one`select current_setting('lock_timeout') as t`).toEqual([{ t: '200ms' }]);
    expect(
      (await one`select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()`)[0]
        ?.count,
    ).toBe(0n);
    await one.end();
  });

  test('of processes that start at once are applied by one of them', async () => {
    await file('003_slow.sql', 'select pg_sleep(1); create table slow (id int);');
    const starts = Array.from({ length: 6 }, () =>
      connectDatabase(database.target, {
        max: 1,
        applicationName: 'start',
        lockTimeoutMs: 200,
        statementTimeoutMs: 400,
      }),
    );
    const results = await Promise.all(starts.map((each) => migrate(each, directory)));
    expect(results.map((each) => each.applied.length).sort()).toEqual([0, 0, 0, 0, 0, 3]);
    await Promise.all(starts.map((each) => each.end()));
  });

  test('that fail leave nothing of themselves and keep those before', async () => {
    await file('003_broken.sql', 'create table three (id int);\n\nselect * from nowhere;\n');
    const failure = await migrate(sql, directory).catch((error) => error);
    expect(failure).toMatchObject({ code: 'MIGRATION_FAILED' });
    expect(failure.message).toContain('003_broken.sql failed at line 3: relation "nowhere" does not exist');
    expect(await tables()).toEqual(['one', 'schema_migrations', 'two']);
    await file('003_broken.sql', 'create table three (id int);');
    expect(await migrate(sql, directory)).toEqual({ applied: ['003_broken'] });
  });

  test('are refused when an applied file has changed or was renamed', async () => {
    await migrate(sql, directory);
    await file('001_first.sql', 'create table one (id bigint);');
    await expect(migrate(sql, directory)).rejects.toThrow(/001_first was applied .* other content now/);
    await file('001_first.sql', 'create table one (id int);\r\ncreate table two (id int);\r\n');
    expect(await migrate(sql, directory)).toEqual({ applied: [] });
    await rename(join(directory, '001_first.sql'), join(directory, '001_begin.sql'));
    await expect(pendingMigrations(sql, directory)).rejects.toThrow(/001_first was applied/);
  });

  test('are refused when the database is newer than the code', async () => {
    await migrate(sql, directory);
    await rm(join(directory, '002_second.sql'));
    await expect(migrate(sql, directory)).rejects.toThrow(/database is newer .* 002_second/);
  });

  test('must be numbered without holes and named properly', async () => {
    await file('004_fourth.sql', 'select 1');
    await expect(migrate(sql, directory)).rejects.toThrow(/004_fourth.sql should have number 3/);
    await rm(join(directory, '004_fourth.sql'));
    await file('003-third.sql', 'select 1');
    await expect(migrate(sql, directory)).rejects.toThrow(/003-third.sql must be named/);
  });
});

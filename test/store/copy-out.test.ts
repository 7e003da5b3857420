import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { copyOut } from '../../engine/store/copy-out.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await createTestDatabase();
  sql = connectDatabase(database.target, { max: 1, applicationName: 'copy-out-test' });
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database.drop();
});

/** The text that a COPY gives. */
async function read(query: string): Promise<string> {
  const pieces: Buffer[] = [];
  await copyOut(sql.unsafe(`copy (${query}) to stdout`), (piece) => pieces.push(Buffer.from(piece)));
  return Buffer.concat(pieces).toString();
}

describe('COPY out of the database', () => {
  test.each([0, 1, 15, 16, 17, 63, 64, 65, 1000, 20_000])(
    'gives %i kilobytes, and the connection goes on',
    async (kilobytes) => {
      const text = await read(`select repeat('x', 1023) from generate_series(1, ${kilobytes})`);
      expect(text.length).toBe(kilobytes * 1024);
      expect((await sql`select 1 as one`)[0]).toEqual({ one: 1 });
    },
  );

  test.each([1, 2, 100, 5000])('hands over all rows before the one that fails (%i)', async (row) => {
    const rows: string[] = [];
    const query = sql.unsafe(`copy (select 1 / (n - ${row}), n from generate_series(1, 10000) n) to stdout`);
    await expect(copyOut(query, (piece) => rows.push(piece.toString()))).rejects.toMatchObject({
      code: '22012',
    });
    expect(rows.length).toBe(row - 1);
    expect((await sql`select 1 as one`)[0]).toEqual({ one: 1 });
  });

  test('fails with the statement', async () => {
    await expect(read('select nothing')).rejects.toMatchObject({ code: '42703' });
    expect(await read('select 7')).toBe('7\n');
  });

  test('fails with its reader, whom it tells no more, and the connection goes on', async () => {
    let pieces = 0;
    const query = sql.unsafe('copy (select n from generate_series(1, 100000) n) to stdout');
    const failing = copyOut(query, () => {
      pieces++;
      throw new Error('enough');
    });
    await expect(failing).rejects.toThrow('enough');
    expect(pieces).toBe(1);
    expect(await read('select 8')).toBe('8\n');
  });

  test('fails with the session', async () => {
    const other = connectDatabase(database.target, { max: 1, applicationName: 'copy-out-doomed' });
    const query = other.unsafe('copy (select pg_sleep(0.0001) from generate_series(1, 1000000)) to stdout');
    const failing = copyOut(query, () => {});
    await expect
      .poll(
        () =>
          sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'copy-out-doomed' and state = 'active'`,
      )
      .toHaveLength(1);
    await expect(failing).rejects.toThrow();
    await other.end({ timeout: 1 });
  });
});

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import { openChangeFeed } from '../../engine/store/change-feed.js';
import { connectDatabase } from '../../engine/store/connection.js';
import { createTestDatabase } from '../support/database.js';

const until = async (condition: () => boolean, ms: number) => {
  const deadline = Date.now() + ms;
  while (!condition() && Date.now() < deadline) await sleep(20);
  return condition();
};

test('a feed knows when it hears, and finds its way back after the database was away', async () => {
  const database = await createTestDatabase();
  const sql = connectDatabase(database.target, { max: 2, applicationName: 'feed-test' });
  const administrator = connectDatabase(inject('postgresServer'), {
    max: 1,
    applicationName: 'administrator',
  });
  const heard: string[] = [];
  let gaps = 0;
  const feed = openChangeFeed(sql, 'things', {
    onChange: (payload) => void heard.push(payload),
    onGap: () => void gaps++,
    onError: () => {},
  });
  expect(feed.alive()).toBe(false);
  expect(await until(feed.alive, 3000)).toBe(true);
  expect(gaps).toBe(1);
  await sql`select pg_notify('things', 'one')`;
  expect(await until(() => heard.length === 1, 1000)).toBe(true);

  const [{ name } = { name: '' }] = await sql<{ name: string }[]>`select current_database() as name`;
  await administrator.unsafe(`alter database ${name} allow_connections false`);
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%' and datname = current_database()`;
  expect(await until(() => !feed.alive(), 2000)).toBe(true);
  await sleep(1500);
  expect(feed.alive()).toBe(false);

  await administrator.unsafe(`alter database ${name} allow_connections true`);
  expect(await until(feed.alive, 20_000)).toBe(true);
  expect(gaps).toBeGreaterThan(1);
  await sql`select pg_notify('things', 'two')`;
  expect(await until(() => heard.includes('two'), 1000)).toBe(true);

  await feed.close();
  await administrator.end();
  await sql.end({ timeout: 1 });
  await database.drop();
}, 40_000);

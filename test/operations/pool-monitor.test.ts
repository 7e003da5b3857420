import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { createPoolMonitor, poolStateOf } from '../../engine/store/pool-monitor.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let pool: Sql;
beforeAll(async () => {
  database = await createTestDatabase();
  pool = connectDatabase(database.target, { max: 2, applicationName: 'pool-monitor-test' });
});
afterAll(async () => {
  await pool.end({ timeout: 1 });
  await database.drop();
});

function monitored(listeners: Parameters<typeof createPoolMonitor>[2] = {}) {
  let nowMs = 0;
  const monitor = createPoolMonitor(
    pool,
    { connectionsMax: 2, acquireTimeoutMs: 300 },
    listeners,
    () => nowMs,
  );
  return {
    ...monitor,
    wait: (ms: number) => {
      nowMs += ms;
    },
  };
}
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('the monitor of a pool', () => {
  test('answers as the pool does: statements, parts of statements, arrays, transactions, errors', async () => {
    const { sql, status } = monitored();
    const part = sql`where n > ${1}`;
    const rows = await sql`select n from generate_series(1, 3) n ${part}`;
    expect(rows.map(({ n }) => n)).toEqual([2, 3]);
    expect(await sql`select 2 = any(${[1, 2]}::int[]) as found`).toEqual([{ found: true }]);
    expect(await sql.unsafe('select 1 as one')).toEqual([{ one: 1 }]);
    expect(await sql.begin(async (tx) => (await tx`select 5::int8 as five`)[0]!.five)).toBe(5n);
    await expect(sql`select nonsense`).rejects.toThrow(/nonsense/);
    await expect(sql.begin(() => Promise.reject(new Error('given up')))).rejects.toThrow('given up');
    expect(status()).toMatchObject({ active: 0, waiting: 0, idle: 2 });
  });

  test('counts what holds a connection and what waits for one', async () => {
    const waits: number[] = [];
    const { sql, status, wait } = monitored({ onAcquired: (ms) => waits.push(ms) });
    const work = [1, 2, 3, 4].map(() => sql`select pg_sleep(0.1)`.execute());
    expect(status()).toMatchObject({ active: 2, waiting: 2, idle: 0 });
    wait(150);
    await Promise.all(work);
    expect(status()).toMatchObject({ active: 0, waiting: 0, slowAcquisitions: 2, timedOutAcquisitions: 0 });
    expect(waits).toEqual([0, 0, 150, 150]);
    expect(status().acquisitionMsMean).toBe(75);
  });

  test('a statement that is never sent is never counted', async () => {
    const { sql, status } = monitored();
    void sql`select 1`;
    await pause(5);
    expect(status().active).toBe(0);
  });

  test('counts what gave up waiting', async () => {
    const { sql, status } = monitored();
    const work = Promise.all([sql`select pg_sleep(0.8)`, sql`select pg_sleep(0.8)`]);
    await expect(sql`select 1`).rejects.toMatchObject({ code: 'OVERLOADED' });
    expect(status()).toMatchObject({ active: 2, waiting: 0, timedOutAcquisitions: 1 });
    await work;
    expect(status()).toMatchObject({ active: 0, timedOutAcquisitions: 1 });
  });

  test('tells its state by the mean of the time between two samples, and refuses only while nothing is free', async () => {
    const { sql, status, sample, isExhausted, wait } = monitored();
    const work = Promise.all([sql`select pg_sleep(0.2)`, sql`select pg_sleep(0.2)`]);
    await pause(20);
    expect(isExhausted()).toBe(false); // busy, but not for long
    wait(15_000);
    sample();
    expect(status()).toMatchObject({ state: 'critical', utilization: 1 });
    expect(isExhausted()).toBe(true);
    await work;
    expect(isExhausted()).toBe(false);
    wait(15_000);
    sample();
    expect(status()).toMatchObject({ state: 'healthy', utilization: 0 });
  });
});

test('the four states', () => {
  expect([0.49, 0.5, 0.8, 0.95].map(poolStateOf)).toEqual(['healthy', 'moderate', 'stressed', 'critical']);
});

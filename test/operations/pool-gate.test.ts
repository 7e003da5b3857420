import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectDatabase, type SessionLimits, type Sql } from '../../engine/store/connection.js';
import { copyOut } from '../../engine/store/copy-out.js';
import { gatePool } from '../../engine/store/pool-gate.js';
import { call, registerAgent } from '../support/agents.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startTestService } from '../support/service.js';

let database: TestDatabase;
/** Another session, which sees the others. */
let observer: Sql;
const pools: Sql[] = [];
const open = (max: number, applicationName: string, limits: SessionLimits = {}): Sql => {
  const pool = connectDatabase(database.target, { max, applicationName, ...limits });
  pools.push(pool);
  return pool;
};
beforeAll(async () => {
  database = await createTestDatabase();
  observer = open(1, 'observer');
  await observer`create table marks (name text primary key)`;
});
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.end({ timeout: 1 })));
  await database.drop();
});

const gated = (acquireTimeoutMs: number) => {
  const gate = gatePool(open(2, 'gated'), { connectionsMax: 2, acquireTimeoutMs });
  /** Takes all connections until called. */
  const occupy = async (): Promise<() => Promise<unknown>> => {
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const begun: Promise<void>[] = [];
    const held = [1, 2].map(
      () =>
        new Promise((resolve) => {
          begun.push(
            new Promise((inside) => {
              resolve(
                gate.sql.begin(async (tx) => {
                  await tx`select 1`;
                  inside();
                  await released;
                }),
              );
            }),
          );
        }),
    );
    await Promise.all(begun);
    return () => {
      release();
      return Promise.all(held);
    };
  };
  return { gate, sql: gate.sql, occupy };
};
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const marks = async () =>
  (await observer<{ name: string }[]>`select name from marks`).map(({ name }) => name);

describe('waiting for a connection', () => {
  test('ends with an error one may retry, and what has waited in vain is never done', async () => {
    const { gate, sql, occupy } = gated(150);
    const release = await occupy();
    const waiting = [
      sql`insert into marks values ('statement')`.execute(),
      sql.begin((tx) => tx`insert into marks values ('transaction')`),
      sql.unsafe(`insert into marks values ('text')`).execute(),
    ];
    expect(gate).toMatchObject({ active: 2, waiting: 3 });
    for (const each of await Promise.allSettled(waiting))
      expect(each).toMatchObject({
        status: 'rejected',
        reason: { code: 'OVERLOADED', message: expect.stringContaining('150 ms') },
      });
    expect(gate).toMatchObject({ active: 2, waiting: 0 });
    await release();
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
    expect(await marks()).toEqual([]);
    expect(gate).toMatchObject({ active: 0, waiting: 0 });
  });

  test('ends when one is free, first come, first served', async () => {
    const { sql } = gatePool(open(1, 'queue'), { connectionsMax: 1, acquireTimeoutMs: 5000 });
    const order: number[] = [];
    await Promise.all([1, 2, 3, 4].map((n) => sql`select ${n}::int as n`.then(() => order.push(n))));
    expect(order).toEqual([1, 2, 3, 4]);
  });

  test('lasts as long as it takes without a limit', async () => {
    const { sql, occupy } = gated(0);
    const release = await occupy();
    const waiting = sql`select 2 as two`.execute();
    await pause(200);
    await release();
    expect(await waiting).toEqual([{ two: 2 }]);
  });

  test('is for a bounded number only', async () => {
    const { gate, sql, occupy } = gated(0);
    const release = await occupy();
    const waiting = Array.from({ length: 10_000 }, () => sql`select 1`.execute());
    await expect(sql`select 2`).rejects.toMatchObject({ code: 'OVERLOADED' });
    expect(gate.waiting).toBe(10_000);
    await release();
    await Promise.all(waiting);
  });

  test('is not needed after a statement or a transaction that failed', async () => {
    const { gate, sql } = gated(1000);
    for (let i = 0; i < 5; i++) {
      await expect(sql`select nonsense`).rejects.toThrow(/nonsense/);
      await expect(sql.begin(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    }
    expect(gate).toMatchObject({ active: 0, waiting: 0 });
  });

  test('is not needed after COPY, and a connection is held until all of it has come', async () => {
    const { gate, sql } = gated(1000);
    for (let i = 0; i < 5; i++) {
      let bytes = 0;
      await copyOut(sql.unsafe('copy (select generate_series(1, 1000)) to stdout'), (piece) => {
        if (bytes === 0) expect(gate.active).toBe(1);
        bytes += piece.length;
      });
      expect(bytes).toBe(3893); // digits and ends of lines
      await expect(copyOut(sql.unsafe('copy (select 1 / 0) to stdout'), () => {})).rejects.toThrow(/zero/);
    }
    await sql`select 1`;
    expect(gate).toMatchObject({ active: 0, waiting: 0 });
  });

  test('is over for a statement that was cancelled meanwhile, which takes no connection with it', async () => {
    const { gate, sql, occupy } = gated(5000);
    const release = await occupy();
    const waiting = sql`select 3 as three`.execute();
    waiting.cancel();
    await expect(waiting).rejects.toMatchObject({ code: '57014' });
    await release();
    expect(await Promise.all([1, 2, 3].map(() => sql`select 1 as one`))).toHaveLength(3);
    expect(gate).toMatchObject({ active: 0, waiting: 0 });
  });
});

describe('connections', () => {
  const sessions = async (name: string) =>
    (await observer`select pid from pg_stat_activity where application_name = ${name}`).map(({ pid }) => pid);
  const until = async (condition: () => Promise<boolean>) => {
    for (let i = 0; i < 100 && !(await condition()); i++) await pause(50);
    expect(await condition()).toBe(true);
  };

  test('that nobody uses are closed, and opened again when they are needed', async () => {
    const sql = open(2, 'idle', { idleTimeoutSecs: 1 });
    await Promise.all([sql`select pg_sleep(0.1)`, sql`select pg_sleep(0.1)`]);
    expect(await sessions('idle')).toHaveLength(2);
    await until(async () => (await sessions('idle')).length === 0);
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
  });

  test('are replaced when they are old, between two statements', async () => {
    const sql = open(1, 'old', { lifetimeMaxSecs: 1 });
    const pidOf = async () => (await sql`select pg_backend_pid() as pid, pg_sleep(0.1)`)[0]!.pid;
    const first = await pidOf();
    await until(async () => (await pidOf()) !== first);
    expect(await sessions('old')).toHaveLength(1);
  });

  test('stay without these limits', async () => {
    const sql = open(1, 'lasting', { idleTimeoutSecs: 0, lifetimeMaxSecs: 0 });
    const [row] = await sql`select pg_backend_pid() as pid`;
    await pause(1500);
    expect(await sessions('lasting')).toEqual([row!.pid]);
  });

  test('in an open transaction that does nothing are ended by the server', async () => {
    const sql = open(1, 'asleep', { idleInTransactionTimeoutMs: 100 });
    const asleep = sql.begin(async (tx) => {
      await tx`select 1`;
      await pause(400);
      await tx`select 2`;
    });
    await expect(asleep).rejects.toThrow();
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
  });
});

test('a service without a free connection answers 503 in time, and serves again afterwards', async () => {
  const service = await startTestService({
    env: {
      MAX_DB_CONNECTIONS: '2',
      DB_ACQUIRE_TIMEOUT_MS: '300',
      DB_APPLICATION_NAME: 'ours',
      GRPC_ENABLED: 'false',
    },
  });
  const { tenantId, storeId } = await registerAgent(service);
  const read = () => call(service, 'GET', `/api/v1/ves/events?tenant_id=${tenantId}&store_id=${storeId}`);
  expect((await read()).status).toBe(200);
  const other = connectDatabase(service.database as TestDatabase['target'], {
    max: 2,
    applicationName: 'other',
  });
  const answers: Awaited<ReturnType<typeof read>>[] = [];
  const blocked: ReturnType<typeof read>[] = [];
  await other.begin(async (tx) => {
    await tx`lock table ves_events in access exclusive mode`;
    blocked.push(read(), read());
    for (;;) {
      const [row] = await other`
        select count(*)::int as n from pg_stat_activity where application_name = 'ours' and wait_event_type = 'Lock'`;
      if (row!.n === 2) break;
      await pause(20);
    }
    answers.push(await read());
  });
  await other.end({ timeout: 1 });
  expect(answers[0]).toMatchObject({ status: 503 });
  expect(answers[0]!.headers.get('x-error-code')).toBe('OVERLOADED');
  expect(answers[0]!.headers.get('retry-after')).toBe('1');
  expect((await Promise.all(blocked)).map(({ status }) => status)).toEqual([200, 200]);
  expect((await read()).status).toBe(200);
  // The reader's, and perhaps one of the service's own.
  const metrics = (await call(service, 'GET', '/metrics')).text;
  expect(metrics).toMatch(/^sequencer_pool_timed_out_acquisitions [1-9]\d*$/m);
  expect(await service.stop()).toBe(0);
});

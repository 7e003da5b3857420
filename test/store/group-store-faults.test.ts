/** What the group transaction makes of a database that stops, ends sessions or keeps it waiting, at every stage. */

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { outcome as code, collectNeeds, wholeSlice } from '../../engine/sequencer/index.js';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import postgres from '../../engine/store/driver/index.js';
import { storeFailure } from '../../engine/store/store-failure.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { expectConsistent } from './recompute.js';
import {
  backendOf,
  commit,
  failureOf,
  freshPartition,
  makeStore,
  openAndPlan,
  outcomesOf,
  pause,
  stream,
  submissionOf,
  until,
  uuid,
} from './support.js';

/** Long enough for a busy machine, short enough to wait for. */
const DEADLINE_MS = 1_000;

let database: TestDatabase;
let sql: Sql;
const stores: ReturnType<typeof makeStore>[] = [];
const open = (partition = freshPartition(), options: Parameters<typeof makeStore>[2] = {}) => {
  const store = makeStore(database.target, partition, options);
  stores.push(store);
  return store;
};

beforeAll(async () => {
  database = await createTestDatabase({ migrated: true });
  sql = connectDatabase(database.target, { max: 6, applicationName: 'group-store-faults-test' });
});
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close().catch(() => {})));
  await expectConsistent(sql);
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database.drop();
});

/** Holds a lock that lets a transaction run up to its COPY or up to its receipts, until told otherwise. */
async function holdTable(table: 'ves_events' | 'ves_sequencer_receipts') {
  const session = (await sql.reserve()) as unknown as Sql & { release(): void };
  await session.unsafe(`begin; lock table ${table} in share row exclusive mode`);
  return async () => {
    await session.unsafe('rollback');
    session.release();
  };
}

const waitsForLock = (pid: number) => async () => {
  const [row] = await sql`select wait_event_type from pg_stat_activity where pid = ${pid}`;
  return row?.wait_event_type === 'Lock';
};
const isGone = (pid: number) => async () =>
  (await sql`select 1 from pg_stat_activity where pid = ${pid}`).length === 0;

/** Lets a stopped process go on, if it is still there. */
function resume(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // ended already
  }
}

/** Tries again as the partition does: a connection may be found broken, or a lock still held. */
async function patiently<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = 4; left > 0; left--) {
    const result = await attempt().catch(() => undefined);
    if (result !== undefined) return result;
  }
  return attempt();
}

const stored = async (s: { store: string }) =>
  Number((await sql`select count(*) as n from ves_events where store_id = ${uuid(s.store)}`)[0]!.n);

describe('a server process that is ended', () => {
  test('between two groups does not disturb the next', async () => {
    const partition = freshPartition();
    const store = open(partition);
    const s = stream('ended between');
    await commit(store, [s.event(1)]);
    const pid = await backendOf(sql, partition);
    await sql`select pg_terminate_backend(${pid})`;
    await until('the process is gone', isGone(pid));
    const begin = Date.now();
    // The news of the closed socket may come a moment later than the new group.
    const [again] = await patiently(() => commit(store, [s.event(2)]));
    expect(outcomesOf(again!)).toEqual([[code.ACCEPTED, 2]]);
    expect(Date.now() - begin).toBeLessThan(2_000);
  });

  test('after the look-ups has stored nothing', async () => {
    const partition = freshPartition();
    const store = open(partition);
    const s = stream('ended open');
    const submission = submissionOf([s.event(1)]);
    const plan = await openAndPlan(store, [submission]);
    await sql`select pg_terminate_backend(${await backendOf(sql, partition)})`;
    expect(await failureOf(store.write(plan.write!))).toBe('unavailable');
    const [again] = await commit(store, [s.event(1)]);
    expect(outcomesOf(again!)).toEqual([[code.ACCEPTED, 1]]);
  });

  test('during the COPY has stored nothing', async () => {
    const partition = freshPartition();
    const store = open(partition);
    const s = stream('ended copy');
    const submission = submissionOf([s.event(1)]);
    const plan = await openAndPlan(store, [submission]);
    const release = await holdTable('ves_events');
    const writing = failureOf(store.write(plan.write!));
    const pid = await backendOf(sql, partition);
    await until('the COPY waits', waitsForLock(pid));
    await sql`select pg_terminate_backend(${pid})`;
    expect(await writing).toBe('unavailable');
    await release();
    expect(await stored(s)).toBe(0);
  });

  test('around COMMIT leaves the outcome open', async () => {
    const partition = freshPartition();
    const store = open(partition);
    const s = stream('ended commit');
    const submission = submissionOf([s.event(1)]);
    const plan = await openAndPlan(store, [submission]);
    const release = await holdTable('ves_sequencer_receipts');
    const writing = failureOf(store.write(plan.write!));
    const pid = await backendOf(sql, partition);
    await until('the commit waits', waitsForLock(pid));
    await sql`select pg_terminate_backend(${pid})`;
    expect(await writing).toBe('lost');
    plan.markTentative();
    await release();
    const again = await openAndPlan(store, [submission]);
    await store.write(again.write!);
    again.settle();
    expect(outcomesOf(submission)).toEqual([[code.ACCEPTED, 1]]);
  });

  test('while a group is released is noticed by the next', async () => {
    const partition = freshPartition();
    const store = open(partition);
    const s = stream('ended release');
    await openAndPlan(store, [submissionOf([s.event(1)])]);
    await sql`select pg_terminate_backend(${await backendOf(sql, partition)})`;
    await store.release().catch(() => store.reset());
    const [again] = await patiently(() => commit(store, [s.event(1)]));
    expect(outcomesOf(again!)).toEqual([[code.ACCEPTED, 1]]);
  });
});

describe('a commit that takes too long', () => {
  test('is lost; applied late, it is found by the next group, which waits for it', async () => {
    const partition = freshPartition();
    const store = open(partition, { commitTimeoutMs: DEADLINE_MS, lockTimeoutMs: 10_000 });
    const s = stream('late commit');
    await commit(store, [s.event('first')]); // from now on all statements are prepared and travel together
    const submission = submissionOf([s.event(1), s.event(2)]);
    const plan = await openAndPlan(store, [submission]);
    // The server must not give up by itself before the client does.
    const pid = await backendOf(sql, partition);
    const release = await holdTable('ves_sequencer_receipts');
    const writing = failureOf(store.write(plan.write!));
    await until('the commit waits', waitsForLock(pid));
    process.kill(pid, 'SIGSTOP');
    try {
      expect(await writing).toBe('lost');
      plan.markTentative();
      const other = open(partition, { owner: 'other', leaseMs: 1_000 });
      let opened = false;
      const waiting = openAndPlan(other, [submission]).then((again) => {
        opened = true;
        return again;
      });
      await pause(150);
      expect(opened).toBe(false);
      await release();
      resume(pid);
      const again = await waiting;
      // Either the late COMMIT happened or the server's own statement timeout ended it: both ways one answer comes out.
      if (again.write) await other.write(again.write);
      else await other.release();
      again.settle();
      expect(outcomesOf(submission)).toEqual([2, 3].map((n) => [code.ACCEPTED, n]));
      expect(await stored(s)).toBe(3);
    } finally {
      resume(pid);
    }
  });

  test('applied while nobody listened is found as accepted', async () => {
    const partition = freshPartition();
    const store = open(partition, { commitTimeoutMs: 2_000, lockTimeoutMs: 60_000 });
    const s = stream('late but applied');
    await commit(store, [s.event('first')]); // from now on all statements are prepared and travel together
    const submission = submissionOf([s.event(1)]);
    const plan = await openAndPlan(store, [submission]);
    const pid = await backendOf(sql, partition);
    const release = await holdTable('ves_sequencer_receipts');
    const writing = failureOf(store.write(plan.write!));
    await until('the commit waits', waitsForLock(pid));
    await store.reset(); // as after a deadline; the statements and the COMMIT are on the wire
    expect(await writing).toBe('lost');
    plan.markTentative();
    await release();
    const again = await openAndPlan(store, [submission]);
    expect(again.write).toBeUndefined();
    await store.release();
    again.settle();
    expect(outcomesOf(submission)).toEqual([[code.ACCEPTED, 2]]);
  });

  test('before its COPY is answered has stored nothing', async () => {
    const partition = freshPartition();
    const store = open(partition, { commitTimeoutMs: DEADLINE_MS, lockTimeoutMs: 10_000 });
    const s = stream('stopped copy');
    const submission = submissionOf([s.event(1)]);
    const plan = await openAndPlan(store, [submission]);
    const pid = await backendOf(sql, partition);
    process.kill(pid, 'SIGSTOP');
    try {
      expect(await failureOf(store.write(plan.write!))).toBe('unavailable');
      // The stopped process still holds the streams: the next attempt waits and fails within its own deadline.
      const begin = Date.now();
      expect(await failureOf(store.open(collectNeeds([wholeSlice(submission)])))).toBe('unavailable');
      expect(Date.now() - begin).toBeLessThan(DEADLINE_MS * 3);
    } finally {
      resume(pid);
    }
    await until('the process is gone', isGone(pid));
    const [again] = await patiently(() => commit(store, [s.event(1)]));
    expect(outcomesOf(again!)).toEqual([[code.ACCEPTED, 1]]);
  });
});

test('attempts that are given up leave no connection behind', async () => {
  const partition = freshPartition();
  const s = stream('no leak');
  const [holder, store] = [
    open(partition),
    open(partition, { owner: 'other', commitTimeoutMs: DEADLINE_MS / 2, lockTimeoutMs: 10_000 }),
  ];
  const plan = await openAndPlan(holder, [submissionOf([s.event(0)])]);
  const submission = submissionOf([s.event(1)]);
  for (let i = 0; i < 3; i++)
    expect(await failureOf(store.open(collectNeeds([wholeSlice(submission)])))).toBe('unavailable');
  await holder.write(plan.write!);
  const [after] = await patiently(() => commit(store, [s.event(1)]));
  expect(outcomesOf(after!)).toEqual([[code.ACCEPTED, 2]]);
  const connections = async () =>
    (
      await sql`select 1 from pg_stat_activity where datname = current_database()
      and application_name = ${`stateset-sequencer partition ${partition.partition}`}`
    ).length;
  await until('only the two connections in use remain', async () => (await connections()) === 2);
});

test('attempts of a fenced owner that are given up do not come back later', async () => {
  const partition = freshPartition();
  const s = stream('late lease');
  const store = open(partition, { leaseMs: 50, commitTimeoutMs: DEADLINE_MS, lockTimeoutMs: 10_000 });
  const submission = submissionOf([s.event(1)]);
  const needs = collectNeeds([wholeSlice(submission)]);
  await commit(store, [s.event(0)]);
  await pause(80);
  const other = open(partition, { owner: 'other' });
  await commit(other, [s.event('other')]);
  expect(await store.open(needs)).toEqual({ fenced: true });
  // The row of the partition is held, so the fenced owner's new lease comes too late.
  const holding = await openAndPlan(other, [submissionOf([s.event('held')])]);
  expect(await failureOf(store.open(needs))).toBe('unavailable');
  await other.write(holding.write!);
  await pause(100);
  const [again] = await patiently(() => commit(store, [s.event(1)]));
  expect(outcomesOf(again!)).toEqual([[code.ACCEPTED, 4]]);
});

test('an unreachable server is unavailable', async () => {
  const store = makeStore(
    { socketDir: '/nonexistent', port: 1, user: 'nobody', database: 'none' },
    freshPartition(),
  );
  const submission = submissionOf([stream('unreachable').event(1)]);
  expect(await failureOf(store.open(collectNeeds([wholeSlice(submission)])))).toBe('unavailable');
  await store.close();
});

describe('an error', () => {
  const answer = (error: object) =>
    Object.assign(Object.create(postgres.PostgresError.prototype), { message: '', ...error });
  test.each([
    ['a unique violation', answer({ code: '23505', severity: 'ERROR' }), 'refused', 'refused'],
    ['a data exception', answer({ code: '22P04', severity: 'ERROR' }), 'refused', 'refused'],
    ['a deadlock', answer({ code: '40P01', severity: 'ERROR' }), 'unavailable', 'unavailable'],
    ['a lock timeout', answer({ code: '55P03', severity: 'ERROR' }), 'unavailable', 'unavailable'],
    ['a shutdown', answer({ code: '57P01', severity: 'FATAL' }), 'unavailable', 'lost'],
    ['a crash of another process', answer({ code: '57P02', severity: 'WARNING' }), 'unavailable', 'lost'],
    ['a panic over the log', answer({ code: '58030', severity: 'PANIC' }), 'unavailable', 'lost'],
    ['a closed connection', new Error('CONNECTION_CLOSED'), 'unavailable', 'lost'],
  ])('%s is classified by whether COMMIT was sent', (_, error, before, after) => {
    expect([storeFailure(error, false).outcome, storeFailure(error, true).outcome]).toEqual([before, after]);
  });
});

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCursorService, createLagStats } from '../../engine/consumers/index.js';
import { appendEvents, newGroup, newStream, openGroups, type TestGroups } from './support.js';

let t: TestGroups;
beforeAll(async () => {
  t = await openGroups();
});
afterAll(() => t.close());

const streamOf = async (events: number) => {
  const stream = newStream();
  await appendEvents(
    t.sql,
    stream,
    Array.from({ length: events }, () => 'a'),
  );
  return stream;
};

test('a cursor begins at 0, moves forward only, and tells the lag', async () => {
  const cursors = createCursorService(t);
  const stream = await streamOf(10);
  const agent = randomUUID();
  expect(await cursors.read(stream, agent)).toEqual({
    acknowledgedSequence: 0n,
    headSequence: 10n,
    lag: 10n,
    updatedAt: null,
  });
  const moved = await cursors.acknowledge(stream, agent, 7n);
  expect(moved).toMatchObject({ acknowledgedSequence: 7n, headSequence: 10n, lag: 3n });
  expect(moved.updatedAt).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/);
  for (const lower of [3n, 0n, 7n]) expect(await cursors.acknowledge(stream, agent, lower)).toEqual(moved);
  expect(await cursors.read(stream, agent)).toEqual(moved);
  expect(await cursors.acknowledge(stream, agent, 10n)).toMatchObject({ lag: 0n });
});

test('a cursor beyond the head is refused, and no neighbour with it', async () => {
  const cursors = createCursorService(t);
  const stream = await streamOf(5);
  const agent = randomUUID();
  const results = await Promise.allSettled([
    cursors.acknowledge(stream, agent, 4n),
    cursors.acknowledge(stream, agent, 6n),
    cursors.acknowledge(stream, randomUUID(), 5n),
    cursors.acknowledge(newStream(), agent, 1n),
  ]);
  expect(results.map((each) => each.status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected']);
  for (const each of results)
    if (each.status === 'rejected')
      expect(each.reason).toMatchObject({
        code: 'INVALID_FIELD_VALUE',
        message: 'sequenceNumber cannot exceed the stream head',
      });
  expect((await cursors.read(stream, agent)).acknowledgedSequence).toBe(4n);
});

test('cursors are of one tenant, store and agent', async () => {
  const cursors = createCursorService(t);
  const stream = await streamOf(5);
  const agent = randomUUID();
  await cursors.acknowledge(stream, agent, 5n);
  for (const [other, who] of [
    [stream, randomUUID()],
    [{ ...stream, storeId: randomUUID() }, agent],
    [{ ...stream, tenantId: randomUUID() }, agent],
  ] as const)
    expect((await cursors.read(other, who)).acknowledgedSequence).toBe(0n);
});

test('under concurrency from two processes every answer is at least what was asked, and none goes back', async () => {
  const other = t.otherProcess();
  const services = [createCursorService(t), createCursorService(other)];
  const stream = await streamOf(500);
  const agents = Array.from({ length: 20 }, () => randomUUID());
  const seen = new Map<string, bigint[]>();
  await Promise.all(
    Array.from({ length: 2000 }, async (_, i) => {
      const service = services[i % 2]!;
      const agent = agents[(i * 7) % agents.length]!;
      const sequence = BigInt(((i * 13) % 500) + 1);
      const state = await service.acknowledge(stream, agent, sequence);
      expect(state.acknowledgedSequence).toBeGreaterThanOrEqual(sequence);
      const key = `${i % 2}/${agent}`;
      seen.set(key, [...(seen.get(key) ?? []), state.acknowledgedSequence]);
    }),
  );
  for (const values of seen.values()) expect(values).toEqual([...values].sort((a, b) => Number(a - b)));
  await other.end();
});

test('many acknowledgements at once are few statements', async () => {
  const stream = await streamOf(1000);
  const before = await rowsWritten();
  const cursors = createCursorService(t);
  const agent = randomUUID();
  const states = await Promise.all(
    Array.from({ length: 900 }, (_, i) => cursors.acknowledge(stream, agent, BigInt(i + 1))),
  );
  expect(states.at(-1)!.acknowledgedSequence).toBe(900n);
  expect((await rowsWritten()) - before).toBeLessThanOrEqual(3);
});

async function rowsWritten(): Promise<number> {
  await t.sql`select pg_stat_force_next_flush()`;
  const [row] = await t.sql<{ n: bigint }[]>`
    select n_tup_ins + n_tup_upd as n from pg_stat_user_tables where relname = 'agent_sync_state'`;
  return Number(row!.n);
}

test('a failure of the store reaches every waiting caller, and the next call works again', async () => {
  const other = t.otherProcess();
  const cursors = createCursorService(other);
  await other.end();
  const stream = await streamOf(1);
  const results = await Promise.allSettled(
    [1, 2, 3].map(() => cursors.acknowledge(stream, randomUUID(), 1n)),
  );
  expect(results.map((each) => each.status)).toEqual(['rejected', 'rejected', 'rejected']);
  expect((await createCursorService(t).acknowledge(stream, randomUUID(), 1n)).lag).toBe(0n);
});

test('lag is measured over all cursors and groups, in a fixed number of values', async () => {
  const cursors = createCursorService(t);
  const stream = await streamOf(50);
  await cursors.acknowledge(stream, randomUUID(), 1n);
  await cursors.acknowledge(stream, randomUUID(), 50n);
  const g = await newGroup(t, { events: Array.from({ length: 60 }, (_, i) => `e${i}`) });
  const got = await g.pull('c1', 10);
  await g.nack('c1', got.slice(0, 1), { park: true });
  const stats = createLagStats({ sql: t.sql, behindBy: 40, everyMs: 1_000_000 });
  expect(stats.collectStats()).toEqual([]);
  const values = Object.fromEntries((await stats.measure()).map(({ name, value }) => [name, value]));
  expect(values.cursors_behind).toBeGreaterThanOrEqual(1);
  expect(values.cursor_lag_max).toBeGreaterThanOrEqual(49);
  expect(values).toMatchObject({
    consumer_groups: 1,
    consumer_groups_behind: 1,
    consumer_group_lag_max: 59,
    consumer_group_in_flight: 9,
    consumer_group_parked: 1,
  });
  expect(stats.collectStats()).toHaveLength(8);
});

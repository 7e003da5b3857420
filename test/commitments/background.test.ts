import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { createBackgroundCommitter, createCommitmentService } from '../../engine/commitments/index.js';
import { sha256Into } from '../../workers/native-crypto.js';
import { appendLegacy, appendVes, freshStream, type Stream, startCommitments } from './support.js';

let c: Awaited<ReturnType<typeof startCommitments>>;
const opened: (typeof c)[] = [];
beforeEach(async () => {
  c = await startCommitments();
  opened.push(c);
});
afterAll(async () => {
  for (const each of opened) await each.stop();
});

const HOUR = 3_600_000;
const committer = (options: { eventsMax?: number; intervalMs?: number; now?: () => number } = {}) =>
  createBackgroundCommitter({
    sql: c.sql,
    commitments: c.service,
    eventsMax: 10,
    intervalMs: HOUR,
    now: Date.now,
    ...options,
  });
const ranges = async (stream: Stream, kind: 'ves' | 'legacy' = 'ves') => {
  const page = { after: 0n, limit: 1000, anchored: true };
  const list = await (kind === 'ves' ? c.service.listVes(stream, page) : c.service.listLegacy(stream, page));
  return list.map((each) => [Number(each.sequenceStart), Number(each.sequenceEnd)]);
};
const NOTHING = { commitments: 0, events: 0, more: false, failures: [] };

describe('a tick', () => {
  test('commits full ranges, and leaves young events that do not fill one', async () => {
    const [few, full, backlog] = [freshStream(), freshStream(), freshStream()];
    await appendVes(c.sql, few, 9);
    await appendVes(c.sql, full, 10);
    await appendVes(c.sql, backlog, 35);
    expect(await committer().tick()).toEqual({ commitments: 4, events: 40, more: false, failures: [] });
    expect(await ranges(few)).toEqual([]);
    expect(await ranges(full)).toEqual([[1, 10]]);
    expect(await ranges(backlog)).toEqual([
      [1, 10],
      [11, 20],
      [21, 30],
    ]);
    expect(await committer().tick()).toEqual(NOTHING);
    await appendVes(c.sql, backlog, 5);
    expect((await committer().tick()).commitments).toBe(1);
    expect((await ranges(backlog)).at(-1)).toEqual([31, 40]);
  });

  test('commits what has waited long enough, up to the head', async () => {
    const stream = freshStream();
    await appendVes(c.sql, stream, 3, { sequencedAt: `now() - interval '30 minutes'` });
    await appendVes(c.sql, stream, 2);
    let now = Date.now();
    const background = committer({ intervalMs: HOUR, now: () => now });
    expect(await background.tick()).toEqual(NOTHING);
    now += HOUR / 2 - 60_000;
    expect(await background.tick()).toEqual(NOTHING);
    now += 120_000;
    expect(await background.tick()).toEqual({ commitments: 1, events: 5, more: false, failures: [] });
    expect(await ranges(stream)).toEqual([[1, 5]]);
    now += 10 * HOUR;
    expect(await background.tick()).toEqual(NOTHING);
  });

  test('commits both kinds of streams', async () => {
    const stream = freshStream();
    await appendVes(c.sql, stream, 12);
    await appendLegacy(c.sql, stream, 25);
    expect(await committer().tick()).toMatchObject({ commitments: 3, failures: [] });
    expect(await ranges(stream)).toEqual([[1, 10]]);
    expect(await ranges(stream, 'legacy')).toEqual([
      [1, 10],
      [11, 20],
    ]);
  });

  test('goes on behind what a client has committed, wherever that began', async () => {
    const stream = freshStream();
    await appendVes(c.sql, stream, 30);
    await c.service.commitVes(stream, 7n, 9n);
    await committer().tick();
    expect(await ranges(stream)).toEqual([
      [7, 9],
      [10, 19],
      [20, 29],
    ]);
  });

  test('does nothing when it is switched off', async () => {
    const stream = freshStream();
    await appendVes(c.sql, stream, 30);
    expect(await committer({ eventsMax: 0, intervalMs: 0 }).tick()).toEqual(NOTHING);
    expect(await ranges(stream)).toEqual([]);
  });

  test('of a large backlog stops and says that there is more', async () => {
    const stream = freshStream();
    await appendVes(c.sql, stream, 205);
    const background = committer();
    expect(await background.tick()).toMatchObject({ commitments: 8, more: true });
    expect(await background.tick()).toMatchObject({ commitments: 8, more: true });
    expect(await background.tick()).toMatchObject({ commitments: 4, more: false });
    expect(await ranges(stream)).toHaveLength(20);
  });

  test('that is asked for twice runs once', async () => {
    const stream = freshStream();
    await appendVes(c.sql, stream, 10);
    const background = committer();
    const [a, b] = await Promise.all([background.tick(), background.tick()]);
    expect(a).toBe(b);
    expect(a.commitments).toBe(1);
  });
});

test('streams that are not due are walked past, a page of them in each tick', async () => {
  const tenantId = '10000000-0000-4000-8000-000000000000';
  const due = { tenantId: 'f0000000-0000-4000-8000-000000000000', storeId: tenantId };
  await c.sql`insert into ves_sequence_counters (tenant_id, store_id, current_sequence)
    select ${tenantId}, gen_random_uuid(), 0 from generate_series(1, 4500)`;
  await appendVes(c.sql, due, 10);
  const background = committer();
  expect(await background.tick()).toMatchObject({ commitments: 0, more: true });
  expect(await background.tick()).toMatchObject({ commitments: 0, more: true });
  expect(await background.tick()).toMatchObject({ commitments: 1, more: false });
  // and from the start
  const early = {
    tenantId: '00000000-0000-0000-0000-000000000000',
    storeId: '00000000-0000-0000-0000-000000000000',
  };
  await appendVes(c.sql, early, 10);
  expect(await background.tick()).toMatchObject({ commitments: 1, more: true });
});

test('more due streams than one tick commits are all committed in the next ones', async () => {
  const streams = Array.from({ length: 230 }, freshStream);
  for (const stream of streams) await appendVes(c.sql, stream, 1);
  const background = committer({ intervalMs: 0, now: () => Date.now() + 1000 });
  const rounds = [await background.tick(), await background.tick(), await background.tick()];
  expect(rounds.map((round) => [round.commitments, round.more])).toEqual([
    [100, true],
    [100, true],
    [30, false],
  ]);
  for (const stream of streams) expect(await ranges(stream)).toEqual([[1, 1]]);
});

test('two processes that commit the same streams do not hinder each other', async () => {
  const streams = Array.from({ length: 12 }, freshStream);
  for (const stream of streams) {
    await appendVes(c.sql, stream, 47);
    await appendLegacy(c.sql, stream, 33);
  }
  const others = createCommitmentService({ sql: c.sql, sha256: sha256Into });
  const committers = [
    committer(),
    createBackgroundCommitter({
      sql: c.sql,
      commitments: others,
      eventsMax: 7,
      intervalMs: HOUR,
      now: Date.now,
    }),
    createBackgroundCommitter({
      sql: c.sql,
      commitments: others,
      eventsMax: 10,
      intervalMs: HOUR,
      now: Date.now,
    }),
  ];
  for (let i = 0; i < 5; i++)
    for (const round of await Promise.all(committers.map((each) => each.tick())))
      expect(round.failures).toEqual([]);
  for (const stream of streams)
    for (const [kind, count] of [
      ['ves', 47],
      ['legacy', 33],
    ] as const) {
      const committed = await ranges(stream, kind);
      let next = 1;
      for (const [start, end] of committed) {
        expect(start).toBe(next);
        next = end! + 1;
      }
      expect(count - next + 1).toBeLessThan(7);
    }
});

test('a stream that cannot be committed does not keep the others from it', async () => {
  const [broken, sound] = [freshStream(), freshStream()];
  await appendVes(c.sql, broken, 5);
  await c.sql`update ves_sequence_counters set current_sequence = 12`;
  await appendVes(c.sql, sound, 10);
  const round = await committer().tick();
  expect(round).toMatchObject({ commitments: 1, failures: [{ kind: 'ves', stream: broken }] });
  expect(round.failures[0]!.error).toMatchObject({ code: 'SEQUENCE_GAP' });
  expect(await ranges(sound)).toEqual([[1, 10]]);
});

test('a stream that cannot be committed is tried again after a pause, which grows', async () => {
  const broken = freshStream();
  await appendVes(c.sql, broken, 5);
  await c.sql`update ves_sequence_counters set current_sequence = 12
    where tenant_id = ${broken.tenantId} and store_id = ${broken.storeId}`;
  let now = Date.now();
  const background = committer({ now: () => now });
  const tries = async () =>
    (await background.tick()).failures.filter(({ stream }) => stream.tenantId === broken.tenantId).length;
  expect([await tries(), await tries()]).toEqual([1, 0]);
  now += 5000;
  expect([await tries(), await tries()]).toEqual([1, 0]);
  now += 5000;
  expect(await tries()).toBe(0);
  await c.sql`update ves_sequence_counters set current_sequence = 5
    where tenant_id = ${broken.tenantId} and store_id = ${broken.storeId}`;
  await appendVes(c.sql, broken, 5);
  now += 5000;
  expect(await tries()).toBe(0);
  expect(await ranges(broken)).toEqual([[1, 10]]);
});

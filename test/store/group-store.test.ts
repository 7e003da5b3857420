import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { outcome as code, collectNeeds, wholeSlice } from '../../engine/sequencer/index.js';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { expectConsistent } from './recompute.js';
import {
  backendOf,
  commit,
  failureOf,
  freshPartition,
  id,
  KEY_VERSION,
  makeStore,
  openAndPlan,
  outcomesOf,
  pause,
  SEQUENCER_ID,
  STREAM_LEGACY,
  stream,
  submissionOf,
  uuid,
} from './support.js';

let database: TestDatabase;
let sql: Sql;
const stores: ReturnType<typeof makeStore>[] = [];
const open = (...args: Parameters<typeof makeStore> extends [unknown, ...infer Rest] ? Rest : never) => {
  const store = makeStore(database.target, ...args);
  stores.push(store);
  return store;
};
const needsOf = (submission: ReturnType<typeof submissionOf>) => collectNeeds([wholeSlice(submission)]);

beforeAll(async () => {
  database = await createTestDatabase({ migrated: true });
  sql = connectDatabase(database.target, { max: 6, applicationName: 'group-store-test' });
});
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close().catch(() => {})));
  await expectConsistent(sql);
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database.drop();
});

describe('a group', () => {
  test('is stored whole, numbered, with its counters, frontiers and receipts', async () => {
    const partition = freshPartition();
    const store = open(partition);
    const [a, b, legacy] = [stream('whole a'), stream('whole b'), stream('whole a', STREAM_LEGACY)];
    for (let group = 0; group < 5; group++) {
      const names = [0, 1, 2].map((n) => `${group} ${n}`);
      const requests = [a, b, legacy].map((s) => names.slice(group % 3).map((name) => s.event(name)));
      const submissions = await commit(store, ...requests);
      expect(submissions.flatMap(outcomesOf).every(([outcome]) => outcome === code.ACCEPTED)).toBe(true);
      await expectConsistent(sql);
    }
    const [row] = await sql`select last_group from partition_leases where partition = ${partition.partition}`;
    expect(row?.last_group).toBe(5n);
    const [receipt] = await sql`select sequencer_id, sequencer_key_version as key from ves_sequencer_receipts
      where store_id = ${uuid(a.store)} limit 1`;
    expect(receipt).toEqual({ sequencer_id: uuid(SEQUENCER_ID), key: KEY_VERSION });
  });

  test('that is released leaves nothing', async () => {
    const store = open(freshPartition());
    const s = stream('released');
    await openAndPlan(store, [submissionOf([s.event(1)])]);
    await store.release();
    const [submission] = await commit(store, [s.event(2)]);
    expect(outcomesOf(submission!)).toEqual([[code.ACCEPTED, 1]]);
  });

  test('finds what is stored: the first receipt for the same envelope, a conflict for another', async () => {
    const store = open(freshPartition());
    const s = stream('replay');
    const shapes = [
      s.event('plain'),
      s.event('command', { command: id('some command') }),
      s.event('base 0', { base: 0 }),
      s.event('encrypted', { encrypted: true, payload: '{"ciphertext":"ä日本"}' }),
      s.event('all', { encrypted: true, command: id('other command'), base: 0, vesVersion: 2 }),
    ];
    const [first] = await commit(store, shapes);
    expect(outcomesOf(first!).map(([outcome]) => outcome)).toEqual(shapes.map(() => code.ACCEPTED));
    const [again] = await commit(store, shapes);
    expect(outcomesOf(again!)).toEqual(shapes.map((_, i) => [code.REPLAYED, i + 1]));
    expect(again!.outcome.events.filter((_, i) => i % 4 > 0)).toEqual(
      first!.outcome.events.filter((_, i) => i % 4 > 0),
    );
    expect([...again!.outcome.sequencers!.values()]).toEqual(shapes.map(() => SEQUENCER_ID));
    const others = [
      ...shapes.slice(0, 1).map((event) => ({ ...event, payload: '{}' })),
      { ...shapes[1]!, command: id('third command') },
      { ...shapes[2]!, base: undefined },
      { ...shapes[3]!, payload: '{"ciphertext":"other"}' },
    ];
    const [differ] = await commit(store, others);
    expect(outcomesOf(differ!)).toEqual(others.map((_, i) => [code.EVENT_ID_DIFFERS, i + 1]));
    const elsewhere = stream('replay elsewhere', undefined, 'replay');
    const [taken, foreign] = await commit(
      store,
      [elsewhere.event('plain')],
      [stream('replay foreign').event('plain', { id: shapes[0]!.id })],
    );
    expect([taken, foreign].flatMap((each) => outcomesOf(each!))).toEqual([
      [code.EVENT_ID_TAKEN, 1],
      [code.ACCEPTED, 1],
    ]);
  });

  test('finds stored legacy events and commands of both kinds', async () => {
    const store = open(freshPartition());
    const [ves, legacy] = [stream('commands'), stream('commands', STREAM_LEGACY)];
    const command = id('the command');
    await commit(store, [ves.event('v', { command })], [legacy.event('l', { command })]);
    const result = await commit(
      store,
      [ves.event('v2', { command }), ves.event('v3')],
      [legacy.event('l'), legacy.event('l2', { command }), legacy.event('l3')],
      [stream('commands elsewhere', undefined, 'commands').event('v4', { command })],
    );
    expect(result.map(outcomesOf)).toEqual([
      [
        [code.COMMAND_ID_TAKEN, 0],
        [code.ACCEPTED, 2],
      ],
      [
        [code.EVENT_ID_TAKEN, 1],
        [code.COMMAND_ID_TAKEN, 0],
        [code.ACCEPTED, 2],
      ],
      [[code.ACCEPTED, 1]],
    ]);
  });

  test('is refused when an id slipped in after the look-up, and then finds it', async () => {
    const store = open(freshPartition());
    const other = open(freshPartition());
    const s = stream('slipped');
    const elsewhere = stream('slipped elsewhere', undefined, 'slipped');
    const submission = submissionOf([s.event('x'), s.event('y')]);
    const plan = await openAndPlan(store, [submission]);
    await commit(other, [elsewhere.event('x')]);
    expect(await failureOf(store.write(plan.write!))).toBe('refused');
    const pid = await backendOf(sql, { partition: 0 }).catch(() => 0);
    const again = await openAndPlan(store, [submission]);
    await store.write(again.write!);
    again.settle();
    expect(outcomesOf(submission)).toEqual([
      [code.EVENT_ID_TAKEN, 1],
      [code.ACCEPTED, 1],
    ]);
    expect(await backendOf(sql, { partition: 0 }).catch(() => 0)).toBe(pid); // the connection was kept
  });

  test('that the database refuses leaves the connection usable', async () => {
    const store = open(freshPartition());
    const s = stream('bad row');
    const bad = submissionOf([s.event(1, { entityType: 'nul \u0000' }), s.event(2)]);
    const plan = await openAndPlan(store, [bad]);
    expect(await failureOf(store.write(plan.write!))).toBe('refused');
    const [good] = await commit(store, [s.event(2)]);
    expect(outcomesOf(good!)).toEqual([[code.ACCEPTED, 1]]);
  });

  test('cannot be written without being open', async () => {
    const store = open(freshPartition());
    const submission = submissionOf([stream('closed').event(1)]);
    const plan = await openAndPlan(store, [submission]);
    await store.release();
    expect(await failureOf(store.write(plan.write!))).toBe('unavailable');
    await store.reset();
    expect(await failureOf(store.write(plan.write!))).toBe('unavailable');
  });
});

describe('entity versions', () => {
  test('count the events of both streams, checked or not, across groups and checkpoints', async () => {
    const store = open(freshPartition());
    const [ves, legacy] = [stream('versions'), stream('versions', STREAM_LEGACY)];
    const entity = { entityType: 'order', entityId: 'o-1' };
    let name = 0;
    const next = (s: typeof ves, base?: number) => s.event(`${name++}`, { ...entity, base });
    const run = async (...requests: Parameters<typeof commit> extends [unknown, ...infer R] ? R : never) =>
      (await commit(store, ...requests)).flatMap(outcomesOf);
    expect(await run([next(ves)], [next(legacy), next(legacy)])).toEqual([
      [code.ACCEPTED, 1],
      [code.ACCEPTED, 1],
      [code.ACCEPTED, 2],
    ]);
    expect(await run([next(ves, 2)])).toEqual([[code.VERSION_CONFLICT, 3]]);
    expect(await run([next(ves, 3), next(ves), next(ves, 5)])).toEqual(
      [2, 3, 4].map((n) => [code.ACCEPTED, n]),
    );
    expect(await run([next(legacy)])).toEqual([[code.ACCEPTED, 3]]);
    expect(await run([next(ves)], [next(legacy, 7)])).toEqual([
      [code.ACCEPTED, 5],
      [code.VERSION_CONFLICT, 8],
    ]);
    expect(await run([next(legacy, 8)])).toEqual([[code.ACCEPTED, 4]]);
    expect(await run([next(ves, 9), next(ves, 9)])).toEqual([
      [code.ACCEPTED, 6],
      [code.VERSION_CONFLICT, 10],
    ]);
    const [row] = await sql`select version, ves_sequence, legacy_sequence from entity_versions
      where store_id = ${uuid(ves.store)}`;
    expect(row).toEqual({ version: 10n, ves_sequence: 6n, legacy_sequence: 4n });
  });

  test('tell entities apart by their texts, not only by their keys', async () => {
    const store = open(freshPartition());
    const s = stream('texts');
    const names = ['a', 'A', 'ä', '日本', '"{}', 'a,b', '\\', "'", ' ', 'NULL', '{"x"}'];
    const events = names.map((entityId) =>
      s.event(`create ${entityId}`, { entityType: entityId, entityId, base: 0 }),
    );
    const [first] = await commit(store, events);
    expect(outcomesOf(first!).map(([outcome]) => outcome)).toEqual(names.map(() => code.ACCEPTED));
    const later = names.map((entityId) =>
      s.event(`change ${entityId}`, { entityType: entityId, entityId, base: 1 }),
    );
    const [second] = await commit(store, later);
    expect(outcomesOf(second!).map(([outcome]) => outcome)).toEqual(names.map(() => code.ACCEPTED));
  });

  test('hold between owners that share no partition row', async () => {
    // As when two processes run with different numbers of partitions: nothing but the streams' rows orders them.
    const [one, two] = [open(freshPartition()), open(freshPartition())];
    const [ves, legacy] = [stream('twins'), stream('twins', STREAM_LEGACY)];
    const entity = { entityType: 'order', entityId: 'o-1' };
    await commit(one, [ves.event('0', entity)], [legacy.event('1', entity)]);
    const mine = submissionOf([ves.event('2', { ...entity, base: 2 })]);
    const plan = await openAndPlan(one, [mine]);
    const theirs = commit(two, [legacy.event('3', { ...entity, base: 2 })]);
    await pause(200);
    await one.write(plan.write!);
    plan.settle();
    expect([mine, ...(await theirs)].map(outcomesOf)).toEqual([
      [[code.ACCEPTED, 2]],
      [[code.VERSION_CONFLICT, 3]],
    ]);
  });
});

describe('several owners', () => {
  test('wait for each other on the streams, and none loses an event', async () => {
    const s = stream('two owners');
    const partition = freshPartition();
    const [one, two, other] = [open(partition), open(partition, { owner: 'second' }), open(freshPartition())];
    const mine = submissionOf([s.event('a')]);
    const plan = await openAndPlan(one, [mine]);
    const waiting = [commit(two, [s.event('b')]), commit(other, [s.event('c')])];
    let settled = 0;
    for (const each of waiting) void each.then(() => settled++);
    await pause(150);
    expect(settled).toBe(0);
    await one.write(plan.write!);
    plan.settle();
    const results = (await Promise.all(waiting)).flat().flatMap(outcomesOf);
    expect(outcomesOf(mine)).toEqual([[code.ACCEPTED, 1]]);
    expect(results.map(([, sequence]) => sequence).toSorted()).toEqual([2, 3]);
  });

  test('make a stream at the same time', async () => {
    const s = stream('born at once');
    const legacy = stream('born at once', STREAM_LEGACY);
    const owners = Array.from({ length: 5 }, () => open(freshPartition()));
    const results = await Promise.all(owners.map((each, i) => commit(each, [s.event(i)], [legacy.event(i)])));
    for (const kind of [0, 1])
      expect(results.map((each) => outcomesOf(each[kind]!)[0]![1]).toSorted()).toEqual([1, 2, 3, 4, 5]);
  });

  test('give up after the lock timeout and go on later', async () => {
    const s = stream('lock timeout');
    const [one, two] = [open(freshPartition()), open(freshPartition(), { lockTimeoutMs: 100 })];
    const mine = submissionOf([s.event('a')]);
    const first = await commit(one, [s.event('0')]);
    expect(first.flatMap(outcomesOf)).toEqual([[code.ACCEPTED, 1]]);
    const plan = await openAndPlan(one, [mine]);
    const theirs = submissionOf([s.event('b')]);
    expect(await failureOf(two.open(needsOf(theirs)))).toBe('unavailable');
    await one.write(plan.write!);
    const [after] = await commit(two, [s.event('b')]);
    expect(outcomesOf(after!)).toEqual([[code.ACCEPTED, 3]]);
  });

  const recoveries = async ({ partition }: { partition: number }) =>
    (
      await sql`select generation::int, previous_generation::int as previous, owner_id, previous_owner_id as before,
      last_committed_group::int as last, discarded_from::int as "from", discarded_to::int as "to", reason
      from partition_recoveries where partition = ${partition} order by generation`
    ).map((row) => ({ ...row }));

  test('take over when the lease ran out, fence the old owner, and record what may be lost', async () => {
    const s = stream('take-over');
    const partition = freshPartition();
    const [one, two] = [
      open(partition, { leaseMs: 150 }),
      open(partition, { owner: 'second', leaseMs: 5_000 }),
    ];
    await commit(one, [s.event('a')]);
    await pause(250);
    await commit(two, [s.event('b')]);
    const late = submissionOf([s.event('c')]);
    expect(await one.open(needsOf(late))).toEqual({ fenced: true });
    const [submission] = await commit(one, [s.event('c')]); // as a guest now
    expect(outcomesOf(submission!)).toEqual([[code.ACCEPTED, 3]]);
    const [first, second] = [uuid(id('owner')), uuid(id('second'))];
    expect(await recoveries(partition)).toEqual([
      {
        generation: 1,
        previous: 0,
        owner_id: first,
        before: null,
        last: 0,
        from: null,
        to: null,
        reason: 'first owner',
      },
      {
        generation: 2,
        previous: 1,
        owner_id: second,
        before: first,
        last: 1,
        from: 2,
        to: 2,
        reason: expect.stringContaining('ran out'),
      },
    ]);
  });

  test('take over a released partition without a discarded range', async () => {
    const s = stream('released lease');
    const partition = freshPartition();
    const [one, two] = [open(partition), open(partition, { owner: 'second' })];
    await commit(one, [s.event('a')]);
    await one.close();
    await commit(two, [s.event('b')]);
    const [, second] = await recoveries(partition);
    expect(second).toMatchObject({
      generation: 2,
      last: 1,
      from: null,
      to: null,
      reason: expect.stringContaining('released'),
    });
  });

  test('keep an idle lease alive', async () => {
    const s = stream('keep alive');
    const partition = freshPartition();
    const [one, two] = [open(partition, { leaseMs: 400 }), open(partition, { owner: 'second' })];
    await commit(one, [s.event('a')]);
    for (let i = 0; i < 4; i++) {
      await pause(150);
      await one.keepAlive();
    }
    await commit(two, [s.event('b')]);
    expect((await recoveries(partition)).length).toBe(1);
    await pause(500);
    await commit(two, [s.event('c')]); // the guest finds the owner gone
    expect((await recoveries(partition)).length).toBe(2);
  });
});

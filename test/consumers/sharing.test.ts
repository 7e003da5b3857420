import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assignPartitions, type PartitionState } from '../../engine/consumers/assign-partitions.js';
import type { Delivery } from '../../engine/consumers/index.js';
import { handle, newGroup, numbers, openGroups, type TestGroups } from './support.js';

let t: TestGroups;
beforeAll(async () => {
  t = await openGroups();
});
afterAll(() => t.close());

const entities = (count: number, each: number) =>
  Array.from({ length: count * each }, (_, i) => `e${i % count}`);

describe('partitions', () => {
  test('are shared evenly, and move only when nothing of them is in flight', async () => {
    const g = await newGroup(t, { events: entities(64, 4) });
    const first = await g.pull('c1', 1000);
    expect(first).toHaveLength(256);
    expect(await g.pull('c2')).toEqual([]); // everything is in flight at c1
    await g.append(...entities(64, 1));
    expect(await g.pull('c2')).toEqual([]);
    await g.pull('c1', 1);
    await g.ack('c1', first);
    const mine = await g.pull('c1', 1000); // lets half of the partitions go
    const theirs = await g.pull('c2', 1000);
    expect(mine.length + theirs.length).toBeGreaterThanOrEqual(63);
    expect(theirs.length).toBeGreaterThan(0);
    const owners = (await g.state()).partitions.map((each) => each.consumer);
    expect(owners.filter((each) => each === 'c1')).toHaveLength(8);
    expect(owners.filter((each) => each === 'c2')).toHaveLength(8);
  });

  test('reach a waiting newcomer as soon as they are given up', async () => {
    const g = await newGroup(t, { events: entities(64, 1) });
    await g.ack('c1', await g.pull('c1', 64));
    const newcomer = g.pull('c2', 1, 20_000);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await g.append(...entities(64, 1));
    const start = performance.now();
    await g.pull('c1', 1);
    expect(await newcomer).toHaveLength(1);
    expect(performance.now() - start).toBeLessThan(700);
  });

  test('of a consumer that leaves are free at once, and its hand-outs are not counted', async () => {
    const g = await newGroup(t, { events: ['a', 'b', 'c'] });
    const got = await g.pull('c1');
    await t.groups.leave(g.ref, 'c1');
    const again = await g.pull('c2');
    expect(again.map((each) => [Number(each.sequence), each.attempt])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ]);
    expect((await g.ack('c1', got)).refused.map((each) => each.why)).toEqual(['lost', 'lost', 'lost']);
    expect((await g.state()).consumers).toEqual(['c2']);
  });

  test('of a consumer that dies are taken over when its lease and its deliveries have run out, not before', async () => {
    const g = await newGroup(t, { events: ['a', 'b'] });
    const other = t.otherProcess();
    const there = handle(other.sql, other.groups, g.ref);
    const got = await there.pull('dead');
    await other.end(); // nobody says good-bye
    expect(await g.pull('alive')).toEqual([]);
    await g.expireConsumer('dead');
    expect(await g.pull('alive')).toEqual([]); // in flight: it may still be at work
    await g.expireDeliveries();
    const again = await g.pull('alive');
    expect(again.map((each) => [Number(each.sequence), each.attempt])).toEqual([
      [1, 2],
      [2, 2],
    ]);
    expect((await g.ack('dead', got)).refused.map((each) => each.why)).toEqual(['lost', 'lost']);
    expect((await g.ack('alive', again)).acknowledged).toBe(2);
  });

  test('stay with a consumer whose lease has run out while it works', async () => {
    const g = await newGroup(t, { events: ['a'], settings: { partitions: 1 } });
    const got = await g.pull('c1');
    await g.expireConsumer('c1');
    await g.append('a');
    expect(await g.pull('c2')).toEqual([]);
    expect((await g.ack('c1', got)).acknowledged).toBe(1);
    expect(numbers(await g.pull('c2'))).toEqual([2]);
  });

  test('are assigned by a rule that keeps what is busy and never takes what is held', () => {
    const partition = fc.record({
      consumer: fc.constantFrom(null, 'me', 'a', 'b'),
      expired: fc.boolean(),
      inFlight: fc.integer({ min: 0, max: 2 }),
    });
    fc.assert(
      fc.property(
        fc.array(partition, { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 6 }),
        (drawn, members) => {
          const partitions: PartitionState[] = drawn.map((each, i) => ({
            partition: i,
            ...each,
            inFlight: each.consumer === null ? 0 : each.inFlight,
          }));
          const { hold, serve, release } = assignPartitions(partitions, members, 'me');
          const share = Math.ceil(partitions.length / members);
          expect(serve.length).toBeLessThanOrEqual(share);
          for (const number of hold) {
            const { consumer, expired, inFlight } = partitions[number]!;
            expect(consumer === 'me' || consumer === null || (expired && inFlight === 0)).toBe(true);
          }
          for (const number of release)
            expect(partitions[number]).toMatchObject({ consumer: 'me', inFlight: 0 });
          const mine = partitions.filter((each) => each.consumer === 'me').map((each) => each.partition);
          expect(mine.filter((number) => !hold.includes(number)).sort()).toEqual([...release].sort());
        },
      ),
      { seed: 7, numRuns: 500 },
    );
  });
});

describe('many consumers in two processes', () => {
  /** Every consumer pulls, sometimes refuses, forgets or leaves, until everything is settled. */
  test('share a stream: in order by entity, at one consumer at a time, each event settled once', async () => {
    const other = t.otherProcess();
    const g = await newGroup(t, { settings: { maxAttempts: 1000, ackTimeoutMs: 400 } });
    const there = handle(other.sql, other.groups, g.ref);
    const total = 3000;
    const appended = (async () => {
      for (let i = 0; i < 10; i++) await g.append(...entities(60, 5));
    })();

    /** Whoever holds an entity, until when it may think so. */
    const holders = new Map<string, { consumer: string; until: number }>();
    const settled = new Map<string, number[]>();
    const faults: string[] = [];
    let done = 0;
    let seed = 42;
    const random = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return seed / 2 ** 31;
    };

    const take = (consumer: string, got: readonly Delivery[]) => {
      for (const each of got) {
        const entity = each.event.entityId;
        const holder = holders.get(entity);
        // The clock of the test ends a hold early: a fault is only what no clock explains.
        if (holder && holder.consumer !== consumer && holder.until > Date.now())
          faults.push(`${entity} at ${holder.consumer} and ${consumer}`);
        holders.set(entity, { consumer, until: Date.now() + 200 });
        const last = settled.get(entity)?.at(-1) ?? 0;
        if (Number(each.sequence) <= last) faults.push(`${entity}: ${each.sequence} after ${last}`);
      }
    };
    const drop = (got: readonly Delivery[]) => {
      for (const each of got) holders.delete(each.event.entityId);
    };

    const work = async (consumer: string, h: typeof g) => {
      while (done < total) {
        const pulledAt = Date.now();
        const got = await h.pull(consumer, 1 + Math.floor(random() * 60), 50);
        if (got.length === 0) continue;
        if (Date.now() - pulledAt < 150) take(consumer, got);
        const dice = random();
        if (dice < 0.08) {
          drop(got);
          await h.nack(consumer, got.slice(0, 1 + Math.floor(random() * got.length)), {
            delayMs: dice < 0.04 ? 30 : 0,
          });
          // What was neither refused nor withdrawn times out.
        } else if (dice < 0.12) {
          await new Promise((resolve) => setTimeout(resolve, 420)); // too late, or nearly
        } else if (dice < 0.16) {
          drop(got);
          await (h === g ? t.groups : other.groups).leave(g.ref, consumer);
        } else {
          drop(got);
          const { refused } = await h.ack(consumer, got);
          const lost = new Set(refused.map((each) => each.deliveryId));
          for (const each of got) {
            if (lost.has(each.deliveryId)) continue;
            const list = settled.get(each.event.entityId) ?? [];
            list.push(Number(each.sequence));
            settled.set(each.event.entityId, list);
            done++;
          }
        }
      }
    };
    await Promise.all([appended, ...Array.from({ length: 6 }, (_, i) => work(`c${i}`, i % 2 ? there : g))]);

    expect(faults).toEqual([]);
    const all = [...settled.values()].flat();
    expect(all).toHaveLength(total);
    expect(new Set(all).size).toBe(total);
    for (const list of settled.values()) expect(list).toEqual([...list].sort((a, b) => a - b));
    expect(await g.state()).toMatchObject({ lag: 0n, parked: 0n, settledSequence: BigInt(total) });
    await other.end();
  }, 60_000);
});

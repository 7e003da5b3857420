import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ids, newGroup, numbers, openGroups, type TestGroups } from './support.js';

let t: TestGroups;
beforeAll(async () => {
  t = await openGroups();
});
afterAll(() => t.close());

describe('acknowledging', () => {
  test('settles an event for good; again, it is told that it is settled', async () => {
    const g = await newGroup(t, { events: ['a', 'b'] });
    const got = await g.pull('c1');
    expect(got.map((each) => [each.event.entityId, each.attempt])).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
    expect(await g.ack('c1', got)).toEqual({ acknowledged: 2, refused: [] });
    expect(await g.ack('c1', got)).toEqual({
      acknowledged: 0,
      refused: got.map(({ deliveryId }) => ({ deliveryId, why: 'settled' })),
    });
    expect(await g.pull('c1')).toEqual([]);
    expect(await g.state()).toMatchObject({ lag: 0n, waiting: 0n, inFlight: 0n, settledSequence: 2n });
  });

  test("is for the consumer's own deliveries, in the form they were given", async () => {
    const g = await newGroup(t, { events: ['a'] });
    const got = await g.pull('c1');
    expect((await g.ack('c2', got)).refused).toEqual([{ deliveryId: ids(got)[0], why: 'lost' }]);
    for (const bad of ['', '1', '1.x', '-1.2', '99999999999999999999.1'])
      await expect(t.groups.ack(g.ref, 'c1', [bad])).rejects.toMatchObject({ code: 'INVALID_FIELD_VALUE' });
    expect((await g.ack('c1', got)).acknowledged).toBe(1);
  });

  test('too late is refused, and the event goes out again with another id', async () => {
    const g = await newGroup(t, { events: ['a'] });
    const first = await g.pull('c1');
    await g.expireDeliveries();
    const second = await g.pull('c1');
    expect(second.map((each) => [Number(each.sequence), each.attempt])).toEqual([[1, 2]]);
    expect(ids(second)).not.toEqual(ids(first));
    expect((await g.ack('c1', first)).refused).toEqual([{ deliveryId: ids(first)[0], why: 'lost' }]);
    expect((await g.ack('c1', second)).acknowledged).toBe(1);
  });
});

describe('refusing', () => {
  test('hands an event out again, with its attempts counted', async () => {
    const g = await newGroup(t, { events: ['a'] });
    for (let attempt = 1; attempt <= 3; attempt++) {
      const got = await g.pull('c1');
      expect(got.map((each) => each.attempt)).toEqual([attempt]);
      const nacked = await g.nack('c1', got);
      expect(nacked).toMatchObject({
        returned: attempt < 3 ? 1 : 0,
        parked: attempt < 3 ? 0 : 1,
        refused: [],
      });
    }
    expect(await g.pull('c1')).toEqual([]);
  });

  test("takes later events of the entity back, so that order holds, and leaves others' alone", async () => {
    const g = await newGroup(t, { events: ['a', 'b', 'a', 'a', 'b'] });
    const got = await g.pull('c1');
    expect(numbers(got)).toEqual([1, 2, 3, 4, 5]);
    const nacked = await g.nack('c1', [got[0]!]);
    expect(nacked).toMatchObject({ returned: 1, withdrawn: [ids(got)[2], ids(got)[3]] });
    expect(await g.ack('c1', got)).toMatchObject({
      acknowledged: 2,
      refused: [{ why: 'lost' }, { why: 'lost' }, { why: 'lost' }],
    });
    const again = await g.pull('c1');
    expect(again.map((each) => [Number(each.sequence), each.attempt])).toEqual([
      [1, 2],
      [3, 1],
      [4, 1],
    ]);
  });

  test('with a delay holds back the entity, and nothing else', async () => {
    const g = await newGroup(t, { events: ['a', 'b', 'a', 'c'] });
    const got = await g.pull('c1', 1);
    await g.nack('c1', got, { delayMs: 60_000 });
    const others = await g.pull('c1');
    expect(numbers(others)).toEqual([2, 4]);
    await g.expireDelays();
    expect(numbers(await g.pull('c1'))).toEqual([1, 3]);
  });

  test('hands out in order again what timed out, from the first on', async () => {
    const g = await newGroup(t, { events: ['a', 'a', 'b', 'a'] });
    const got = await g.pull('c1');
    await g.ack('c1', [got[1]!]); // out of order, on its own responsibility
    await t.sql`update consumer_group_deliveries set deadline_at = now() - interval '1 s' where sequence_number = 1 and tenant_id = ${g.ref.tenantId}`;
    const again = await g.pull('c1');
    expect(again.map((each) => [Number(each.sequence), each.attempt])).toEqual([
      [1, 2],
      [4, 1],
    ]);
  });
});

describe('one entity', () => {
  test('goes on when what was handed out of it is settled, also for the consumer that has it', async () => {
    const g = await newGroup(t, { events: ['a', 'a', 'b', 'a'] });
    const first = await g.pull('c1', 1);
    expect(numbers(await g.pull('c1'))).toEqual([3]);
    await g.ack('c1', first);
    const rest = await g.pull('c1');
    expect(numbers(rest)).toEqual([2, 4]);
    await g.nack('c1', rest.slice(1), { park: true });
    await g.append('a');
    expect(await g.pull('c1')).toEqual([]);
    await g.ack('c1', rest.slice(0, 1));
    expect(numbers(await g.pull('c1'))).toEqual([5]);
  });
});

describe('parked events', () => {
  test('are listed with their reason, and later events of the entity go on', async () => {
    const g = await newGroup(t, { events: ['a', 'a', 'b'], settings: { maxAttempts: 2 } });
    const [first] = await g.pull('c1', 1);
    await g.nack('c1', [first!], { reason: 'one' });
    const [again] = await g.pull('c1', 1);
    await g.nack('c1', [again!], { reason: 'two' });
    expect(numbers(await g.pull('c1'))).toEqual([2, 3]);
    await g.expireDeliveries();
    await g.pull('c1');
    await g.expireDeliveries();
    expect(await g.pull('c1')).toEqual([]);
    const parked = await t.groups.listParked(g.ref, 0n, 10);
    expect(parked).toMatchObject([
      { sequence: 1n, attempts: 2, reason: 'two', consumer: 'c1', entityType: 'order', entityId: 'a' },
      { sequence: 2n, attempts: 2, reason: 'not acknowledged in time' },
      { sequence: 3n, attempts: 2 },
    ]);
    expect((await t.groups.listParked(g.ref, 1n, 1)).map((each) => each.sequence)).toEqual([2n]);
    expect(await g.state()).toMatchObject({ parked: 3n, lag: 0n, settledSequence: 3n });
    expect((await g.ack('c1', [again!])).refused).toMatchObject([{ why: 'parked' }]);
  });

  test('parking at once does not take later events back', async () => {
    const g = await newGroup(t, { events: ['a', 'a'] });
    const got = await g.pull('c1');
    expect(await g.nack('c1', [got[0]!], { park: true, reason: 'poison' })).toMatchObject({
      parked: 1,
      withdrawn: [],
    });
    expect((await g.ack('c1', [got[1]!])).acknowledged).toBe(1);
  });

  test('are replayed by number or all together, with all attempts before them, or discarded', async () => {
    const g = await newGroup(t, { events: ['a', 'b', 'c', 'd'] });
    await g.nack('c1', await g.pull('c1'), { park: true });
    expect(await t.groups.replayParked(g.ref, [2n, 77n])).toBe(1);
    const got = await g.pull('c1');
    expect(got.map((each) => [Number(each.sequence), each.attempt])).toEqual([[2, 1]]);
    expect(await t.groups.discardParked(g.ref, [4n])).toBe(1);
    expect(await t.groups.replayParked(g.ref, 'all')).toBe(2);
    expect(numbers(await g.pull('c1'))).toEqual([1, 3]);
    expect(await t.groups.discardParked(g.ref, 'all')).toBe(0);
  });
});

describe('limits', () => {
  test('a pull gets as much as it asked for, and a consumer no more than the group allows', async () => {
    const g = await newGroup(t, { events: ['a', 'b', 'c', 'd', 'e'], settings: { maxInFlight: 3 } });
    const two = await g.pull('c1', 2);
    expect(numbers(two)).toEqual([1, 2]);
    expect(numbers(await g.pull('c1'))).toEqual([3]);
    expect(await g.pull('c1')).toEqual([]);
    await g.ack('c1', two);
    expect(numbers(await g.pull('c1'))).toEqual([4, 5]);
  });

  test('large payloads end a pull early, after at least one', async () => {
    const payload = JSON.stringify({ x: 'x'.repeat(9 * 1024 * 1024) });
    const g = await newGroup(t, {
      events: Array.from({ length: 4 }, (_, i) => ({ entityId: `e${i}`, payload })),
    });
    expect(numbers(await g.pull('c1'))).toEqual([1, 2]);
    expect(numbers(await g.pull('c1'))).toEqual([3, 4]);
  }, 30_000);
});

describe('waiting', () => {
  test('ends with the first event, with time, or with the caller', async () => {
    const g = await newGroup(t);
    const start = performance.now();
    expect(await g.pull('c1', 10, 300)).toEqual([]);
    expect(performance.now() - start).toBeGreaterThanOrEqual(290);
    const waiting = g.pull('c1', 10, 20_000);
    await g.append('a');
    expect(numbers(await waiting)).toEqual([1]);
    const controller = new AbortController();
    const gone = t.groups.pull(g.ref, { consumer: 'c1', max: 1, waitMs: 20_000, signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    expect(await gone).toEqual([]);
  });

  test('holds no connection', async () => {
    const gs = await Promise.all(Array.from({ length: 30 }, () => newGroup(t)));
    const waiting = gs.map((g) => g.pull('c1', 1, 2000));
    const [row] = await t.sql<{ one: number }[]>`select 1 as one`;
    expect(row!.one).toBe(1);
    await gs[29]!.append('a');
    expect(numbers(await waiting[29]!)).toEqual([1]);
    await Promise.all(waiting);
  });

  test('is woken by what the consumer itself gives back', async () => {
    const g = await newGroup(t, { events: ['a'], settings: { maxInFlight: 1 } });
    const got = await g.pull('c1');
    const waiting = g.pull('c1', 1, 20_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const start = performance.now();
    await g.nack('c1', got);
    expect((await waiting).map((each) => each.attempt)).toEqual([2]);
    expect(performance.now() - start).toBeLessThan(700);
  });

  test('a caller that has gone meanwhile leaves nothing in flight behind, and no attempt is counted', async () => {
    const g = await newGroup(t, { events: ['a'] });
    const signal = AbortSignal.abort();
    expect(await t.groups.pull(g.ref, { consumer: 'c1', max: 1, waitMs: 0, signal })).toEqual([]);
    expect((await g.pull('c1')).map((each) => each.attempt)).toEqual([1]);
  });

  test('ends for everybody when the service stops', async () => {
    const other = t.otherProcess();
    const g = await newGroup(t);
    const waiting = other.groups.pull(g.ref, { consumer: 'c1', max: 1, waitMs: 20_000 });
    setTimeout(() => other.groups.close(), 50);
    expect(await waiting).toEqual([]);
    await other.end();
  });
});

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  appendEvents,
  handle,
  ids,
  newGroup,
  newStream,
  numbers,
  openGroups,
  SETTINGS,
  type TestGroups,
} from './support.js';

let t: TestGroups;
beforeAll(async () => {
  t = await openGroups();
});
afterAll(() => t.close());

describe('a new group', () => {
  test('begins at the first event, behind the head, or at a number', async () => {
    const stream = newStream();
    await appendEvents(t.sql, stream, ['a', 'b', 'c']);
    const starts = { beginning: 'beginning', head: 'head', two: 2n, next: 4n } as const;
    const seen: Record<string, number[]> = {};
    for (const [name, start] of Object.entries(starts)) {
      const ref = { ...stream, name };
      await t.groups.create(ref, SETTINGS, start);
    }
    await appendEvents(t.sql, stream, ['d']);
    for (const name of Object.keys(starts))
      seen[name] = numbers(await handle(t.sql, t.groups, { ...stream, name }).pull('c1'));
    expect(seen).toEqual({ beginning: [1, 2, 3, 4], head: [4], two: [2, 3, 4], next: [4] });
    for (const start of [0n, 6n])
      await expect(t.groups.create({ ...stream, name: 'bad' }, SETTINGS, start)).rejects.toMatchObject({
        code: 'INVALID_FIELD_VALUE',
      });
  });

  test('may be made again with the same settings, and with no others', async () => {
    const g = await newGroup(t);
    const again = await t.groups.create(g.ref, SETTINGS, 'beginning');
    expect(again.created).toBe(false);
    await expect(t.groups.create(g.ref, { ...SETTINGS, maxAttempts: 4 }, 'beginning')).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
    });
  });

  test('is refused beyond the number a tenant may have, also when many are made at once', async () => {
    const stream = newStream();
    const results = await Promise.allSettled(
      Array.from({ length: 104 }, (_, i) =>
        t.groups.create({ ...stream, name: `g${i}` }, { ...SETTINGS, partitions: 1 }, 'head'),
      ),
    );
    expect(results.filter((each) => each.status === 'fulfilled')).toHaveLength(100);
    expect(await t.groups.list(stream)).toHaveLength(100);
    const other = newStream();
    expect((await t.groups.create({ ...other, name: 'g' }, SETTINGS, 'head')).created).toBe(true);
  });
});

describe('a group', () => {
  test('hands out what passes its filter, and goes on over everything else', async () => {
    const agentId = randomUUID();
    const g = await newGroup(t, {
      settings: { entityTypes: ['order'], eventTypes: ['paid'], agents: [agentId] },
    });
    await g.append(
      { entityId: 'a', eventType: 'paid', agentId },
      { entityId: 'a', eventType: 'paid' },
      { entityId: 'a', eventType: 'sent', agentId },
      { entityId: 'a', eventType: 'paid', agentId, entityType: 'cart' },
      { entityId: 'a', eventType: 'paid', agentId },
      'x',
    );
    const got = await g.pull('c1');
    expect(numbers(got)).toEqual([1, 5]);
    await g.ack('c1', got);
    expect(await g.state()).toMatchObject({ lag: 0n, settledSequence: 6n, head: 6n });
  });

  test('reads over a long stretch of events that do not pass', async () => {
    const g = await newGroup(t, { settings: { eventTypes: ['wanted'] } });
    for (let i = 0; i < 4; i++) await g.append(...Array.from({ length: 6000 }, () => 'noise'));
    await g.append({ entityId: 'a', eventType: 'wanted' });
    expect(numbers(await g.pull('c1'))).toEqual([24_001]);
  }, 30_000);

  test('reads no further ahead than its queue is long', async () => {
    const g = await newGroup(t, { settings: { partitions: 2 } });
    for (let i = 0; i < 3; i++)
      await g.append(...Array.from({ length: 5000 }, (_, n) => `e${(i * 5000 + n) % 500}`));
    await g.pull('slow', 1);
    await g.pull('quick', 1);
    await g.pull('slow', 1); // gives a partition up, or lets it run dry
    await g.ack('slow', []);
    for (let i = 0; i < 40; i++) {
      const got = await g.pull('quick', 1000);
      await g.ack('quick', got);
    }
    const { waiting, inFlight, group } = await g.state();
    expect(Number(waiting + inFlight)).toBeLessThanOrEqual(10_000);
    expect(group.readSequence).toBeLessThanOrEqual(15_000n);
  }, 60_000);

  test('takes changed settings, and keeps what it has read', async () => {
    const g = await newGroup(t, { events: ['a', 'b'] });
    await g.pull('c1', 1);
    const updated = await t.groups.update(g.ref, { eventTypes: ['never'], maxInFlight: 5 });
    expect(updated).toMatchObject({ eventTypes: ['never'], maxInFlight: 5, maxAttempts: 3, partitions: 16 });
    await g.append('c');
    const rest = numbers(await g.pull('c1'));
    expect(rest).not.toContain(3);
    expect((await g.state()).group.readSequence).toBe(3n);
  });

  test('that is deleted answers nobody, and its successor knows nothing of it', async () => {
    const g = await newGroup(t, { events: ['a'] });
    const got = await g.pull('c1');
    await t.groups.remove(g.ref);
    const calls = [() => g.pull('c1'), () => g.ack('c1', got), () => g.nack('c1', got), g.state];
    for (const call of [...calls, () => t.groups.remove(g.ref)])
      await expect(call()).rejects.toMatchObject({ code: 'RESOURCE_NOT_FOUND' });
    await t.groups.create(g.ref, SETTINGS, 'beginning');
    expect(await g.ack('c1', got)).toMatchObject({ acknowledged: 0, refused: [{ why: 'lost' }] });
    expect(numbers(await g.pull('c1'))).toEqual([1]);
  });

  test('is of one tenant and store: the same name elsewhere is another group', async () => {
    const g = await newGroup(t, { events: ['a', 'b'] });
    const elsewhere = [newStream(), newStream(g.ref.tenantId)];
    const got = await g.pull('c1');
    for (const stream of elsewhere) {
      const ref = { ...stream, name: g.ref.name };
      await expect(t.groups.state(ref)).rejects.toMatchObject({ code: 'RESOURCE_NOT_FOUND' });
      await t.groups.create(ref, SETTINGS, 'beginning');
      expect(await t.groups.pull(ref, { consumer: 'c1', max: 10, waitMs: 0 })).toEqual([]);
      expect((await t.groups.ack(ref, 'c1', ids(got))).acknowledged).toBe(0);
    }
    expect((await g.ack('c1', got)).acknowledged).toBe(2);
  });

  test('set back hands everything out again; what was in flight is lost', async () => {
    const g = await newGroup(t, { events: ['a', 'b', 'c'] });
    const first = await g.pull('c1');
    await g.ack('c1', first.slice(0, 2));
    await g.nack('c1', first.slice(2), { park: true });
    await t.groups.seek(g.ref, 2n);
    const again = await g.pull('c1');
    expect(numbers(again)).toEqual([2, 3]);
    expect(again.map((each) => each.attempt)).toEqual([1, 1]);
    expect(await t.groups.listParked(g.ref, 0n, 10)).toEqual([]);
    await t.groups.seek(g.ref, 'beginning');
    expect(await g.ack('c1', again)).toMatchObject({
      acknowledged: 0,
      refused: [{ why: 'lost' }, { why: 'lost' }],
    });
    await t.groups.seek(g.ref, 'head');
    expect(await g.pull('c1')).toEqual([]);
    expect(await g.state()).toMatchObject({ lag: 0n, settledSequence: 3n });
  });
});

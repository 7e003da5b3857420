/** Pages read from a real database, many at once. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DatabaseTarget } from '../../engine/store/connection.js';
import type { EventChunk, StreamName } from '../../engine/subscriptions/index.js';
import { push, registerAgent, type TestAgent } from '../support/agents.js';
import { createLocalHub, type LocalHub } from '../support/hub.js';
import { startTestService, type TestService } from '../support/service.js';

const EVENTS = 3000;

let service: TestService;
let local: LocalHub;
let agent: TestAgent;
let stream: StreamName;
beforeAll(async () => {
  service = await startTestService();
  if (service.database === 'embedded') throw new Error('the service uses the test server');
  local = createLocalHub(service.database);
  agent = await registerAgent(service);
  stream = { tenantId: agent.tenantId, storeId: agent.storeId };
  for (let i = 0; i < EVENTS; i += 500)
    await push(
      service,
      agent,
      Array.from({ length: 500 }, () => agent.event({})),
    );
});
afterAll(() => local.close());

/** Reads a stream to its head with `room` events at a time; resolves with the numbers that came. */
function readAll(after: number, room: number, format: 'json' | 'msgpack' | 'proto'): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const got: number[] = [];
    const subscription = local.hub.subscribe(
      { stream, after, filter: {}, format },
      {
        room: () => room,
        deliver: (chunk: EventChunk) => void got.push(...chunk.sequences),
        caughtUp() {
          subscription.close();
          resolve(got);
        },
        end: reject,
      },
    );
  });
}

test('fifty readers at once, at any place and any pace, each get everything behind theirs', async () => {
  const formats = ['json', 'msgpack', 'proto'] as const;
  const readers = Array.from({ length: 50 }, (_, i) => ({
    after: (i * 137) % EVENTS,
    room: 1 + ((i * 53) % 700),
  }));
  const all = await Promise.all(readers.map(({ after, room }, i) => readAll(after, room, formats[i % 3]!)));
  all.forEach((got, i) => {
    const { after } = readers[i]!;
    expect(got).toEqual(Array.from({ length: EVENTS - after }, (_, n) => after + 1 + n));
  });
});

test('readers that pause for longer than opened events are kept miss nothing', async () => {
  const forgetful = createLocalHub(service.database as DatabaseTarget, { keptMs: 200 });
  const read = (after: number, portion: number) =>
    new Promise<number[]>((resolve, reject) => {
      const got: number[] = [];
      let room = portion;
      const subscription = forgetful.hub.subscribe(
        { stream, after, filter: {}, format: 'msgpack' },
        {
          room: () => room,
          deliver(chunk) {
            got.push(...chunk.sequences);
            room -= chunk.count;
            if (room > 0) return;
            setTimeout(() => {
              room = portion;
              subscription.resume();
            }, 300);
          },
          caughtUp() {
            subscription.close();
            resolve(got);
          },
          end: reject,
        },
      );
    });
  const readers = Array.from({ length: 10 }, (_, i) => ({ after: i * 50, portion: 400 + i * 90 }));
  const all = await Promise.all(readers.map(({ after, portion }) => read(after, portion)));
  all.forEach((got, i) => {
    const { after } = readers[i]!;
    expect(got).toEqual(Array.from({ length: EVENTS - after }, (_, n) => after + 1 + n));
  });
  // Without forgetting three pages each, or four where the last one is not full, would do.
  expect(forgetful.hub.stats.pagesRead).toBeGreaterThan(readers.length * 4);
  await forgetful.close();
});

test('readers that leave in the middle disturb nobody', async () => {
  const leaving = Array.from({ length: 40 }, (_, i) => {
    let seen = 0;
    const subscription = local.hub.subscribe(
      { stream, after: 0, filter: {}, format: 'json' },
      {
        room: () => 100,
        deliver(chunk) {
          seen += chunk.count;
          if (seen > i * 50) subscription.close();
        },
        caughtUp: () => {},
        end: () => {},
      },
    );
    return subscription;
  });
  const got = await readAll(0, 1000, 'json');
  expect(got.length).toBe(EVENTS);
  for (const subscription of leaving) subscription.close();
  await expect.poll(() => local.hub.stats.subscriptions).toBe(0);
});

test('a stream that does not exist is at its head at once, and its first event arrives', async () => {
  const fresh = await registerAgent(service);
  const got: number[] = [];
  let caughtUp = false;
  const subscription = local.hub.subscribe(
    { stream: { tenantId: fresh.tenantId, storeId: fresh.storeId }, after: 0, filter: {}, format: 'json' },
    {
      room: () => 10,
      deliver: (chunk) => void got.push(...chunk.sequences),
      caughtUp() {
        caughtUp = true;
      },
      end: () => {},
    },
  );
  await expect.poll(() => caughtUp).toBe(true);
  await push(service, fresh, [fresh.event({})]);
  await expect.poll(() => got).toEqual([1]);
  subscription.close();
});

test('all streams of a tenant, those that appear later too, with a cursor for each', async () => {
  const first = await registerAgent(service);
  const second = await registerAgent(service, { tenantId: first.tenantId, storeId: randomUUID() });
  await push(
    service,
    first,
    Array.from({ length: 20 }, () => first.event({})),
  );
  const got = new Map<string, number[]>();
  const opened: Map<string, number>[] = [];
  const subscription = local.hub.subscribeTenant(
    {
      tenantId: first.tenantId,
      storeIds: undefined,
      after: new Map([[first.storeId, 5]]),
      others: 'beginning',
      filter: {},
      format: 'json',
    },
    {
      opened: (cursors) => void opened.push(new Map(cursors)),
      room: () => 7,
      deliver: (storeId, chunk) => void got.set(storeId, [...(got.get(storeId) ?? []), ...chunk.sequences]),
      caughtUp: () => {},
      end: () => {},
    },
  );
  await expect.poll(() => opened).toEqual([new Map([[first.storeId, 5]])]);
  await push(
    service,
    second,
    Array.from({ length: 9 }, () => second.event({})),
  );
  await expect.poll(() => got.get(first.storeId)).toEqual(Array.from({ length: 15 }, (_, i) => 6 + i));
  await expect.poll(() => got.get(second.storeId), { timeout: 5000 }).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(subscription.cursors()).toEqual(
    new Map([
      [first.storeId, 20],
      [second.storeId, 9],
    ]),
  );
  subscription.close();
});

test('waiting for a head: at once, when it moves, when time is up', async () => {
  const fresh = await registerAgent(service);
  const name = { tenantId: fresh.tenantId, storeId: fresh.storeId };
  expect(await local.hub.waitForHead('ves', name, 0, { timeoutMs: 50 })).toBe(0);
  const waiting = local.hub.waitForHead('ves', name, 0, { timeoutMs: 10_000 });
  await push(service, fresh, [fresh.event({})]);
  expect(await waiting).toBe(1);
  expect(await local.hub.waitForHead('ves', name, 0, { timeoutMs: 10_000 })).toBe(1);
  const controller = new AbortController();
  const stopped = local.hub.waitForHead('ves', name, 1, { timeoutMs: 10_000, signal: controller.signal });
  controller.abort();
  expect(await stopped).toBe(1);
});

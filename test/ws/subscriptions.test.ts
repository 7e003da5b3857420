import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import { createStreamClient } from '../../agent/stream-client.js';
import {
  type EventRecord,
  encodeAck,
  encodeHello,
  encodeSubscribe,
  encodeSubscribeTenant,
  encodeUnsubscribe,
  envelopeOf,
  FRAME,
  type StoreCursor,
  SUBPROTOCOL,
} from '../../engine/wire/index.js';
import { call, push, readStream, registerAgent, type TestAgent } from '../support/agents.js';
import { startTestService, type TestService } from '../support/service.js';
import { openClient, type RawClient, startProxy } from './support.js';

let service: TestService;

beforeAll(async () => {
  service = await startTestService({
    env: { WS_SLOW_CONSUMER_TIMEOUT_SECS: '2', WS_BUFFER_BYTES_MAX: '65536' },
  });
});

const some = (agent: TestAgent, count: number, payload?: unknown) =>
  Array.from({ length: count }, () => agent.event(payload === undefined ? {} : { payload }));

async function store(agent: TestAgent, count: number, payload?: unknown): Promise<void> {
  for (let left = count; left > 0; left -= 500) {
    const { status, text } = await push(service, agent, some(agent, Math.min(left, 500), payload));
    if (status !== 200) throw new Error(text);
  }
}

async function take(subscription: AsyncIterable<EventRecord>, count: number): Promise<EventRecord[]> {
  const events: EventRecord[] = [];
  for await (const event of subscription) if (events.push(event) === count) break;
  return events;
}

const subscribeFrame = (agent: TestAgent, over: Partial<Parameters<typeof encodeSubscribe>[0]> = {}) =>
  encodeSubscribe({
    id: 1,
    tenantId: agent.tenantId,
    storeId: agent.storeId,
    after: 0,
    credits: 1000,
    filter: undefined,
    agentId: undefined,
    ...over,
  });

/** Events until `count` of them are there. */
async function receive(client: RawClient, id: number, count: number): Promise<EventRecord[]> {
  const events: EventRecord[] = [];
  while (events.length < count) events.push(...(await client.next(FRAME.events, id)).events);
  return events;
}

const client = (url = service.url) =>
  createStreamClient({
    url,
    apiKey: service.adminKey,
    backoff: { firstMs: 5, maxMs: 50, random: Math.random },
  });

const sequences = (events: readonly EventRecord[]) => events.map(({ sequence }) => sequence);
const upTo = (count: number, from = 1) => Array.from({ length: count }, (_, i) => from + i);

describe('a subscription', () => {
  test('joins what is stored and what is being stored, and delivers the envelopes of REST', async () => {
    const agent = await registerAgent(service);
    await push(service, agent, [
      agent.event({
        payload: { b: 1, a: ['é', 1.5] },
        commandId: crypto.randomUUID(),
        baseVersion: 0,
        entityId: 'x',
      }),
      agent.event({ vesVersion: 1, entityType: 'Ä'.repeat(60) }),
    ]);
    await store(agent, 1500);
    const line = client();
    const subscription = line.subscribe({ ...agent, agentId: agent.agentId, after: 0 });
    let head = 0;
    subscription.onCaughtUp = (at) => {
      head = at;
    };
    const writing = (async () => {
      for (let i = 0; i < 40; i++) await store(agent, 25);
    })();
    const events = await take(subscription, 2502);
    await writing;
    expect(sequences(events)).toEqual(upTo(2502));
    expect(head).toBeGreaterThanOrEqual(1502);
    const stored = await readStream(service, agent);
    events.forEach((event, i) => {
      const { sequenced_at, ...envelope } = envelopeOf(event, agent.tenantId);
      expect(envelope).toEqual({ ...stored[i], sequenced_at: undefined });
      expect(Date.parse(sequenced_at!)).toBe(Date.parse(stored[i]!.sequenced_at));
    });
    line.close();
  }, 60_000);

  test('gets no more events than it has credits for', async () => {
    const agent = await registerAgent(service);
    await store(agent, 100);
    const raw = await openClient(service);
    raw.send(subscribeFrame(agent, { credits: 30 }));
    expect(await raw.next(FRAME.subscribed, 1)).toMatchObject({ cursor: [[agent.storeId, 0]] });
    expect(sequences(await receive(raw, 1, 30))).toEqual(upTo(30));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(raw.frames).toEqual([]);
    raw.send(encodeAck({ id: 1, credits: 100, sequence: undefined }));
    expect(sequences(await receive(raw, 1, 70))).toEqual(upTo(70, 31));
    expect(await raw.next(FRAME.caughtUp, 1)).toMatchObject({ head: 100 });
    raw.send(encodeUnsubscribe(1));
    expect(await raw.next(FRAME.ended, 1)).toMatchObject({ code: undefined, cursor: [[agent.storeId, 100]] });
    raw.close();
  });

  test('with a filter gets what passes, in the order of the stream', async () => {
    const agent = await registerAgent(service);
    const events = Array.from({ length: 30 }, (_, i) => agent.event({ eventType: `t${i % 3}` }));
    await push(service, agent, events);
    const line = client();
    const subscription = line.subscribe({
      ...agent,
      agentId: agent.agentId,
      after: 0,
      filter: { eventTypes: ['t1'] },
    });
    expect(sequences(await take(subscription, 10))).toEqual(upTo(10).map((i) => 3 * i - 1));
    line.close();
  });

  test('without a start gets only what comes later; with an agent it goes on from the durable cursor', async () => {
    const agent = await registerAgent(service);
    await store(agent, 10);
    const line = client();
    const { agentId: _, ...stream } = agent;
    const live = line.subscribe(stream);
    const caughtUp = new Promise((resolve) => {
      live.onCaughtUp = resolve;
    });
    const first = line.subscribe({ ...agent, after: 0 });
    expect(sequences(await take(line.subscribe({ ...agent, after: 3 }), 2))).toEqual([4, 5]);
    await first.ack(7);
    first.close();
    await caughtUp;
    await store(agent, 1);
    expect(sequences(await take(live, 1))).toEqual([11]);
    expect(sequences(await take(line.subscribe(agent), 4))).toEqual([8, 9, 10, 11]);
    const ahead = line.subscribe({ ...agent, after: 0 });
    await expect(ahead.ack(99)).rejects.toMatchObject({ code: 'INVALID_FIELD_VALUE' });
    line.close();
  });

  test('of another tenant is refused', async () => {
    const [mine, theirs] = [await registerAgent(service), await registerAgent(service)];
    const { body } = await call(service, 'POST', `/api/v1/agents/${mine.agentId}/api-keys`, {
      body: { tenantId: mine.tenantId },
    });
    const raw = await openClient(service, body.apiKey);
    raw.send(subscribeFrame(theirs));
    expect(await raw.next(FRAME.ended, 1)).toMatchObject({ code: 'INSUFFICIENT_PERMISSIONS' });
    raw.send(subscribeFrame(mine));
    await raw.next(FRAME.subscribed, 1);
    raw.close();
  });

  test('survives cuts at any moment without loss or repetition', async () => {
    const agent = await registerAgent(service);
    await store(agent, 1000);
    const proxy = await startProxy(service.port);
    const lines = Array.from({ length: 5 }, () => client(`http://127.0.0.1:${proxy.port}`));
    const storm = setInterval(() => proxy.cutAll(), 70);
    const logs = lines.map((line) => take(line.subscribe({ ...agent, after: 0, window: 100 }), 3000));
    for (let i = 0; i < 40; i++) await store(agent, 50);
    const all = await Promise.all(logs);
    clearInterval(storm);
    for (const events of all) expect(sequences(events)).toEqual(upTo(3000));
    for (const line of lines) line.close();
    await proxy.close();
  }, 60_000);
});

test('a tenant’s subscription follows its streams, also new ones, from a vector cursor', async () => {
  const agent = await registerAgent(service);
  const second = agent.at({ storeId: crypto.randomUUID() });
  const third = agent.at({ storeId: crypto.randomUUID() });
  await store(agent, 10);
  await store(second, 5);
  const raw = await openClient(service);
  raw.send(
    encodeSubscribeTenant({
      id: 4,
      tenantId: agent.tenantId,
      storeIds: undefined,
      cursor: [[agent.storeId, 8]],
      othersFromBeginning: true,
      credits: 1000,
      filter: undefined,
    }),
  );
  await raw.next(FRAME.caughtUp, 4);
  await store(third, 3);
  const seen = new Map<string, number[]>();
  for (let count = 0; count < 10; ) {
    const frame = await raw.next(FRAME.storeEvents, 4);
    seen.set(frame.storeId!, [...(seen.get(frame.storeId!) ?? []), ...sequences(frame.events)]);
    count += frame.events.length;
  }
  expect(seen.get(agent.storeId)).toEqual([9, 10]);
  expect(seen.get(second.storeId)).toEqual(upTo(5));
  expect(seen.get(third.storeId)).toEqual(upTo(3));
  raw.close();
});

test('a tenant’s subscription that was cut before it heard of a stream misses nothing of it', async () => {
  const quiet = await registerAgent(service);
  const later = quiet.at({ storeId: crypto.randomUUID() });
  const unborn = quiet.at({ storeId: crypto.randomUUID() });
  await store(quiet, 5);
  await store(later, 4);
  const follow = async (cursor: readonly StoreCursor[], othersFromBeginning: boolean) => {
    const raw = await openClient(service);
    raw.send(
      encodeSubscribeTenant({
        id: 4,
        tenantId: quiet.tenantId,
        storeIds: undefined,
        cursor,
        othersFromBeginning,
        credits: 1000,
        filter: undefined,
      }),
    );
    const subscribed = await raw.next(FRAME.subscribed, 4);
    await raw.next(FRAME.caughtUp, 4);
    return { raw, cursor: subscribed.cursor };
  };
  // From the head: the answer says where that was, for every stream.
  const first = await follow([], false);
  expect(new Map(first.cursor)).toEqual(
    new Map([
      [quiet.storeId, 5],
      [later.storeId, 4],
    ]),
  );
  expect(first.raw.frames).toEqual([]);
  first.raw.socket.terminate();
  await store(later, 2);
  await store(unborn, 3);
  const second = await follow(first.cursor, true);
  const seen = new Map<string, number[]>();
  for (const frame of second.raw.frames)
    if (frame.type === FRAME.storeEvents) seen.set(frame.storeId!, sequences(frame.events));
  expect(seen).toEqual(
    new Map([
      [later.storeId, [5, 6]],
      [unborn.storeId, [1, 2, 3]],
    ]),
  );
  second.raw.close();
});

describe('the client’s subscription to a tenant', () => {
  test('survives cuts at any moment, for every stream, also for those that appear meanwhile', async () => {
    const first = await registerAgent(service);
    const { tenantId } = first;
    const agents = [first, ...[1, 2, 3].map(() => first.at({ storeId: crypto.randomUUID() }))];
    await store(first, 300);
    const proxy = await startProxy(service.port);
    const line = client(`http://127.0.0.1:${proxy.port}`);
    const after = new Map([[first.storeId.toUpperCase(), 100]]);
    const subscription = line.subscribeTenant({ tenantId, after, window: 50 });
    const log = take(subscription, 200 + 320 + 240 + 160 + 80);
    const storm = setInterval(() => proxy.cutAll(), 70);
    // A further stream appears every eight rounds.
    for (let round = 0; round < 32; round++)
      for (const agent of agents.slice(0, 1 + round / 8)) await store(agent, 10);
    const events = await log;
    clearInterval(storm);
    const numbersOf = ({ storeId }: TestAgent) =>
      sequences(events.filter((event) => event.storeId === storeId));
    expect(agents.map(numbersOf)).toEqual([upTo(520, 101), upTo(240), upTo(160), upTo(80)]);
    expect(subscription.cursor).toEqual(
      new Map(agents.map(({ storeId }, i) => [storeId, [620, 240, 160, 80][i]!])),
    );
    line.close();
    await proxy.close();
  }, 60_000);

  test('goes on from the vector of the one before, or from now on without one', async () => {
    const agent = await registerAgent(service);
    const { tenantId } = agent;
    const other = agent.at({ storeId: crypto.randomUUID() });
    const later = agent.at({ storeId: crypto.randomUUID() });
    for (const each of [agent, other]) await store(each, 10);
    const line = client();
    const before = line.subscribeTenant({ tenantId });
    expect(before.cursor).toBeUndefined();
    await new Promise<void>((resolve) => {
      before.onCaughtUp = resolve;
    });
    await store(agent, 5);
    expect(sequences(await take(before, 3))).toEqual([11, 12, 13]);
    expect(before.cursor).toEqual(
      new Map([
        [agent.storeId, 13],
        [other.storeId, 10],
      ]),
    );
    await store(later, 2);
    const next = line.subscribeTenant({
      tenantId,
      after: before.cursor!,
      stores: [agent.storeId, later.storeId],
    });
    const events = await take(next, 4);
    const numbersOf = ({ storeId }: TestAgent) =>
      sequences(events.filter((event) => event.storeId === storeId));
    expect([agent, later].map(numbersOf)).toEqual([
      [14, 15],
      [1, 2],
    ]);
    line.close();
  });
});

test('a filter of which nothing passes goes on behind what it has seen', async () => {
  const agent = await registerAgent(service);
  const { agentId: _, ...stream } = agent;
  const other = agent.at({ storeId: crypto.randomUUID() });
  await store(agent, 3);
  const line = client();
  const filter = { eventTypes: ['rare'] };
  const one = line.subscribe({ ...stream, after: 0, filter });
  const all = line.subscribeTenant({ tenantId: agent.tenantId, after: new Map(), filter });
  const log = take(all, 1);
  await store(agent, 20);
  await store(other, 7);
  // From one look of the service at its connections to the next.
  const poll = { timeout: 15_000, interval: 200 };
  await expect.poll(() => one.cursor, poll).toBe(23);
  const vector = new Map([
    [agent.storeId, 23],
    [other.storeId, 7],
  ]);
  await expect.poll(() => all.cursor, poll).toEqual(vector);

  const raw = await openClient(service);
  raw.send(subscribeFrame(agent, { filter: { entityTypes: [], entityIds: [], agents: [], ...filter } }));
  await raw.next(FRAME.caughtUp, 1);
  await store(agent, 2);
  expect(await raw.next(FRAME.events, 1)).toMatchObject({ first: 24, last: 25, head: 25, events: [] });
  await push(service, agent, [agent.event({ eventType: 'rare' })]);
  expect(await raw.next(FRAME.events, 1)).toMatchObject({ first: 26, last: 26, count: 1 });
  expect(sequences(await log)).toEqual([26]);
  expect(sequences(await take(one, 1))).toEqual([26]);
  raw.close();
  line.close();
}, 60_000);

test('a subscriber that never reads is cut, and the others do not wait for it', async () => {
  const agent = await registerAgent(service);
  const socket = connect(service.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(
    `GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ${SUBPROTOCOL}\r\n\r\n`,
  );
  await new Promise((resolve) => socket.once('data', resolve));
  const authorization = `ApiKey ${service.adminKey}`;
  socket.write(masked(encodeHello({ versionMin: 1, versionMax: 1, authorization, agent: undefined })));
  await new Promise((resolve) => socket.once('data', resolve));
  socket.pause();
  socket.write(masked(subscribeFrame(agent, { credits: 1_000_000 })));

  const line = client();
  const reader = take(line.subscribe({ ...agent, after: 0 }), 1600);
  await store(agent, 1600, { text: 'x'.repeat(8000) });
  expect(sequences(await reader)).toEqual(upTo(1600));
  await expect
    .poll(
      async () => /^sequencer_ws_slow_consumers_cut 1$/m.test((await call(service, 'GET', '/metrics')).text),
      {
        timeout: 15_000,
        interval: 300,
      },
    )
    .toBe(true);
  expect(service.residentBytes()).toBeLessThan(1024 ** 3);
  line.close();
  socket.destroy();
}, 60_000);

test('many subscribers of a stream each get all of it', async () => {
  const agent = await registerAgent(service);
  const raws = await Promise.all(Array.from({ length: 200 }, () => openClient(service)));
  for (const raw of raws) raw.send(subscribeFrame(agent, { credits: 1_000_000 }));
  await store(agent, 1000);
  const expected = upTo(1000);
  for (const raw of raws) {
    expect(sequences(await receive(raw, 1, 1000))).toEqual(expected);
    raw.close();
  }
}, 60_000);

test('a socket that takes everything at once does not leave its subscription waiting for room', async () => {
  const agent = await registerAgent(service);
  await store(agent, 3200);
  const raw = await openClient(service);
  // Pages are larger than the limit of 64 KiB, and the kernel’s buffers mostly larger than the pages.
  for (let id = 1; id <= 30; id++) {
    raw.send(subscribeFrame(agent, { id, credits: 1_000_000 }));
    expect((await receive(raw, id, 3200)).at(-1)!.sequence).toBe(3200);
    raw.send(encodeUnsubscribe(id));
  }
  raw.close();
}, 60_000);

test('a service that stops says where to go on, and closes with 1001', async () => {
  const other = await startTestService({ database: service.database });
  const agent = await registerAgent(other);
  await push(other, agent, some(agent, 5));
  const raw = await openClient(other);
  raw.send(subscribeFrame(agent));
  await receive(raw, 1, 5);
  const stopped = other.stop();
  expect(await raw.next(FRAME.ended, 1)).toMatchObject({
    code: 'SERVICE_UNAVAILABLE',
    cursor: [[agent.storeId, 5]],
  });
  expect(await raw.closed).toMatchObject({ code: 1001 });
  expect(await stopped).toBe(0);
});

/** A binary WebSocket frame of a client (RFC 6455 section 5.2). */
function masked(payload: Uint8Array): Buffer {
  const mask = randomBytes(4);
  const head =
    payload.length < 126
      ? Buffer.from([0x82, 0x80 | payload.length])
      : Buffer.from([0x82, 0xfe, payload.length >> 8, payload.length & 0xff]);
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ mask[i % 4]!)]);
}

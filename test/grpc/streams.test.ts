import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { v1, v2 } from '../../engine/wire-proto/index.js';
import type { TestAgent } from '../support/agents.js';
import { envelopeMessage, pushMessage } from './messages.js';
import { startTestGrpc, type TestClient, type TestGrpc } from './support.js';

let grpc: TestGrpc;
let client: TestClient;
beforeAll(async () => {
  grpc = await startTestGrpc({ SLOW_CONSUMER_SECS: '1' });
  client = grpc.client();
});
afterAll(() => grpc?.close());

const { push, streamEvents, subscribeEntity, syncStream } = v2.Sequencer.method;
const place = ({ tenantId, storeId }: { tenantId: string; storeId: string }) => ({ tenantId, storeId });
const send = (agent: TestAgent, count: number, parts = {}) =>
  client.call(
    push,
    pushMessage(
      agent,
      Array.from({ length: count }, () => envelopeMessage(agent.event(parts))),
    ),
  );
const numbers = (events: readonly v2.SequencedEvent[]) => events.map((event) => Number(event.sequenceNumber));
const upTo = (count: number, from = 1) => Array.from({ length: count }, (_, i) => from + i);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('StreamEvents', () => {
  test('history and live events are one sequence', async () => {
    const agent = await grpc.agent();
    await send(agent, 250);
    const stream = client.stream(streamEvents, { ...place(agent), includeHistory: true });
    await stream.until(100);
    await send(agent, 30);
    await stream.until(280);
    expect(numbers(stream.messages)).toEqual(upTo(280));
    stream.cancel();
    expect(await stream.ended).toMatchObject({ status: status.CANCELLED });
  });

  test('resumes behind the last number a client has', async () => {
    const agent = await grpc.agent();
    await send(agent, 10);
    const stream = client.stream(streamEvents, { ...place(agent), includeHistory: true, fromSequence: 8n });
    expect(numbers(await stream.until(3))).toEqual([8, 9, 10]);
    stream.cancel();
  });

  test('without history begins with what comes after the call', async () => {
    const agent = await grpc.agent();
    await send(agent, 5);
    const stream = client.stream(streamEvents, { ...place(agent), fromSequence: 1n });
    await stream.headers;
    await send(agent, 2);
    expect(numbers(await stream.until(2))).toEqual([6, 7]);
    stream.cancel();
  });

  test('filters by every list', async () => {
    const agent = await grpc.agent();
    await send(agent, 2, { entityType: 'order', eventType: 'a' });
    await send(agent, 2, { entityType: 'cart', eventType: 'b' });
    await send(agent, 1, { entityType: 'order', eventType: 'b' });
    const stream = client.stream(streamEvents, {
      ...place(agent),
      includeHistory: true,
      entityTypeFilter: ['order'],
      eventTypeFilter: ['b', 'c'],
      agentFilter: [agent.agentId.toUpperCase()],
    });
    expect(numbers(await stream.until(1))).toEqual([5]);
    await send(agent, 1, { entityType: 'order', eventType: 'c' });
    expect(numbers(await stream.until(2))).toEqual([5, 6]);
    stream.cancel();
  });

  test('pings the connection as often as it was asked to', async () => {
    const agent = await grpc.agent();
    const stream = client.stream(streamEvents, { ...place(agent), heartbeatIntervalMs: 1000 });
    expect((await stream.headers).get('x-heartbeat-interval-ms')).toEqual(['1000']);
    await sleep(1300);
    expect(stream.messages).toEqual([]);
    stream.cancel();
    const refused = client.stream(streamEvents, { ...place(agent), heartbeatIntervalMs: 10 });
    expect(await refused.ended).toMatchObject({ status: status.INVALID_ARGUMENT });
  });

  test('ends with its place when its credentials do, and so does a SyncStream', async () => {
    const agent = await grpc.agent();
    const key = await grpc.apiKey({ tenantId: agent.tenantId });
    await send(agent, 3);
    const reader = grpc.client({ key });
    const stream = reader.stream(streamEvents, { ...place(agent), includeHistory: true });
    await stream.until(3);
    const sync = reader.bidi(syncStream);
    sync.send({ message: { case: 'heartbeat', value: {} } });
    await sync.until(1);
    const narrowed = grpc.client({
      key: await grpc.apiKey({ tenantId: agent.tenantId, agentId: agent.agentId }),
    });
    const narrow = narrowed.stream(streamEvents, place(agent));
    await narrow.headers;
    await grpc.sql`update api_keys set active = false where tenant_id = ${agent.tenantId} and agent_id is null`;
    await grpc.sql`update api_keys set can_read = false where agent_id = ${agent.agentId}`;
    const failure = (await stream.ended)!;
    expect(failure).toMatchObject({ status: status.UNAUTHENTICATED, code: 'INVALID_API_KEY' });
    expect(failure.trailers.get('x-resume-sequence')).toEqual(['4']);
    expect(await sync.ended).toMatchObject({ status: status.UNAUTHENTICATED });
    expect(await narrow.ended).toMatchObject({ status: status.PERMISSION_DENIED });
  }, 20_000);

  test('a client that does not read is cut and told where to go on', async () => {
    const agent = await grpc.agent();
    const payload = { text: 'x'.repeat(20_000) };
    for (let i = 0; i < 10; i++) await send(agent, 50, { payload });
    const stream = client.stream(streamEvents, { ...place(agent), includeHistory: true });
    await stream.until(1);
    stream.pause();
    await sleep(1500);
    stream.resume();
    const failure = (await stream.ended)!;
    expect(failure).toMatchObject({ status: status.RESOURCE_EXHAUSTED, code: 'OVERLOADED' });
    const resume = Number(failure.trailers.get('x-resume-sequence')[0]);
    expect(numbers(stream.messages)).toEqual(upTo(resume - 1));
    expect(resume).toBeLessThan(500);
    const rest = client.stream(streamEvents, {
      ...place(agent),
      includeHistory: true,
      fromSequence: BigInt(resume),
    });
    expect(numbers(await rest.until(501 - resume))).toEqual(upTo(501 - resume, resume));
    rest.cancel();
  });

  test('a client that never reads again loses its call', async () => {
    const agent = await grpc.agent();
    for (let i = 0; i < 10; i++) await send(agent, 50, { payload: { text: 'x'.repeat(20_000) } });
    const stubborn = grpc.client();
    const before = grpc.gateway.stats.callsUnderWay;
    const stream = stubborn.stream(streamEvents, { ...place(agent), includeHistory: true });
    await stream.until(1);
    stream.pause();
    await expect.poll(() => grpc.gateway.stats.callsUnderWay, { timeout: 5000 }).toBe(before);
    await sleep(1300);
    stream.resume();
    expect(await stream.ended).toMatchObject({ status: expect.any(Number) });
  });
});

describe('SubscribeEntity', () => {
  test('tells all of one entity and nothing else', async () => {
    const agent = await grpc.agent();
    await send(agent, 1, { entityId: 'a' });
    await send(agent, 1, { entityId: 'b' });
    const request = { ...place(agent), entityType: 'order', entityId: 'a', includeHistory: true };
    const stream = client.stream(subscribeEntity, request);
    await stream.until(1);
    await send(agent, 1, { entityId: 'b' });
    await send(agent, 1, { entityId: 'a' });
    expect(numbers(await stream.until(2))).toEqual([1, 4]);
    stream.cancel();
    const later = client.stream(subscribeEntity, { ...request, afterSequence: 1n });
    expect(numbers(await later.until(1))).toEqual([4]);
    later.cancel();
    const refused = client.stream(subscribeEntity, { ...request, entityId: '' });
    expect(await refused.ended).toMatchObject({ status: status.INVALID_ARGUMENT });
  });
});

describe('SyncStream', () => {
  const cases = (stream: { messages: v2.SyncMessage[] }) =>
    stream.messages.map(({ message }) => message.case);

  test('answers pushes in order, pages, heartbeats and acknowledgements, then tells live events', async () => {
    const agent = await grpc.agent();
    const key = await grpc.apiKey({ tenantId: agent.tenantId, agentId: agent.agentId });
    const sync = grpc.client({ key }).bidi(syncStream);
    for (let i = 0; i < 20; i++)
      sync.send({
        message: { case: 'push', value: pushMessage(agent, [envelopeMessage(agent.event())], `p-${i}`) },
      });
    await sync.until(20);
    expect(cases(sync)).toEqual(new Array(20).fill('pushResponse'));
    expect(sync.messages.map(({ message }) => (message.value as v2.PushResponse).requestId)).toEqual(
      upTo(20, 0).map((i) => `p-${i}`),
    );
    expect(
      sync.messages.map(({ message }) => Number((message.value as v2.PushResponse).sequenceStart)),
    ).toEqual(upTo(20));

    sync.send({ message: { case: 'heartbeat', value: { lastSeenSequence: 7n } } });
    await sync.until(21);
    expect(sync.messages[20]!.message).toMatchObject({
      case: 'serverHeartbeat',
      value: { lastSeenSequence: 7n },
    });

    sync.send({ message: { case: 'pull', value: { ...place(agent), limit: 100 } } });
    await sync.until(22);
    const page = sync.messages[21]!.message.value as v2.PullEventsResponse;
    expect(numbers(page.events)).toEqual(upTo(20));

    await send(agent, 2);
    await sync.until(24);
    expect(cases(sync).slice(22)).toEqual(['event', 'event']);
    expect(numbers(sync.messages.slice(22).map(({ message }) => message.value as v2.SequencedEvent))).toEqual(
      [21, 22],
    );

    sync.send({ message: { case: 'ack', value: { sequenceNumbers: [20n, 21n] } } });
    await sync.until(25);
    expect(sync.messages[24]!.message).toMatchObject({
      case: 'syncState',
      value: { acknowledgedSequence: 21n, headSequence: 22n, lag: 1n },
    });
    sync.end();
    expect(await sync.ended).toBeUndefined();
  });

  test('a message that fails is answered and the stream goes on', async () => {
    const agent = await grpc.agent();
    const sync = client.bidi(syncStream);
    sync.send({ message: { case: 'push', value: pushMessage(agent, [], 'empty') } });
    sync.send({ message: { case: 'pull', value: { tenantId: 'x', storeId: agent.storeId } } });
    sync.send({ message: { case: 'ack', value: {} } });
    sync.send({ message: { case: 'serverHeartbeat', value: {} } });
    sync.send({ message: { case: 'push', value: pushMessage(agent, [envelopeMessage(agent.event())]) } });
    await sync.until(4);
    const errors = sync.messages.flatMap(({ message }) => (message.case === 'error' ? [message.value] : []));
    expect(errors).toHaveLength(3);
    for (const error of errors) expect(error.status).toBe(status.INVALID_ARGUMENT);
    expect(errors.map((error) => error.requestId)).toContain('empty');
    expect(cases(sync)).toContain('pushResponse');
    sync.end();
    expect(await sync.ended).toBeUndefined();
  });

  test('bytes that are no message end it', async () => {
    const sync = client.bidi(syncStream);
    sync.sendRaw(Buffer.from([0xff, 0xff, 0xff]));
    expect(await sync.ended).toMatchObject({ status: status.INVALID_ARGUMENT, code: 'INVALID_REQUEST_BODY' });
  });

  test('tells nothing without permission to read, and nothing of other stores', async () => {
    const agent = await grpc.agent();
    const writer = grpc.client({
      key: await grpc.apiKey({ tenantId: agent.tenantId, canRead: false }),
    });
    const sync = writer.bidi(syncStream);
    sync.send({ message: { case: 'push', value: pushMessage(agent, [envelopeMessage(agent.event())]) } });
    sync.send({ message: { case: 'pull', value: place(agent) } });
    sync.send({ message: { case: 'ack', value: { ...place(agent), agentHeadSequence: 0n } } });
    await sync.until(3);
    expect(cases(sync).sort()).toEqual(['error', 'error', 'pushResponse']);
    await send(agent, 3);
    await sleep(100);
    expect(sync.messages).toHaveLength(3);
    sync.cancel();

    const elsewhere = grpc.client({
      key: await grpc.apiKey({ tenantId: agent.tenantId, storeIds: [crypto.randomUUID()] }),
    });
    const other = elsewhere.bidi(syncStream);
    other.send({ message: { case: 'pull', value: place(agent) } });
    await other.until(1);
    expect(other.messages[0]!.message).toMatchObject({
      case: 'error',
      value: { status: status.PERMISSION_DENIED },
    });
    other.cancel();
  });
});

describe('v1 Pull', () => {
  test('pages to the head, waits for more, and filters by entity', async () => {
    const agent = await grpc.agent();
    const legacy = (entityId: string, count: number) =>
      client.call(v1.Sequencer.method.push, {
        agentId: agent.agentId,
        events: Array.from({ length: count }, () => ({
          eventId: crypto.randomUUID(),
          ...place(agent),
          entityType: 'order',
          entityId,
          eventType: 'e',
          payload: Buffer.from('1'),
          sourceAgent: agent.agentId,
        })),
      });
    await legacy('a', 5);
    const all = client.stream(v1.Sequencer.method.pull, { ...place(agent), batchSize: 2 });
    expect(await all.ended).toBeUndefined();
    expect(all.messages.map((page) => [page.events.length, Number(page.nextSequence), page.hasMore])).toEqual(
      [
        [2, 3, true],
        [2, 5, true],
        [1, 6, false],
      ],
    );
    const beyond = client.stream(v1.Sequencer.method.pull, { ...place(agent), fromSequence: 50n });
    expect(await beyond.ended).toBeUndefined();
    expect(beyond.messages.map((page) => [page.events.length, Number(page.nextSequence)])).toEqual([[0, 6]]);
    const waiting = client.stream(v1.Sequencer.method.pull, {
      ...place(agent),
      fromSequence: 6n,
      batchSize: 10,
      entityIdFilter: 'b',
      waitForNew: true,
      waitTimeoutMs: 1000,
    });
    await waiting.until(1);
    await legacy('a', 1);
    await waiting.until(2);
    await legacy('b', 1);
    await waiting.until(3);
    expect(
      waiting.messages.flatMap((page) => page.events.map((event) => Number(event.sequenceNumber))),
    ).toEqual([7]);
    expect(await waiting.ended).toBeUndefined();
  });
});

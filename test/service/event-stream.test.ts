/** Streams over HTTP on running services: history and live events joined, other processes, resumption, filters, slow clients. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { call, type Json, push, readStream, registerAgent, type TestAgent } from '../support/agents.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
beforeAll(async () => {
  service = await startTestService({ env: { STREAM_HEARTBEAT_SECS: '1', SLOW_CONSUMER_SECS: '2' } });
});

const open = new Set<AbortController>();
afterEach(() => {
  for (const controller of open) controller.abort();
  open.clear();
});

/** A client that collects lines. */
interface Follower {
  readonly lines: Json[];
  readonly sequences: () => number[];
  /** Resolves when the service has ended the answer. */
  readonly ended: Promise<void>;
  stop(): void;
}

async function follow(
  at: TestService,
  agent: Pick<TestAgent, 'tenantId' | 'storeId'>,
  query: Record<string, string> = {},
  headers: Record<string, string> = {},
): Promise<Follower> {
  const controller = new AbortController();
  open.add(controller);
  const search = new URLSearchParams({ tenant_id: agent.tenantId, store_id: agent.storeId, ...query });
  const response = await fetch(`${at.url}/api/v1/ves/events/stream?${search}`, {
    headers: { authorization: `ApiKey ${at.adminKey}`, ...headers },
    signal: controller.signal,
  });
  expect(response.status).toBe(200);
  const lines: Json[] = [];
  const read = async () => {
    let rest = '';
    const decoder = new TextDecoder();
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
      const parts = (rest + decoder.decode(piece, { stream: true })).split('\n');
      rest = parts.pop()!;
      for (const part of parts) if (part !== '') lines.push(JSON.parse(part));
    }
  };
  const ended = read().catch(() => {});
  return {
    lines,
    sequences: () => lines.flatMap((line) => (line.envelope ? [line.envelope.sequence_number] : [])),
    ended,
    stop: () => controller.abort(),
  };
}

const events = (agent: TestAgent, count: number, draft: object = {}) =>
  Array.from({ length: count }, () => agent.event(draft));
const upTo = (count: number, from = 1) => Array.from({ length: count }, (_, i) => from + i);

describe('one stream', () => {
  test('history and live events follow on each other, and are what the range read answers', async () => {
    const agent = await registerAgent(service);
    for (let i = 0; i < 13; i++) await push(service, agent, events(agent, 100));
    const follower = await follow(service, agent);
    for (let i = 0; i < 40; i++) await push(service, agent, events(agent, 1 + (i % 7)));
    const total = (
      await call(service, 'GET', `/api/v1/ves/head?tenant_id=${agent.tenantId}&store_id=${agent.storeId}`)
    ).body.head_sequence;
    await expect.poll(() => follower.sequences().length, { timeout: 20_000 }).toBe(total);
    expect(follower.sequences()).toEqual(upTo(total));
    const stored = await readStream(service, agent);
    expect(follower.lines.flatMap((line) => (line.envelope ? [line.envelope] : []))).toEqual(
      stored.map((event: Json) => event.envelope ?? event),
    );
    expect(follower.lines.filter((line) => line.caught_up)).not.toEqual([]);
  });

  test('many followers that begin anywhere, while events are written, each see every later event once', async () => {
    const agent = await registerAgent(service);
    await push(service, agent, events(agent, 500));
    const followers: { from: number; follower: Follower }[] = [];
    const writing = (async () => {
      for (let i = 0; i < 60; i++) await push(service, agent, events(agent, 20));
    })();
    for (let i = 0; i < 25; i++) {
      const from = (i * 97) % 700;
      followers.push({ from, follower: await follow(service, agent, { after: String(from) }) });
    }
    await writing;
    for (const { from, follower } of followers) {
      await expect.poll(() => follower.sequences().at(-1), { timeout: 20_000 }).toBe(1700);
      expect(follower.sequences()).toEqual(upTo(1700 - from, from + 1));
    }
  });

  test('live=false ends at the head', async () => {
    const agent = await registerAgent(service);
    await push(service, agent, events(agent, 30));
    const follower = await follow(service, agent, { live: 'false', after: '10' });
    await follower.ended;
    expect(follower.sequences()).toEqual(upTo(20, 11));
  });

  test('filters let the right events pass, from history and live', async () => {
    const agent = await registerAgent(service);
    const draft = (i: number) => ({
      entityType: i % 2 ? 'order' : 'stock',
      entityId: `e-${i % 5}`,
      eventType: i % 3 ? 'changed' : 'made',
    });
    const write = (from: number) =>
      push(
        service,
        agent,
        Array.from({ length: 50 }, (_, i) => agent.event(draft(from + i))),
      );
    await write(0);
    const wanted = (test: (d: ReturnType<typeof draft>) => boolean) =>
      upTo(100).filter((n) => test(draft(n - 1)));
    const one = await follow(service, agent, { entity_type: 'order', entity_id: 'e-3' });
    const two = await follow(service, agent, { event_type: 'made' });
    const none = await follow(service, agent, { event_type: 'nothing' });
    await write(50);
    const isOne = (d: ReturnType<typeof draft>) => d.entityType === 'order' && d.entityId === 'e-3';
    await expect.poll(() => one.sequences(), { timeout: 10_000 }).toEqual(wanted(isOne));
    await expect
      .poll(() => two.sequences(), { timeout: 10_000 })
      .toEqual(wanted((d) => d.eventType === 'made'));
    await expect.poll(() => none.lines.at(-1)?.heartbeat?.cursor, { timeout: 10_000 }).toBe(100);
    expect(none.sequences()).toEqual([]);
  });

  test('heartbeats of server-sent events take the id behind what did not pass the filter', async () => {
    const agent = await registerAgent(service);
    await push(service, agent, events(agent, 5));
    const search = `tenant_id=${agent.tenantId}&store_id=${agent.storeId}&event_type=nothing`;
    const response = await fetch(`${service.url}/api/v1/ves/events/stream?${search}`, {
      headers: { authorization: `ApiKey ${service.adminKey}`, accept: 'text/event-stream' },
    });
    let text = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.includes('\n: ')) break;
    }
    expect(text).toBe('event: caught-up\ndata: {"head_sequence":5}\n\n: cursor 5, head 5\nid: 5\n\n');
  });

  test('server-sent events carry the number as id, and Last-Event-ID resumes behind it', async () => {
    const agent = await registerAgent(service);
    await push(service, agent, events(agent, 5));
    const search = `tenant_id=${agent.tenantId}&store_id=${agent.storeId}&live=false`;
    const read = async (headers: object) => {
      const response = await fetch(`${service.url}/api/v1/ves/events/stream?${search}`, {
        headers: { authorization: `ApiKey ${service.adminKey}`, accept: 'text/event-stream', ...headers },
      });
      expect(response.headers.get('content-type')).toBe('text/event-stream');
      return (await response.text()).split('\n\n').filter(Boolean);
    };
    const all = await read({});
    expect(all.map((block) => /^id: (\d+)\nevent: ves\ndata: \{/.exec(block)?.[1])).toEqual([
      '1',
      '2',
      '3',
      '4',
      '5',
    ]);
    expect(await read({ 'last-event-id': '3' })).toEqual(all.slice(3));
    const bad = await call(service, 'GET', `/api/v1/ves/events/stream?${search}`, {
      headers: { 'last-event-id': 'x' },
    });
    expect([bad.status, bad.body.error.code]).toEqual([400, 'INVALID_FIELD_VALUE']);
  });
});

test('events that another process writes arrive as well', async () => {
  if (service.database === 'embedded') throw new Error('the services share a test database');
  const other = await startTestService({ database: service.database, dataDir: service.dataDir });
  const agent = await registerAgent(service);
  await push(service, agent, events(agent, 10));
  const here = await follow(service, agent);
  const there = await follow(other, agent);
  for (let i = 0; i < 30; i++) await push(i % 2 ? service : other, agent, events(agent, 5));
  for (const follower of [here, there]) {
    await expect.poll(() => follower.sequences().length, { timeout: 20_000 }).toBe(160);
    expect(follower.sequences()).toEqual(upTo(160));
  }
  await other.stop();
}, 60_000);

test('a client that does not read is cut off, and everybody else goes on', async () => {
  const agent = await registerAgent(service);
  const payload = { text: 'x'.repeat(20_000) };
  for (let i = 0; i < 10; i++) await push(service, agent, events(agent, 100, { payload }));
  const socket = connect(service.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.pause();
  socket.write(
    `GET /api/v1/ves/events/stream?tenant_id=${agent.tenantId}&store_id=${agent.storeId} HTTP/1.1\r\nhost: x\r\n` +
      `authorization: ApiKey ${service.adminKey}\r\n\r\n`,
  );
  const gone = new Promise<void>((resolve) => {
    socket.on('error', () => resolve());
    socket.on('close', () => resolve());
  });
  const follower = await follow(service, agent);
  await push(service, agent, events(agent, 5));
  await expect.poll(() => follower.sequences().length, { timeout: 20_000 }).toBe(1005);
  await new Promise((resolve) => setTimeout(resolve, 5000));
  let bytes = 0;
  socket.on('data', (piece) => {
    bytes += piece.length;
  });
  socket.resume();
  await gone;
  // What fits into the sockets' buffers, not the 20 MB of the stream.
  expect(bytes).toBeLessThan(16_000_000);
}, 60_000);

test('a service that stops tells its followers where to go on', async () => {
  const own = await startTestService();
  const agent = await registerAgent(own);
  await push(own, agent, events(agent, 7));
  const follower = await follow(own, agent);
  await expect.poll(() => follower.sequences().length, { timeout: 10_000 }).toBe(7);
  await own.stop();
  await follower.ended;
  expect(follower.lines.at(-1)).toMatchObject({ error: { code: 'SERVICE_UNAVAILABLE' }, cursor: 7 });
}, 60_000);

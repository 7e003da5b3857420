import pino from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../engine/config/index.js';
import {
  type ConsumerGroups,
  createConsumerGroups,
  createCursorService,
} from '../../engine/consumers/index.js';
import { createAuditor } from '../../gateway/audit.js';
import { createAuthenticator } from '../../gateway/auth/authenticate.js';
import { createBodyBudget } from '../../gateway/http/body.js';
import { createServer } from '../../gateway/http/server.js';
import { consumerGroupRoutes } from '../../gateway/routes/consumer-groups.js';
import { cursorRoutes } from '../../gateway/routes/cursors.js';
import {
  AGENT,
  BOOTSTRAP_KEY,
  OTHER_AGENT,
  OTHER_STORE,
  OTHER_TENANT,
  STORE,
  startTestGateway,
  TENANT,
} from '../gateway/support.js';
import { appendEvents } from './support.js';

let g: Awaited<ReturnType<typeof startTestGateway>>;
let groups: ConsumerGroups;
let url: string;
let closeServer: () => Promise<void>;

beforeAll(async () => {
  g = await startTestGateway(); // for its database and keys
  groups = createConsumerGroups({ sql: g.sql });
  const config = loadConfig({ BOOTSTRAP_ADMIN_API_KEY: BOOTSTRAP_KEY });
  const log = pino({ level: 'silent' });
  const authenticator = createAuthenticator(config.auth, g.sql, (error) => log.warn(error));
  const server = createServer({
    host: '127.0.0.1',
    port: 0,
    routes: [
      ...cursorRoutes({ cursors: createCursorService(g) }),
      ...consumerGroupRoutes({ consumerGroups: groups, auditor: createAuditor({ config, sql: g.sql, log }) }),
    ],
    requestTimeoutMs: 30_000,
    bodyTimeoutMs: 5000,
    bodyBytesMax: 1_000_000,
    bodyBudget: createBodyBudget(10_000_000, () => 0),
    authenticate: authenticator.authenticate,
    clientAddress: (peer) => peer,
    rateGate: () => {},
    attach: () => {},
    onDone: () => {},
  });
  const { port } = await server.listen();
  url = `http://127.0.0.1:${port}/api/v1/ves`;
  closeServer = async () => {
    server.close();
    await authenticator.close();
  };
});
afterAll(async () => {
  groups.close();
  await closeServer();
  await g.close();
});

async function call(method: string, path: string, body?: unknown, key: string | null = BOOTSTRAP_KEY) {
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(key === null ? {} : { 'x-api-key': key }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: replies of every shape are looked into
  return { status: response.status, body: (await response.json()) as any };
}

const place = { tenant_id: TENANT, store_id: STORE };
const query = `?tenant_id=${TENANT}&store_id=${STORE}`;

describe('cursors', () => {
  const put = (sequenceNumber: unknown, key?: string, store = STORE) =>
    call('PUT', `/cursors/${AGENT}`, { tenantId: TENANT, storeId: store, sequenceNumber }, key);

  test('are read and moved by the agent itself and by administrators', async () => {
    await appendEvents(g.sql, { tenantId: TENANT, storeId: STORE }, ['a', 'b', 'c']);
    const own = await g.apiKey({ agentId: AGENT, canWrite: false });
    const empty = {
      tenantId: TENANT,
      storeId: STORE,
      agentId: AGENT,
      acknowledgedSequence: 0,
      headSequence: 3,
      lag: 3,
      updatedAt: null,
    };
    expect(await call('GET', `/cursors/${AGENT}${query}`, undefined, own)).toEqual({
      status: 200,
      body: empty,
    });
    const moved = await put(2, own);
    expect(moved.body).toEqual({
      ...empty,
      acknowledgedSequence: 2,
      lag: 1,
      updatedAt: expect.stringMatching(/^\d{4}-.*T.*Z$/),
    });
    expect((await put(1, own)).body).toEqual(moved.body);
    expect((await put(3)).body.lag).toBe(0);
    const beyond = await put(4, own);
    expect([beyond.status, beyond.body.code, beyond.body.message]).toEqual([
      400,
      'INVALID_FIELD_VALUE',
      'sequenceNumber cannot exceed the stream head',
    ]);
    for (const bad of ['2', -1, 1.5, undefined])
      expect((await put(bad, own)).status).toBeGreaterThanOrEqual(400);
  });

  test('are nobody else’s business', async () => {
    const refusals: [Parameters<typeof g.apiKey>[0], string][] = [
      [{ agentId: OTHER_AGENT }, 'Agent access denied'],
      [{}, 'Agent access denied'],
      [{ agentId: AGENT, canRead: false }, 'Read or admin permission required'],
      [{ agentId: AGENT, storeIds: [OTHER_STORE] }, 'Store access denied'],
      [{ agentId: AGENT, tenantId: OTHER_TENANT, canAdmin: true }, 'Tenant access denied'],
    ];
    for (const [grant, message] of refusals) {
      const key = await g.apiKey(grant);
      for (const reply of [await call('GET', `/cursors/${AGENT}${query}`, undefined, key), await put(1, key)])
        expect([reply.status, reply.body.message]).toEqual([403, message]);
    }
    expect((await call('GET', `/cursors/${AGENT}${query}`, undefined, null)).status).toBe(401);
  });
});

describe('consumer groups', () => {
  const post = (path: string, body: object, key?: string) =>
    call('POST', `/consumer-groups${path}`, { ...place, ...body }, key);

  test('from creation to deletion', async () => {
    await appendEvents(g.sql, { tenantId: TENANT, storeId: STORE }, ['x', 'y']);
    const made = await post('', { name: 'billing', partitions: 4, ack_timeout_ms: 5000 });
    expect([made.status, made.body]).toMatchObject([
      201,
      {
        created: true,
        name: 'billing',
        partitions: 4,
        ack_timeout_ms: 5000,
        max_attempts: 5,
        read_sequence: 0,
      },
    ]);
    expect((await post('', { name: 'billing', partitions: 4, ack_timeout_ms: 5000 })).status).toBe(200);
    expect((await post('', { name: 'billing' })).status).toBe(409);
    expect((await call('GET', `/consumer-groups${query}`)).body).toMatchObject({
      count: 1,
      groups: [{ name: 'billing' }],
    });

    const pulled = await post('/billing/pull', { consumer: 'w1', max: 3, wait_ms: 100 });
    expect(pulled.body.count).toBe(3);
    const [first, second, third] = pulled.body.deliveries;
    expect(first).toMatchObject({
      sequence_number: 1,
      attempt: 1,
      envelope: { sequence_number: 1, entity_id: 'a' },
    });
    expect(first.ack_deadline).toMatch(/Z$/);
    expect(
      (await post('/billing/ack', { consumer: 'w1', delivery_ids: [first.delivery_id, first.delivery_id] }))
        .body,
    ).toEqual({ acknowledged: 1, refused: [] });
    expect(
      (await post('/billing/ack', { consumer: 'w2', delivery_ids: [second.delivery_id] })).body,
    ).toMatchObject({
      acknowledged: 0,
      refused: [{ delivery_id: second.delivery_id, reason: 'lost' }],
    });
    expect(
      (
        await post('/billing/nack', {
          consumer: 'w1',
          delivery_ids: [second.delivery_id],
          park: true,
          reason: 'no',
        })
      ).body,
    ).toEqual({ returned: 0, parked: 1, withdrawn: [], refused: [] });
    expect(
      (await post('/billing/nack', { consumer: 'w1', delivery_ids: [third.delivery_id], delay_ms: 60_000 }))
        .body.returned,
    ).toBe(1);
    expect((await call('GET', `/consumer-groups/billing/parked${query}`)).body).toMatchObject({
      count: 1,
      has_more: false,
      next_after: 2,
      parked: [{ sequence_number: 2, reason: 'no', attempts: 1, consumer: 'w1' }],
    });
    const state = (await call('GET', `/consumer-groups/billing${query}`)).body;
    expect(state).toMatchObject({
      head_sequence: 5,
      settled_sequence: 2,
      lag: 3,
      in_flight: 0,
      parked: 1,
      consumers: ['w1'],
    });
    expect(state.partition_owners).toHaveLength(4);
    expect((await post('/billing/parked/replay', { sequence_numbers: 'all' })).body).toEqual({ replayed: 1 });
    expect((await post('/billing/parked/discard', { sequence_numbers: [2] })).body).toEqual({ discarded: 0 });
    expect((await post('/billing/leave', { consumer: 'w1' })).body).toEqual({ left: true });
    expect((await post('/billing/seek', { start: 'head' })).body.read_sequence).toBe(5);
    expect((await post('/billing/seek', { start: 7 })).status).toBe(400);
    const updated = await call('PUT', '/consumer-groups/billing', { ...place, max_attempts: 9 });
    expect(updated.body).toMatchObject({ max_attempts: 9, ack_timeout_ms: 5000 });
    expect((await call('DELETE', `/consumer-groups/billing${query}`)).body).toEqual({ deleted: true });
    expect((await call('GET', `/consumer-groups/billing${query}`)).status).toBe(404);
  });

  test('check every value', async () => {
    const bad: [string, object][] = [
      ['', { name: 'UPPER' }],
      ['', { name: 'x'.repeat(65) }],
      ['', { name: 'a', partitions: 0 }],
      ['', { name: 'a', partitions: 257 }],
      ['', { name: 'a', ack_timeout_ms: 10 }],
      ['', { name: 'a', start: 'middle' }],
      ['', { name: 'a', entity_types: [''] }],
      ['', { name: 'a', agents: ['x'] }],
      ['/a/pull', { consumer: 'c', max: 1001 }],
      ['/a/pull', { consumer: 'c', wait_ms: 30_001 }],
      ['/a/pull', { consumer: 'with space' }],
      ['/a/pull', {}],
      ['/a/ack', { consumer: 'c', delivery_ids: [] }],
      ['/a/ack', { consumer: 'c', delivery_ids: ['1.1', 2] }],
      ['/a/nack', { consumer: 'c', delivery_ids: ['1.1'], delay_ms: -1 }],
      ['/a/nack', { consumer: 'c', delivery_ids: ['1.1'], reason: '\u0000' }],
      ['/a/parked/replay', { sequence_numbers: 'some' }],
      ['/a/parked/replay', {}],
      ['/A/pull', { consumer: 'c' }],
    ];
    for (const [path, body] of bad) {
      const reply = await post(path, body);
      expect([path, body, [400, 422].includes(reply.status)]).toEqual([path, body, true]);
    }
    expect((await post('/unknown/pull', { consumer: 'c' })).status).toBe(404);
  });

  test('belong to their tenant, and who may only read can consume but not change', async () => {
    expect((await post('', { name: 'mine', partitions: 1 })).status).toBe(201);
    const foreign = await g.apiKey({ tenantId: OTHER_TENANT, canAdmin: true });
    const otherStore = await g.apiKey({ storeIds: [OTHER_STORE] });
    const reader = await g.apiKey({ canWrite: false });
    const writer = await g.apiKey({ canRead: false });
    const reads: [string, string, object?][] = [
      ['GET', `/consumer-groups${query}`],
      ['GET', `/consumer-groups/mine${query}`],
      ['GET', `/consumer-groups/mine/parked${query}`],
      ['POST', '/consumer-groups/mine/pull', { ...place, consumer: 'c' }],
      ['POST', '/consumer-groups/mine/ack', { ...place, consumer: 'c', delivery_ids: ['1.1'] }],
      ['POST', '/consumer-groups/mine/nack', { ...place, consumer: 'c', delivery_ids: ['1.1'] }],
      ['POST', '/consumer-groups/mine/leave', { ...place, consumer: 'c' }],
    ];
    const writes: [string, string, object?][] = [
      ['POST', '/consumer-groups', { ...place, name: 'more', partitions: 1 }],
      ['PUT', '/consumer-groups/mine', { ...place, max_attempts: 2 }],
      ['POST', '/consumer-groups/mine/seek', { ...place, start: 'head' }],
      ['POST', '/consumer-groups/mine/parked/replay', { ...place, sequence_numbers: 'all' }],
      ['POST', '/consumer-groups/mine/parked/discard', { ...place, sequence_numbers: 'all' }],
      ['DELETE', `/consumer-groups/mine${query}`],
    ];
    for (const route of [...reads, ...writes]) {
      expect((await call(route[0], route[1], route[2], foreign)).body.message).toBe('Tenant access denied');
      expect((await call(route[0], route[1], route[2], otherStore)).body.message).toBe('Store access denied');
      expect((await call(route[0], route[1], route[2], null)).status).toBe(401);
    }
    for (const [method, path, body] of reads) {
      expect((await call(method, path, body, writer)).body.message).toBe('Read permission required');
      expect((await call(method, path, body, reader)).status).toBe(200);
    }
    for (const [method, path, body] of writes)
      expect((await call(method, path, body, reader)).body.message).toBe('Write permission required');
    for (const [method, path, body] of writes)
      expect([200, 201]).toContain((await call(method, path, body, writer)).status);
  });

  test('a client that leaves while it waits leaves nothing in flight behind', async () => {
    await post('', { name: 'waiting', partitions: 1, start: 'head' });
    const gone = new AbortController();
    const waiting = fetch(`${url}/consumer-groups/waiting/pull`, {
      method: 'POST',
      signal: gone.signal,
      headers: { 'x-api-key': BOOTSTRAP_KEY, 'content-type': 'application/json' },
      body: JSON.stringify({ ...place, consumer: 'w1', wait_ms: 20_000 }),
    }).catch(() => 'gone');
    await new Promise((resolve) => setTimeout(resolve, 200));
    gone.abort();
    expect(await waiting).toBe('gone');
    await new Promise((resolve) => setTimeout(resolve, 200));
    await appendEvents(g.sql, { tenantId: TENANT, storeId: STORE }, ['z']);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    expect((await call('GET', `/consumer-groups/waiting${query}`)).body).toMatchObject({
      in_flight: 0,
      lag: 1,
    });
  });
});

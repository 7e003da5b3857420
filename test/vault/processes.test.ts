/** Processes on one database: with the same master key they read each other's events, with another one they say what is missing. */
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createStreamClient, StreamFailed } from '../../agent/stream-client.js';
import { connectDatabase, type DatabaseTarget, type Sql } from '../../engine/store/connection.js';
import { v1, v2 } from '../../engine/wire-proto/index.js';
import { envelopeMessage, pushMessage } from '../grpc/messages.js';
import { call, type Json, push, registerAgent, streamQuery, type TestAgent } from '../support/agents.js';
import { startTestService, type TestService } from '../support/service.js';
import { ENTITY, type Shown, vesReaders } from './readers.js';
import { masterKey } from './support.js';
import { findClearText, followAll, grpcOf, legacyEvent } from './surfaces-support.js';

const env = { PAYLOAD_ENCRYPTION_MODE: 'required', PAYLOAD_ENCRYPTION_KEYS: masterKey('processes') };
const SECRET = 'not-for-everybody';

let service: TestService;
let sql: Sql;
beforeAll(async () => {
  service = await startTestService({ env });
  sql = connectDatabase(service.database as DatabaseTarget, { max: 2, applicationName: 'processes-test' });
});
afterAll(() => sql?.end({ timeout: 1 }));

const entity = { entityType: ENTITY.type, entityId: ENTITY.id };

test('two processes with the same master key read each other’s events as they are written', async () => {
  const other = await service.restart();
  const agent = await registerAgent(service);
  const clients = [service, other].map((each) => ({ each, grpc: grpcOf(each) }));
  const followers = clients.map(({ each, grpc }) => followAll(each, grpc, agent));
  const envelopes: Json[] = [];
  for (let round = 0; round < 20; round++) {
    const events = [1, 2, 3].map((n) => agent.event({ payload: { round, n, text: SECRET }, ...entity }));
    envelopes.push(...events.map((event) => event.envelope));
    const { body } = await push(round % 2 ? service : other, agent, events);
    expect(body).toMatchObject({ eventsAccepted: 3 });
  }
  const expected: Shown = envelopes.map(({ payload }, i) => [i + 1, payload] as const);
  for (const { readers } of followers)
    for (const { name, shown } of readers)
      await expect.poll(() => [name, shown()], { timeout: 10_000 }).toEqual([name, expected]);
  for (const { each, grpc } of clients)
    for (const [name, read] of Object.entries(vesReaders(each, grpc))) {
      if (name === 'GET by command' || name === 'gRPC GetInclusionProof') continue;
      expect([name, await read(agent, envelopes)]).toEqual([name, expected]);
    }
  expect(await findClearText(sql, SECRET)).toEqual([]);
  for (const each of followers) each.close();
  for (const { grpc } of clients) grpc.raw.close();
  await other.stop();
}, 90_000);

describe('a process with another master key', () => {
  let stranger: TestService;
  let agent: TestAgent;
  const path = '/api/v1/ves/consumer-groups';
  beforeAll(async () => {
    agent = await registerAgent(service);
    const events = [1, 2].map((n) => agent.event({ payload: { n, text: SECRET }, ...entity }));
    await push(service, agent, events);
    const legacy = { agent_id: agent.agentId, events: [legacyEvent(agent, { text: SECRET })] };
    await call(service, 'POST', '/api/v1/events/ingest', { body: legacy });
    const { tenantId, storeId } = agent;
    const group = { tenantId, storeId, name: 'g', start: 'beginning', maxAttempts: 1 };
    expect((await call(service, 'POST', path, { body: group })).status).toBeLessThan(300);
    stranger = await service.restart({ PAYLOAD_ENCRYPTION_KEYS: masterKey('stranger') });
  });

  test('says at its start that payloads cannot be read', async () => {
    await expect.poll(stranger.logs).toContain('master keys that are not configured');
  });

  test('answers reads over every interface with an error that says why, and goes on', async () => {
    const query = streamQuery(agent);
    for (const each of [
      `/api/v1/ves/events?${query}`,
      `/api/v1/ves/entities/${ENTITY.type}/${ENTITY.id}?${query}`,
      `/api/v1/events?${query}`,
      `/api/v1/entities/${ENTITY.type}/${ENTITY.id}?${query}`,
    ]) {
      const answer = await call(stranger, 'GET', each);
      expect([each, answer.status, answer.body.code]).toEqual([each, 500, 'ENCRYPTION_ERROR']);
      expect(answer.text).not.toContain(SECRET);
    }
    for (const accept of ['application/x-ndjson', 'text/event-stream']) {
      const stream = await call(stranger, 'GET', `/api/v1/ves/events/stream?${query}`, {
        headers: { accept },
      });
      expect(stream.text).toContain('ENCRYPTION_ERROR');
      expect(stream.text).not.toContain(SECRET);
    }
    const socket = createStreamClient({ url: stranger.url, apiKey: stranger.adminKey });
    const read = (async () => {
      for await (const record of socket.subscribe({ ...agent, after: 0 })) return record;
      return undefined;
    })();
    await expect(read).rejects.toThrow(StreamFailed);
    await expect(read).rejects.toMatchObject({ code: 'ENCRYPTION_ERROR' });
    socket.close();

    const grpc = grpcOf(stranger);
    const { tenantId, storeId } = agent;
    const place = { tenantId, storeId };
    const failure = { status: status.INTERNAL, code: 'ENCRYPTION_ERROR' };
    const rpc = v2.Sequencer.method;
    await expect(grpc.call(rpc.pullEvents, place)).rejects.toMatchObject(failure);
    await expect(grpc.call(rpc.getEntityHistory, { ...place, ...entity })).rejects.toMatchObject(failure);
    expect(await grpc.stream(rpc.streamEvents, { ...place, includeHistory: true }).ended).toMatchObject(
      failure,
    );
    expect(await grpc.stream(v1.Sequencer.method.pull, place).ended).toMatchObject(failure);
    grpc.raw.close();
    // Clients are told the code, the operator the reason.
    await expect.poll(stranger.logs).toMatch(/"level":50.*master key/);
    expect(stranger.logs()).not.toContain(SECRET);
    expect((await call(stranger, 'GET', '/ready')).status).toBe(200);
  }, 60_000);

  test('does not use up the attempts of a consumer group', async () => {
    const { tenantId, storeId } = agent;
    const body = { tenantId, storeId, consumer: 'c' };
    for (let i = 0; i < 3; i++) {
      const pulled = await call(stranger, 'POST', `${path}/g/pull`, { body });
      expect([pulled.status, pulled.body.code]).toEqual([500, 'ENCRYPTION_ERROR']);
    }
    const { text } = await call(stranger, 'GET', `${path}/g/parked?${streamQuery(agent)}`);
    expect(text).not.toContain('sequence_number');
    const pulled = await call(service, 'POST', `${path}/g/pull`, { body });
    expect(pulled.body.deliveries.map((each: Json) => [each.sequence_number, each.attempt])).toEqual([
      [1, 1],
      [2, 1],
    ]);
  }, 30_000);

  test('stores nothing for a tenant whose key it cannot use, and serves others', async () => {
    const event = agent.event({ payload: { text: SECRET } });
    const refused = await push(stranger, agent, [event]);
    expect(refused.text).not.toContain(SECRET);
    expect([refused.status, (refused.body as Json).code]).toEqual([500, 'ENCRYPTION_ERROR']);
    const grpc = grpcOf(stranger);
    const over = grpc.call(v2.Sequencer.method.push, pushMessage(agent, [envelopeMessage(event)]));
    const result = await over.then(
      ({ eventsAccepted }) => eventsAccepted,
      (failure) => failure.code,
    );
    expect([0, 'ENCRYPTION_ERROR']).toContain(result);
    grpc.raw.close();
    const [stored] = await sql`select count(*)::int as n from ves_events where tenant_id = ${agent.tenantId}`;
    expect(stored!.n).toBe(2);

    const newcomer = await registerAgent(stranger);
    expect(
      (await push(stranger, newcomer, [newcomer.event({ payload: { n: 1 } })])).body.eventsAccepted,
    ).toBe(1);
    const page = await call(stranger, 'GET', `/api/v1/ves/events?${streamQuery(newcomer)}`);
    expect(page.body.events[0].envelope.payload).toEqual({ n: 1 });
    // The owner of the right key is not disturbed.
    expect((await push(service, agent, [event])).body.eventsAccepted).toBe(1);
    expect(await findClearText(sql, SECRET)).toEqual([]);
    await stranger.stop();
  }, 30_000);
});

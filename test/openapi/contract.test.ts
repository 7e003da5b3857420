/** Answers of the compiled service, held against their description. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type OpenApiDocument, responseOf } from '../../gateway/openapi/index.js';
import { createAgent, type Json, streamQuery } from '../support/agents.js';
import { startTestService, type TestService } from '../support/service.js';
import { part, validators } from './support.js';

const agent = createAgent();
const { tenantId, storeId, agentId } = agent;
const stream = streamQuery(agent);
const body = { tenantId, storeId };
const commandId = 'c0ffee00-0000-4000-8000-000000000001';
const events = [agent.event({ commandId }), agent.event(), agent.event({ baseVersion: 99 })];
const eventId = events[0]!.envelope.event_id;

let service: TestService;
let document: OpenApiDocument;
let validatorOf: ReturnType<typeof validators>;
/** Operations that answered something else than an error. */
const answered = new Set<string>();

beforeAll(async () => {
  service = await startTestService({
    env: {
      PUBLIC_AGENT_REGISTRATION_ENABLED: 'true',
      NOTARY_INTERVAL_SECS: '1',
      LOG_ORIGIN: 'localhost/log',
    },
  });
  document = (await (await fetch(`${service.url}/openapi.json`)).json()) as OpenApiDocument;
  validatorOf = validators(document, { strict: true });
}, 60_000);
afterAll(async () => {
  await service?.stop();
});

/** Sends a request and holds the answer against the description of `METHOD path`. */
async function ask(
  operation: string,
  url: string,
  options: { body?: unknown; key?: string | null; accept?: string } = {},
): Promise<{ status: number; body: Json; text: string; headers: Headers }> {
  const [method, path] = operation.split(' ') as [string, string];
  const { key = service.adminKey } = options;
  const reply = await fetch(service.url + url, {
    method,
    headers: {
      ...(key === null ? {} : { authorization: `ApiKey ${key}` }),
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(options.accept === undefined ? {} : { accept: options.accept }),
    },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
  });
  const text = await reply.text();
  const described = document.paths[path]?.[method.toLowerCase()];
  expect(described, operation).toBeDefined();
  const given = described!.responses[reply.status];
  expect(given, `${operation} answered ${reply.status}: ${text}`).toBeDefined();
  const response = responseOf(document, given!);
  const type = reply.headers.get('content-type') ?? '';
  expect(Object.keys(response.content ?? { '': {} }), operation).toContain(type);
  for (const name of Object.keys(response.headers))
    if (name === 'x-request-id' || name === 'x-error-code') expect(reply.headers.has(name), name).toBe(true);
  const where =
    '$ref' in given!
      ? given.$ref.slice(1)
      : `/paths/${part(path)}/${method.toLowerCase()}/responses/${reply.status}`;
  const pointer = `${where}/content/${part(type)}/schema`;
  const values =
    type === 'application/json'
      ? [JSON.parse(text)]
      : type === 'application/x-ndjson'
        ? text
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line))
        : [];
  for (const value of values) {
    const check = validatorOf(pointer);
    expect(check(value), `${operation}: ${JSON.stringify(check.errors)} ${text.slice(0, 1000)}`).toBe(true);
  }
  const codes = response!['x-error-codes'];
  if (codes === undefined) answered.add(operation);
  else expect(codes, operation).toContain(reply.headers.get('x-error-code'));
  return { status: reply.status, body: values[0], text, headers: reply.headers };
}

const GROUPS = '/api/v1/ves/consumer-groups';
const LEGACY = {
  tenant_id: tenantId,
  store_id: storeId,
  entity_type: 'order',
  entity_id: 'o-9',
  event_type: 'order.created',
  payload: { total: 42 },
  payload_hash: 'bb1453c7fec8dfc7c9d2c40136205f7cef6a1d9bb63e1ee85c038f04e730baa8',
  created_at: '2026-01-31T12:00:00Z',
  source_agent: agentId,
};

describe('answers are as described:', () => {
  test('signing keys', async () => {
    const publicKey = Buffer.from(agent.publicKey).toString('hex');
    const registration = { tenantId, agentId, keyId: agent.keyId, publicKey };
    await ask('POST /api/v1/agents/keys', '/api/v1/agents/keys', { body: registration });
    const other = createAgent();
    const spare = { ...registration, keyId: 7, publicKey: Buffer.from(other.publicKey).toString('hex') };
    await ask('POST /api/v1/agents/keys', '/api/v1/agents/keys', { body: spare });
    const about = `tenant_id=${tenantId}&agent_id=${agentId}`;
    await ask('DELETE /api/v1/agents/keys/{key_id}', `/api/v1/agents/keys/7?${about}`);
    await ask('DELETE /api/v1/agents/keys/{key_id}', `/api/v1/agents/keys/8?${about}`);
    await ask('GET /api/v1/agents/keys', `/api/v1/agents/keys?${about}`);
    const directory = `/api/v1/agents/${agentId}/signing-keys?tenant_id=${tenantId}`;
    await ask('GET /api/v1/agents/{agent_id}/signing-keys', directory);
  });

  test('ingest', async () => {
    const path = '/api/v1/ves/events/ingest';
    const request = { agentId, events: events.map(({ envelope }) => envelope) };
    const check = validatorOf('/components/schemas/IngestRequest');
    expect(check(request), JSON.stringify(check.errors)).toBe(true);
    const first = await ask(`POST ${path}`, path, { body: request });
    expect([first.body.eventsAccepted, first.body.eventsRejected]).toEqual([2, 1]);
    await ask(`POST ${path}`, path, { body: request });
    await ask(`POST ${path}`, `${path}?receipt=event`, { body: request });
    await ask(`POST ${path}`, path, { body: { agentId } });
    await ask(`POST ${path}`, path, { body: { agentId, events: [] } });
    const older = '/api/v1/events/ingest';
    const sent = { agent_id: agentId, events: [{ ...LEGACY, event_id: agent.event().envelope.event_id }] };
    const stored = await ask(`POST ${older}`, older, { body: sent });
    expect(stored.body.events_accepted).toBe(1);
    await ask(`POST ${older}`, older, { body: sent });
  });

  test('reads', async () => {
    await ask('GET /api/v1/ves/events', `/api/v1/ves/events?${stream}`);
    await ask('GET /api/v1/ves/events', `/api/v1/ves/events?${stream}&command_id=${commandId}&receipt=both`);
    await ask('GET /api/v1/ves/events', `/api/v1/ves/events?${stream}&command_id=${agentId}`);
    await ask('GET /api/v1/ves/events', '/api/v1/ves/events');
    const one = 'GET /api/v1/ves/events/{event_id}';
    await ask(one, `/api/v1/ves/events/${eventId}?tenant_id=${tenantId}&receipt=group`);
    await ask(one, `/api/v1/ves/events/${agentId}?tenant_id=${tenantId}`);
    await ask('GET /api/v1/ves/head', `/api/v1/ves/head?${stream}`);
    const { entity_type, entity_id } = events[0]!.envelope;
    const history = 'GET /api/v1/ves/entities/{entity_type}/{entity_id}';
    await ask(history, `/api/v1/ves/entities/${entity_type}/${entity_id}?${stream}`);
    await ask('GET /api/v1/events', `/api/v1/events?${stream}`);
    await ask('GET /api/v1/head', `/api/v1/head?${stream}`);
    const older = 'GET /api/v1/entities/{entity_type}/{entity_id}';
    await ask(older, `/api/v1/entities/order/o-9?${stream}`);
  });

  test('the stream, in both formats', async () => {
    const path = '/api/v1/ves/events/stream';
    const lines = await ask(`GET ${path}`, `${path}?${stream}&live=false&entity_type=order`);
    expect(lines.text.trim().split('\n').length).toBeGreaterThanOrEqual(2);
    await ask(`GET ${path}`, `${path}?${stream}&live=false`, { accept: 'text/event-stream' });
    await ask(`GET ${path}`, `${path}?${stream}&entity_type=`);
  });

  test('cursors and consumer groups', async () => {
    const cursor = `/api/v1/ves/cursors/${agentId}`;
    await ask('GET /api/v1/ves/cursors/{agent_id}', `${cursor}?${stream}`);
    const moved = { ...body, sequenceNumber: 1 };
    await ask('PUT /api/v1/ves/cursors/{agent_id}', cursor, { body: moved });
    const at = (operation: string, more: object) => {
      const [method, path] = operation.split(' ') as [string, string];
      return ask(`${method} ${GROUPS}${path}`, GROUPS + path.replace('{name}', 'billing'), {
        body: { ...body, ...more },
      });
    };
    await at('POST ', { name: 'billing', maxAttempts: 1 });
    await at('POST ', { name: 'billing', maxAttempts: 1 });
    await ask(`GET ${GROUPS}`, `${GROUPS}?${stream}`);
    await at('PUT /{name}', { maxInFlight: 10 });
    const { deliveries } = (await at('POST /{name}/pull', { consumer: 'c', max: 10 })).body;
    expect(deliveries).toHaveLength(2);
    await ask(`GET ${GROUPS}/{name}`, `${GROUPS}/billing?${stream}`);
    const ids = deliveries.map((each: Json) => each.delivery_id);
    await at('POST /{name}/ack', { consumer: 'c', deliveryIds: [ids[0]] });
    await at('POST /{name}/ack', { consumer: 'c', deliveryIds: [ids[0]] });
    await at('POST /{name}/nack', { consumer: 'c', deliveryIds: [ids[1]], park: true, reason: 'no' });
    const parked = await ask(`GET ${GROUPS}/{name}/parked`, `${GROUPS}/billing/parked?${stream}`);
    expect(parked.body.count).toBe(1);
    await at('POST /{name}/parked/replay', { sequenceNumbers: 'all' });
    await at('POST /{name}/parked/discard', { sequenceNumbers: [1] });
    await at('POST /{name}/leave', { consumer: 'c' });
    await at('POST /{name}/seek', { start: 'beginning' });
    await ask(`DELETE ${GROUPS}/{name}`, `${GROUPS}/billing?${stream}`);
    await ask(`GET ${GROUPS}/{name}`, `${GROUPS}/billing?${stream}`);
  });

  test('commitments and their proofs', async () => {
    for (const kind of ['ves/', '']) {
      const root = `/api/v1/${kind}`;
      const sequenceEnd = kind === '' ? 1 : 2;
      const made = await ask(`POST ${root}commitments`, `${root}commitments`, {
        body: { ...body, sequenceStart: 1, sequenceEnd },
      });
      const { batch_id } = made.body;
      await ask(`GET ${root}commitments`, `${root}commitments?${stream}`);
      await ask(`GET ${root}commitments/{batch_id}`, `${root}commitments/${batch_id}`);
      await ask(`GET ${root}commitments/{batch_id}`, `${root}commitments/${agentId}`);
      const proof = await ask(`GET ${root}proofs/{sequence_number}`, `${root}proofs/1?${stream}`);
      await ask(`GET ${root}proofs/{sequence_number}`, `${root}proofs/9?${stream}`);
      const verdict = await ask(`POST ${root}proofs/verify`, `${root}proofs/verify`, { body: proof.body });
      expect(verdict.body.valid).toBe(true);
    }
    const pending = await ask('GET /v1/commitments/pending', '/v1/commitments/pending');
    const { batch_id } = pending.body.commitments[0];
    const anchoring = { chainTxHash: 'ab'.repeat(32), chainId: 1, blockNumber: 5 };
    for (const _ of [1, 2])
      await ask('POST /v1/commitments/{batch_id}/anchored', `/v1/commitments/${batch_id}/anchored`, {
        body: anchoring,
      });
    await ask('GET /api/v1/ves/commitments/{batch_id}', `/api/v1/ves/commitments/${batch_id}`);
  });

  test('the log', async () => {
    const root = '/api/v1/log';
    const cose = { accept: 'application/cose' };
    await ask(`GET ${root}/inclusion`, `${root}/inclusion?${stream}&sequence_number=1`);
    await ask(`GET ${root}/inclusion`, `${root}/inclusion?${stream}&sequence_number=1`, cose);
    await ask(`GET ${root}/consistency`, `${root}/consistency?${stream}&from=1`);
    await ask(`GET ${root}/consistency`, `${root}/consistency?${stream}&from=1`, cose);
    await ask(`GET ${root}/consistency`, `${root}/consistency?${stream}&from=99`);
    await ask(`GET ${root}/checkpoint`, `${root}/checkpoint?${stream}`);
    await ask(`GET ${root}/proof/{event_id}`, `${root}/proof/${eventId}?tenant_id=${tenantId}`);
    await ask(`GET ${root}/proof/{event_id}`, `${root}/proof/${eventId}?tenant_id=${tenantId}`, cose);
    await ask(`GET ${root}/notary/witnesses`, `${root}/notary/witnesses`);
    const tiles = 'GET /log/{tenant_id}/{store_id}/{resource}';
    await ask(tiles, `/log/${tenantId}/${storeId}/checkpoint`);
    await ask(tiles, `/log/${tenantId}/${storeId}/tile/entries/000.p/2`);
    await ask(tiles, `/log/${tenantId}/${storeId}/tile/nonsense`);
    await ask(tiles, `/log/${tenantId}/${storeId}/checkpoint`, { key: null });
    await expect
      .poll(async () => (await ask(`GET ${root}/notary/proof`, `${root}/notary/proof?${stream}`)).status, {
        timeout: 20_000,
        interval: 250,
      })
      .toBe(200);
    await ask('GET /log/notary/{resource}', '/log/notary/checkpoint');
  });

  test('API keys and agents', async () => {
    const root = `/api/v1/agents/${agentId}/api-keys`;
    const operation = '/api/v1/agents/{agent_id}/api-keys';
    const { body: made } = await ask(`POST ${operation}`, root, { body: { tenantId, rateLimit: 600 } });
    await ask('GET /api/v1/admin/overview', '/api/v1/admin/overview', { key: made.apiKey });
    await ask('GET /api/v1/ves/head', `/api/v1/ves/head?tenant_id=${agentId}&store_id=${storeId}`, {
      key: made.apiKey,
    });
    await ask(`GET ${operation}`, `${root}?tenant_id=${tenantId}`);
    const about = `/api/v1/agents/${agentId}`;
    await ask('GET /api/v1/agents/{agent_id}', `${about}?tenant_id=${tenantId}`);
    await ask('GET /api/v1/agents/{agent_id}', about);
    const policy = 'GET /api/v1/agents/{agent_id}/policy';
    await ask(policy, `${about}/policy?tenant_id=${tenantId}`);
    await ask('PUT /api/v1/agents/{agent_id}/policy', `${about}/policy`, {
      body: { tenant_id: tenantId, allowed_event_types: ['order.*'], allowedEntityTypes: ['order'] },
    });
    await ask(policy, `${about}/policy?tenant_id=${tenantId}`);
    const prefix = `${root}/${made.keyHashPrefix}?tenant_id=${tenantId}`;
    await ask(`DELETE ${operation}/{key_prefix}`, prefix);
    const register = '/api/v1/agents/register';
    await ask(`POST ${register}`, register, { body: { name: 'corner shop' }, key: null });
    await ask(`POST ${register}`, register, { body: { name: 'corner shop', tenantId }, key: null });
    await ask(`POST ${register}`, register, { body: {}, key: null });
  });

  test('what operators and verifiers read', async () => {
    await ask('GET /api/v1/admin/audit', '/api/v1/admin/audit');
    await ask('GET /api/v1/admin/audit', '/api/v1/admin/audit?format=ndjson&limit=2');
    await ask('GET /api/v1/admin/audit', '/api/v1/admin/audit?limit=0');
    for (const what of ['overview', 'tenants', 'stores', 'agents'])
      await ask(`GET /api/v1/admin/${what}`, `/api/v1/admin/${what}`);
    for (const path of [
      '/health',
      '/ready',
      '/.well-known/ves-sequencer',
      '/docs',
      '/docs/errors',
      '/openapi.json',
    ])
      await ask(`GET ${path}`, path, { key: null });
    for (const path of ['/health/detailed', '/metrics', '/api/v1/limits']) await ask(`GET ${path}`, path);
    await ask('GET /metrics', '/metrics', { key: 'ss_nonsense' });
  });

  test('every operation was among them', () => {
    const all = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(all.filter((operation) => !answered.has(operation))).toEqual([]);
  });
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  AGENT,
  allRoutes,
  OTHER_AGENT,
  OTHER_STORE,
  OTHER_TENANT,
  STORE,
  startTestGateway,
  TENANT,
  type TestGateway,
} from './support.js';

let g: TestGateway;
beforeAll(async () => {
  g = await startTestGateway({ env: { PUBLIC_AGENT_REGISTRATION_ENABLED: 'true' } });
});
afterAll(() => g.close());

const READ = 'Read permission required';
const WRITE = 'Write permission required';
const ADMIN = 'Admin permission required';
const SELF = 'Only the agent itself or an administrator may do this';
const CURSOR = 'Agent access denied';
const READ_OR_ADMIN = 'Read or admin permission required';
const BOOTSTRAP = 'Bootstrap admin permission required';
const KEY_BODY = { tenantId: TENANT, agentId: AGENT, keyId: 1, publicKey: '00' };
const RANGE_BODY = { tenant_id: TENANT, store_id: STORE, sequence_start: 1, sequence_end: 1 };
const ANCHORED_BODY = { chain_tx_hash: '00'.repeat(32), chain_id: 1 };
const stream = `tenant_id=${TENANT}&store_id=${STORE}`;

/**
 * Every route: how it is called, whose tenant and store it names, and what it says to a credential with no permission at all.
 * `null`: public. `body`: it is about the tenant in its body.
 */
const ROUTES: {
  route: string;
  url: string;
  refusal: string | null;
  store?: boolean;
  tenant?: boolean;
  body?: unknown;
}[] = [
  { route: 'POST /api/v1/ves/events/ingest', url: '', refusal: WRITE, body: {} },
  { route: 'POST /api/v1/events/ingest', url: '', refusal: WRITE, body: {} },
  { route: 'GET /api/v1/ves/events', url: `?${stream}`, refusal: READ, tenant: true, store: true },
  ...['', '/:name', '/:name/parked'].map((path) => ({
    route: `GET /api/v1/ves/consumer-groups${path}`,
    url: `?${stream}`,
    refusal: READ,
    tenant: true,
    store: true,
  })),
  ...(
    [
      ['POST', '', WRITE, { name: 'workers' }],
      ['PUT', '/:name', WRITE, {}],
      ['POST', '/:name/seek', WRITE, { start: 'head' }],
      ['POST', '/:name/parked/replay', WRITE, { sequence_numbers: 'all' }],
      ['POST', '/:name/parked/discard', WRITE, { sequence_numbers: 'all' }],
      ['POST', '/:name/pull', READ, { consumer: 'c' }],
      ['POST', '/:name/ack', READ, { consumer: 'c', delivery_ids: ['1.1'] }],
      ['POST', '/:name/nack', READ, { consumer: 'c', delivery_ids: ['1.1'] }],
      ['POST', '/:name/leave', READ, { consumer: 'c' }],
    ] as const
  ).map(([method, path, refusal, body]) => ({
    route: `${method} /api/v1/ves/consumer-groups${path}`,
    url: '',
    refusal,
    tenant: true,
    store: true,
    body: { tenant_id: TENANT, store_id: STORE, ...body },
  })),
  {
    route: 'DELETE /api/v1/ves/consumer-groups/:name',
    url: `?${stream}`,
    refusal: WRITE,
    tenant: true,
    store: true,
  },
  {
    route: 'GET /api/v1/ves/cursors/:agent_id',
    url: `?${stream}`,
    refusal: CURSOR,
    tenant: true,
    store: true,
  },
  {
    route: 'PUT /api/v1/ves/cursors/:agent_id',
    url: '',
    refusal: CURSOR,
    tenant: true,
    store: true,
    body: { tenantId: TENANT, storeId: STORE, sequenceNumber: 0 },
  },
  {
    route: 'GET /api/v1/ves/events/stream',
    url: `?${stream}&live=false`,
    refusal: READ,
    tenant: true,
    store: true,
  },
  { route: 'GET /api/v1/ves/head', url: `?${stream}`, refusal: READ, tenant: true, store: true },
  {
    route: 'GET /api/v1/ves/entities/:entity_type/:entity_id',
    url: `?${stream}`,
    refusal: READ,
    tenant: true,
    store: true,
  },
  { route: 'GET /api/v1/ves/events/:event_id', url: `?tenant_id=${TENANT}`, refusal: READ, tenant: true },
  { route: 'GET /api/v1/events', url: `?${stream}`, refusal: READ, tenant: true, store: true },
  { route: 'GET /api/v1/head', url: `?${stream}`, refusal: READ, tenant: true, store: true },
  {
    route: 'GET /api/v1/entities/:entity_type/:entity_id',
    url: `?${stream}`,
    refusal: READ,
    tenant: true,
    store: true,
  },
  ...['ves/', ''].flatMap((kind) => [
    { route: `GET /api/v1/${kind}commitments`, url: `?${stream}`, refusal: READ, tenant: true, store: true },
    {
      route: `POST /api/v1/${kind}commitments`,
      url: '',
      refusal: WRITE,
      tenant: true,
      store: true,
      body: RANGE_BODY,
    },
    { route: `GET /api/v1/${kind}commitments/:batch_id`, url: '', refusal: READ },
    {
      route: `GET /api/v1/${kind}proofs/:sequence_number`,
      url: `?${stream}`,
      refusal: READ,
      tenant: true,
      store: true,
    },
    { route: `POST /api/v1/${kind}proofs/verify`, url: '', refusal: READ_OR_ADMIN, body: {} },
  ]),
  { route: 'GET /v1/commitments/pending', url: '', refusal: BOOTSTRAP },
  { route: 'POST /v1/commitments/:batch_id/anchored', url: '', refusal: BOOTSTRAP, body: ANCHORED_BODY },
  ...[
    ['inclusion', '&sequence_number=1'],
    ['consistency', '&from=0'],
    ['checkpoint', ''],
    ['notary/proof', ''],
  ].map(([what, more]) => ({
    route: `GET /api/v1/log/${what}`,
    url: `?${stream}${more}`,
    refusal: READ,
    tenant: true,
    store: true,
  })),
  { route: 'GET /api/v1/log/proof/:event_id', url: `?tenant_id=${TENANT}`, refusal: READ, tenant: true },
  { route: 'GET /api/v1/log/notary/witnesses', url: '', refusal: ADMIN },
  { route: 'GET /log/:tenant_id/:store_id/*', url: '', refusal: READ, tenant: true, store: true },
  { route: 'GET /api/v1/limits', url: '', refusal: '' },
  { route: 'GET /log/notary/*', url: '', refusal: '' },
  ...['audit', 'overview', 'tenants', 'stores', 'agents'].map((what) => ({
    route: `GET /api/v1/admin/${what}`,
    url: `?tenant_id=${TENANT}`,
    refusal: ADMIN,
    tenant: true,
  })),
  { route: 'POST /api/v1/agents/keys', url: '', refusal: ADMIN, tenant: true, body: KEY_BODY },
  {
    route: 'GET /api/v1/agents/keys',
    url: `?tenant_id=${TENANT}&agent_id=${AGENT}`,
    refusal: READ,
    tenant: true,
  },
  {
    route: 'DELETE /api/v1/agents/keys/:key_id',
    url: `?tenant_id=${TENANT}&agent_id=${AGENT}`,
    refusal: ADMIN,
    tenant: true,
  },
  {
    route: 'GET /api/v1/agents/:agent_id/signing-keys',
    url: `?tenant_id=${TENANT}`,
    refusal: '',
    tenant: true,
  },
  {
    route: 'POST /api/v1/agents/:agent_id/api-keys',
    url: '',
    refusal: SELF,
    tenant: true,
    body: { tenantId: TENANT },
  },
  {
    route: 'GET /api/v1/agents/:agent_id/api-keys',
    url: `?tenant_id=${TENANT}`,
    refusal: SELF,
    tenant: true,
  },
  {
    route: 'DELETE /api/v1/agents/:agent_id/api-keys/:key_prefix',
    url: `?tenant_id=${TENANT}`,
    refusal: SELF,
    tenant: true,
  },
  { route: 'POST /api/v1/agents/register', url: '', refusal: null, body: { name: 'x' } },
  { route: 'GET /api/v1/agents/:agent_id', url: `?tenant_id=${TENANT}`, refusal: SELF, tenant: true },
  { route: 'GET /api/v1/agents/:agent_id/policy', url: `?tenant_id=${TENANT}`, refusal: ADMIN, tenant: true },
  {
    route: 'PUT /api/v1/agents/:agent_id/policy',
    url: '',
    refusal: ADMIN,
    tenant: true,
    body: { tenantId: TENANT, allowedEventTypes: [], allowedEntityTypes: [] },
  },
  { route: 'GET /health', url: '', refusal: null },
  { route: 'GET /ready', url: '', refusal: null },
  { route: 'GET /health/detailed', url: '', refusal: ADMIN },
  { route: 'GET /metrics', url: '', refusal: ADMIN },
  { route: 'GET /.well-known/ves-sequencer', url: '', refusal: null },
  { route: 'GET /docs/errors', url: '', refusal: null },
  { route: 'GET /docs', url: '', refusal: null },
  { route: 'GET /openapi.json', url: '', refusal: null },
];

function call(row: (typeof ROUTES)[number], key: string | null) {
  const [method, path] = row.route.split(' ') as [string, string];
  const concrete = path
    .replace(':tenant_id', TENANT)
    .replace(':store_id', STORE)
    .replace('*', 'checkpoint')
    .replace(':entity_type', 'order')
    .replace(':entity_id', '1')
    .replace(':event_id', AGENT)
    .replace(':agent_id', AGENT)
    .replace(':batch_id', AGENT)
    .replace(':sequence_number', '1')
    .replace(':key_id', '7')
    .replace(':name', 'workers')
    .replace(':key_prefix', '0'.repeat(16));
  return g.call(method, concrete + row.url, { key, ...(row.body === undefined ? {} : { body: row.body }) });
}

test('the table below has every route of the service', () => {
  const table = allRoutes(g.sql);
  expect(table.map((route) => `${route.method} ${route.path}`).sort()).toEqual(
    ROUTES.map((row) => row.route).sort(),
  );
});

test.each(ROUTES)('$route: missing and bad credentials', async (row) => {
  if (row.refusal === null) {
    expect((await call(row, null)).status).toBe(200);
    return;
  }
  const missing = await call(row, null);
  expect([missing.status, missing.body.code]).toEqual([401, 'AUTH_REQUIRED']);
  const bad = await call(row, 'ss_11111111nonsense');
  expect([bad.status, bad.body.code]).toEqual([401, 'INVALID_API_KEY']);
});

test.each(ROUTES.filter((row) => row.refusal))('$route: missing permission', async (row) => {
  const powerless = await g.apiKey({
    canRead: false,
    canWrite: false,
    canAdmin: false,
    agentId: OTHER_AGENT,
  });
  const reply = await call(row, powerless);
  expect([reply.status, reply.body.code, reply.body.message]).toEqual([
    403,
    'INSUFFICIENT_PERMISSIONS',
    row.refusal,
  ]);
  // All other permissions do not make up for it.
  const rest = await g.apiKey({
    canRead: row.refusal !== READ && row.refusal !== READ_OR_ADMIN,
    canWrite: row.refusal !== WRITE,
    canAdmin:
      row.refusal !== ADMIN &&
      row.refusal !== SELF &&
      row.refusal !== CURSOR &&
      row.refusal !== READ_OR_ADMIN,
  });
  expect((await call(row, rest)).body.message).toBe(row.refusal);
});

test.each(ROUTES.filter((row) => row.tenant))('$route: wrong tenant', async (row) => {
  const stranger = await g.apiKey({ tenantId: OTHER_TENANT, canAdmin: true, agentId: AGENT });
  const reply = await call(row, stranger);
  expect([reply.status, reply.body.message]).toEqual([403, 'Tenant access denied']);
});

test.each(ROUTES.filter((row) => row.store))('$route: wrong store', async (row) => {
  const elsewhere = await g.apiKey({ storeIds: [OTHER_STORE], canAdmin: true });
  const reply = await call(row, elsewhere);
  expect([reply.status, reply.body.message]).toEqual([403, 'Store access denied']);
});

test('the agent itself may do what needs "self or admin"', async () => {
  const self = await g.apiKey({ canRead: false, canWrite: false, agentId: AGENT });
  for (const row of ROUTES.filter((each) => each.refusal === SELF))
    expect((await call(row, self)).status).not.toBe(403);
});

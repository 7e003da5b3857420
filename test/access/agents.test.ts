import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createAddressList,
  createClientAddressReader,
  createSlidingWindow,
  networkOf,
  normalizeAddress,
  policyViolation,
} from '../../engine/access/index.js';
import { loadConfig } from '../../engine/config/index.js';
import {
  AGENT,
  BOOTSTRAP_KEY,
  OTHER_TENANT,
  STORE,
  startTestGateway,
  TENANT,
  type TestGateway,
} from '../gateway/support.js';

const HEAD = (tenant: string) => `/api/v1/ves/head?tenant_id=${tenant}&store_id=${STORE}`;

describe('registration', () => {
  let g: TestGateway;
  beforeAll(async () => {
    g = await startTestGateway({
      env: {
        PUBLIC_AGENT_REGISTRATION_ENABLED: 'true',
        PUBLIC_AGENT_REGISTRATION_RATE_LIMIT_PER_MINUTE: '4',
        TRUST_PROXY_HEADERS: 'true',
      },
    });
  });
  afterAll(() => g.close());
  let address = 0;
  const register = (body: unknown, from = `203.0.113.${++address}`) =>
    g.call('POST', '/api/v1/agents/register', { key: null, body, headers: { 'x-forwarded-for': from } });

  test('is off unless the operator opens it', async () => {
    const closed = await startTestGateway();
    const reply = await closed.call('POST', '/api/v1/agents/register', { key: null, body: { name: 'x' } });
    expect([reply.status, reply.body.code]).toEqual([403, 'REGISTRATION_DISABLED']);
    await closed.close();
  });

  test('gives a tenant, an agent and a key of its own', async () => {
    const { status, body, headers } = await register({
      name: ' shop ',
      description: 'd',
      storeIds: [STORE],
      rateLimit: 100,
    });
    expect([status, body.success, body.permissions]).toEqual([200, true, 'read_write']);
    expect([headers['ratelimit-limit'], headers['ratelimit-remaining'], headers['ratelimit-reset']]).toEqual([
      '4',
      '3',
      '60',
    ]);
    expect((await g.call('GET', HEAD(body.tenantId), { key: body.apiKey })).status).toBe(200);
    expect((await g.call('GET', HEAD(TENANT), { key: body.apiKey })).status).toBe(403);
    const details = await g.call('GET', `/api/v1/agents/${body.agentId}`, { key: body.apiKey });
    expect(details.body).toEqual({
      agentId: body.agentId,
      tenantId: body.tenantId,
      name: 'shop',
      description: 'd',
      active: true,
      permissions: 'read_write',
      storeIds: [STORE],
      rateLimit: 100,
    });
    const readOnly = await register({ name: 'reader', readOnly: true });
    expect(readOnly.body.permissions).toBe('read');
    expect(readOnly.body.tenantId).not.toBe(body.tenantId);
  });

  test.each([
    [{ name: '  ' }, 400, 'INVALID_NAME'],
    [{ name: 'x'.repeat(129) }, 400, 'NAME_TOO_LONG'],
    [{ name: 'x', description: 'x'.repeat(1025) }, 400, 'DESCRIPTION_TOO_LONG'],
    [{ name: 'x', storeIds: new Array(51).fill(STORE) }, 400, 'STORE_IDS_TOO_MANY'],
    [{ name: 'x', rateLimit: 0 }, 400, 'RATE_LIMIT_INVALID'],
    [{ name: 'x', rateLimit: 10_001 }, 400, 'RATE_LIMIT_INVALID'],
    [{ name: 'x', rateLimit: 1.5 }, 400, 'RATE_LIMIT_INVALID'],
    [{ name: 'x', tenantId: TENANT }, 400, 'TENANT_ID_NOT_ALLOWED'],
    [{ name: 'x', tenant_id: 'anything' }, 400, 'TENANT_ID_NOT_ALLOWED'],
    [{ name: 'x', admin: true }, 403, 'ADMIN_NOT_ALLOWED'],
    [{}, 422, 'INVALID_REQUEST_SHAPE'],
    [{ name: 'a\0b' }, 400, 'INVALID_FIELD_VALUE'],
  ])('of %j is refused', async (body, status, code) => {
    const reply = await register(body);
    expect([reply.status, reply.body.code]).toEqual([status, code]);
  });

  test('is limited per address, and nobody makes addresses up', async () => {
    const from = '198.51.100.7';
    for (let i = 0; i < 4; i++)
      expect((await register({ name: 'x' }, `9.9.9.${i}, ${from}`)).status).toBe(200);
    const refused = await register({ name: 'x' }, `1.2.3.4, ${from}, 10.0.0.1`);
    expect([refused.status, refused.body.code, refused.headers['ratelimit-remaining']]).toEqual([
      429,
      'RATE_LIMIT_EXCEEDED',
      '0',
    ]);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  });
});

describe('an API key that expires', () => {
  let g: TestGateway;
  beforeAll(async () => {
    g = await startTestGateway();
  });
  afterAll(() => g.close());
  const create = (body: object, key = BOOTSTRAP_KEY) =>
    g.call('POST', `/api/v1/agents/${AGENT}/api-keys`, { key, body: { tenantId: TENANT, ...body } });

  test('is refused from then on, also where it is remembered', async () => {
    const expiresAt = new Date(Date.now() + 1500).toISOString();
    const { body } = await create({ expiresAt });
    const status = async () => {
      const reply = await g.call('GET', HEAD(TENANT), { key: body.apiKey });
      return reply.status === 200 ? 200 : reply.body.code;
    };
    expect(await status()).toBe(200);
    const list = await g.call('GET', `/api/v1/agents/${AGENT}/api-keys?tenant_id=${TENANT}`);
    expect(list.body.keys.map((key: { expiresAt: string }) => key.expiresAt)).toContain(expiresAt);
    await new Promise((resolve) => setTimeout(resolve, 1600));
    expect(await status()).toBe('INVALID_API_KEY');
    const unknown = await g.call('GET', HEAD(TENANT), { key: 'ss_11111111nonsense' });
    const gone = await g.call('GET', HEAD(TENANT), { key: body.apiKey });
    expect(gone.body.message).toBe(unknown.body.message); // nobody learns that it existed
    const details = await g.call('GET', `/api/v1/agents/${AGENT}?tenant_id=${TENANT}`);
    expect(details.body).toMatchObject({ active: false, permissions: 'read', name: null });
  });

  test('ends in the future, and makes none that outlives it', async () => {
    expect((await create({ expiresAt: '2020-01-01T00:00:00Z' })).body.code).toBe('INVALID_FIELD_VALUE');
    expect((await create({ expiresAt: 'tomorrow' })).status).toBe(400);
    const endsAt = new Date(Date.now() + 60_000).toISOString();
    const { body } = await create({ expiresAt: endsAt });
    expect((await create({}, body.apiKey)).status).toBe(403);
    expect(
      (await create({ expiresAt: new Date(Date.now() + 120_000).toISOString() }, body.apiKey)).status,
    ).toBe(403);
    expect((await create({ expiresAt: endsAt }, body.apiKey)).status).toBe(200);
  });

  test('an agent nobody has heard of is not found', async () => {
    const reply = await g.call('GET', `/api/v1/agents/${AGENT}?tenant_id=${OTHER_TENANT}`);
    expect([reply.status, reply.body.code]).toEqual([404, 'RESOURCE_NOT_FOUND']);
  });
});

describe('an agent’s policy', () => {
  let g: TestGateway;
  const path = `/api/v1/agents/${AGENT}/policy`;
  beforeAll(async () => {
    g = await startTestGateway();
  });
  afterAll(() => g.close());

  test('is set as a whole and read back', async () => {
    expect((await g.call('GET', `${path}?tenant_id=${TENANT}`)).status).toBe(404);
    const body = { tenantId: TENANT, allowedEventTypes: ['order.*'], allowedEntityTypes: ['order'] };
    const put = await g.call('PUT', path, { body });
    expect(put.body).toMatchObject({
      ...body,
      agentId: AGENT,
      requireBaseVersion: true,
      maxPayloadBytes: null,
      enabled: true,
    });
    const other = { ...body, requireBaseVersion: false, maxPayloadBytes: 10, enabled: false };
    await g.call('PUT', path, { body: other });
    expect((await g.call('GET', `${path}?tenant_id=${TENANT}`)).body).toMatchObject(other);
  });

  test.each([
    { allowedEventTypes: undefined },
    { allowedEventTypes: 'all' },
    { allowedEventTypes: ['*.created'] },
    { allowedEventTypes: ['**'] },
    { allowedEventTypes: [''] },
    { allowedEntityTypes: ['a\0'] },
    { allowedEntityTypes: new Array(129).fill('x') },
    { maxPayloadBytes: -1 },
    { enabled: 'yes' },
  ])('with %j is refused', async (change) => {
    const body = { tenantId: TENANT, allowedEventTypes: ['*'], allowedEntityTypes: ['*'], ...change };
    expect([400, 422]).toContain((await g.call('PUT', path, { body })).status);
  });

  test('lets pass what fits its rules', () => {
    const policy = {
      allowedEventTypes: ['order.*', 'exact'],
      allowedEntityTypes: ['*'],
      requireBaseVersion: true,
      maxPayloadBytes: 10,
      enabled: true,
    };
    const event = { eventType: 'order.created', entityType: 'x', hasBaseVersion: true, payloadBytes: 10 };
    const check = (change: Partial<typeof event>, with_: Partial<typeof policy> = {}) =>
      policyViolation({ ...policy, ...with_ }, { ...event, ...change });
    expect(check({})).toBeUndefined();
    expect(check({ eventType: 'exact' })).toBeUndefined();
    expect(check({ eventType: 'exactly' })).toBe('event type exactly is not allowed');
    expect(check({ eventType: 'orders' })).toBe('event type orders is not allowed');
    expect(check({}, { allowedEntityTypes: [] })).toBe('entity type x is not allowed');
    expect(check({ hasBaseVersion: false })).toBe('base_version is required');
    expect(check({ payloadBytes: 11 })).toBe('payload of 11 bytes is larger than 10');
    expect(check({ eventType: 'other', hasBaseVersion: false }, { enabled: false })).toBeUndefined();
  });
});

describe('administrators', () => {
  test('are administrators only at the addresses of the list', async () => {
    const g = await startTestGateway({
      env: { ADMIN_IP_ALLOWLIST: '203.0.113.0/24, 2001:db8::/32', TRUST_PROXY_HEADERS: '1' },
    });
    const key = await g.apiKey({ canAdmin: true, agentId: AGENT });
    const call = async (path: string, from: string, who = key) => {
      const { status, body } = await g.call('GET', path, { key: who, headers: { 'x-forwarded-for': from } });
      return status < 400 || status === 404 ? 'in' : body.code;
    };
    const policy = `/api/v1/agents/${AGENT}/policy?tenant_id=${TENANT}`;
    const others = `/api/v1/agents/${TENANT}?tenant_id=${TENANT}`;
    for (const from of ['203.0.113.9', '2001:db8::9', '1.1.1.1, 203.0.113.9']) {
      expect([from, await call(policy, from), await call(others, from)]).toEqual([from, 'in', 'in']);
      expect(await call(policy, from, BOOTSTRAP_KEY)).toBe('in');
    }
    for (const from of ['203.0.114.9', '127.0.0.1', 'nonsense', '203.0.113.9, 1.1.1.1']) {
      expect([from, await call(policy, from), await call(others, from)]).toEqual([
        from,
        'ADMIN_IP_DENIED',
        'ADMIN_IP_DENIED',
      ]);
      expect(await call('/metrics', from, BOOTSTRAP_KEY)).toBe('ADMIN_IP_DENIED');
      expect(await call(HEAD(TENANT), from)).toBe('in'); // their other permissions hold
      expect(await call(HEAD(TENANT), from, BOOTSTRAP_KEY)).toBe('INSUFFICIENT_PERMISSIONS');
    }
    await g.close();
  });
});

describe('addresses', () => {
  const none = { forwardedFor: '', realIp: '', forwarded: '' };
  test('of clients come from trusted proxies only', () => {
    const direct = createClientAddressReader(undefined);
    expect(direct('::ffff:10.0.0.1', { ...none, forwardedFor: '1.1.1.1' })).toBe('10.0.0.1');
    const read = createClientAddressReader(['10.0.0.0/8', '::1']);
    expect(read('9.9.9.9', { ...none, forwardedFor: '1.1.1.1' })).toBe('9.9.9.9');
    expect(read('10.0.0.1', none)).toBe('10.0.0.1');
    expect(read('10.0.0.1', { ...none, forwardedFor: '6.6.6.6, 1.1.1.1, 10.0.0.2' })).toBe('1.1.1.1');
    expect(read('10.0.0.1', { ...none, forwardedFor: '10.0.0.3, 10.0.0.2' })).toBe('10.0.0.3');
    expect(read('10.0.0.1', { ...none, forwardedFor: 'x, 10.0.0.2' })).toBe('10.0.0.2');
    expect(read('10.0.0.1', { ...none, forwardedFor: '1.1.1.1:99', realIp: '2.2.2.2' })).toBe('1.1.1.1');
    expect(read('10.0.0.1', { ...none, realIp: '2.2.2.2', forwarded: 'for=3.3.3.3' })).toBe('2.2.2.2');
    expect(
      read('0000:0000:0000:0000:0000:0000:0000:0001', { ...none, forwarded: 'by=x;for="[2001:db8::1]:5"' }),
    ).toBe('2001:db8::1');
    expect(read('10.0.0.1', { ...none, forwarded: 'for=3.3.3.3;proto=https, for=10.0.0.9' })).toBe('3.3.3.3');
    expect(read('10.0.0.1', { ...none, forwarded: 'for=unknown' })).toBe('10.0.0.1');
  });

  test('are compared as addresses, not as texts', () => {
    const list = createAddressList(['192.0.2.1', '198.51.100.0/24', '2001:db8::/32']);
    for (const text of [
      '192.0.2.1',
      '::ffff:192.0.2.1',
      '::ffff:c000:201',
      '0:0:0:0:0:ffff:c000:0201',
      '198.51.100.255',
      '2001:DB8:0::1',
    ])
      expect([text, list.has(text)]).toEqual([text, true]);
    for (const text of ['192.0.2.2', '198.51.101.0', '2001:db9::', '', 'x', '192.0.2.1.evil'])
      expect([text, list.has(text)]).toEqual([text, false]);
    expect(normalizeAddress('fe80::1%eth0')).toBe('fe80::1');
    expect(networkOf('2001:db8:0:1::5')).toBe(networkOf('2001:db8:0:1:ffff::1'));
    expect(networkOf('2001:db8:0:1::5')).not.toBe(networkOf('2001:db8:0:2::5'));
    expect(networkOf('1.2.3.4')).toBe('1.2.3.4');
  });

  test('a window slides: every request counts for its length', () => {
    let now = 0;
    const count = createSlidingWindow({ limit: 2, windowSecs: 10, callersMax: 10, nowMs: () => now });
    expect(count('a')).toEqual({ allowed: true, limit: 2, remaining: 1, waitSecs: 10 });
    now = 5000;
    expect(count('a').allowed).toBe(true);
    expect(count('a')).toEqual({ allowed: false, limit: 2, remaining: 0, waitSecs: 5 });
    expect(count('b').allowed).toBe(true);
    now = 10_000;
    expect(count('a').allowed).toBe(true);
    expect(count('a').allowed).toBe(false);
  });
});

test('a configuration that would be weak is refused', () => {
  const problem = (env: Record<string, string>) => {
    try {
      loadConfig(env);
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  const production = { SEQUENCER_ENV: 'production' };
  expect(problem({ ...production, JWT_SECRET: 'x'.repeat(31) })).toMatch(/JWT_SECRET must have 32/);
  expect(problem({ ...production, JWT_SECRET: 'x'.repeat(32) })).toBe('');
  expect(problem({ JWT_SECRET: 'x'.repeat(8) })).toBe('');
  expect(problem({ ...production, JWKS_URL: 'http://issuer.example/keys' })).toMatch(
    /JWKS_URL must be an https URL/,
  );
  expect(problem({ ...production, JWKS_URL: 'http://127.0.0.1/keys' })).toBe('');
  expect(problem({ JWKS_URL: 'https://a:b@issuer.example/' })).toMatch(/JWKS_URL must be/);
  expect(problem({ JWKS_URL: 'https://issuer.example/', JWKS_FILE: 'x' })).toMatch(/JWKS_FILE must not/);
  expect(problem({ ADMIN_IP_ALLOWLIST: '10.0.0.0/33' })).toMatch(/ADMIN_IP_ALLOWLIST must be/);
  expect(problem({ ADMIN_IP_ALLOWLIST: 'localhost' })).toMatch(/ADMIN_IP_ALLOWLIST must be/);
  expect(problem({ TRUST_PROXY_ALLOWLIST: '10.0.0.1' })).toMatch(/needs TRUST_PROXY_HEADERS/);
});

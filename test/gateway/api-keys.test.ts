import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hashApiKey } from '../../engine/keys/api-keys.js';
import {
  AGENT,
  OTHER_AGENT,
  OTHER_STORE,
  STORE,
  startTestGateway,
  TENANT,
  type TestGateway,
} from './support.js';

const url = `/api/v1/agents/${AGENT}/api-keys`;
const HEAD = `/api/v1/ves/head?tenant_id=${TENANT}&store_id=${STORE}`;

let g: TestGateway;
let admin: string;
beforeAll(async () => {
  g = await startTestGateway();
  admin = await g.apiKey({ canAdmin: true });
});
afterAll(() => g.close());

const create = (key: string | undefined, body: object) =>
  g.call('POST', url, { ...(key ? { key } : {}), body });
const grantOf = async (apiKey: string) =>
  (
    await g.sql`select store_ids, can_read, can_write, can_admin, agent_id, rate_limit from api_keys where key_hash = ${hashApiKey(apiKey)}`
  )[0];

describe('a new API key', () => {
  test('is shown once, works at once, and is nowhere in the log', async () => {
    const reply = await create(admin, { rateLimit: 100 });
    const { apiKey, keyHashPrefix } = reply.body;
    expect(reply.body).toMatchObject({ success: true, permissions: 'read_write' });
    expect(apiKey).toMatch(/^ss_11111111[A-Za-z0-9_-]{32}$/);
    expect(keyHashPrefix).toBe(hashApiKey(apiKey).slice(0, 16));
    expect(await grantOf(apiKey)).toEqual({
      store_ids: [],
      can_read: true,
      can_write: true,
      can_admin: false,
      agent_id: AGENT,
      rate_limit: 100,
    });
    expect((await g.call('GET', HEAD, { key: apiKey })).status).toBe(200);
    expect(g.logLines.join('')).not.toContain(apiKey.slice(11));
  });

  test('of the bootstrap administrator names its tenant', async () => {
    expect((await create(undefined, {})).body.message).toMatch(/^tenantId is required/);
    const reply = await create(undefined, { tenantId: TENANT, admin: true, storeIds: [STORE] });
    expect(reply.body.permissions).toBe('admin');
    expect(await grantOf(reply.body.apiKey)).toMatchObject({
      can_admin: true,
      can_write: true,
      store_ids: [STORE],
    });
  });

  test('of an agent is never more than its own', async () => {
    const self = await g.apiKey({ agentId: AGENT, canWrite: false, storeIds: [STORE], rateLimit: 50 });
    const passedOn = await create(self, {});
    expect(passedOn.body.permissions).toBe('read');
    expect(await grantOf(passedOn.body.apiKey)).toEqual({
      store_ids: [STORE],
      can_read: true,
      can_write: false,
      can_admin: false,
      agent_id: AGENT,
      rate_limit: 50,
    });
    for (const wish of [
      { admin: true },
      { readOnly: false },
      { storeIds: [] },
      { storeIds: [STORE, OTHER_STORE] },
      { rateLimit: 51 },
    ])
      expect((await create(self, wish)).status, JSON.stringify(wish)).toBe(403);
    expect((await create(self, { rateLimit: 5 })).status).toBe(200);
    const writeOnly = await g.apiKey({ agentId: AGENT, canRead: false });
    expect(await grantOf((await create(writeOnly, {})).body.apiKey)).toMatchObject({
      can_read: false,
      can_write: true,
    });
    expect(await grantOf((await create(writeOnly, { readOnly: true })).body.apiKey)).toMatchObject({
      can_read: false,
      can_write: false,
    });
    const limitedAdmin = await g.apiKey({ canAdmin: true, storeIds: [STORE] });
    expect((await create(limitedAdmin, { storeIds: [OTHER_STORE] })).status).toBe(403);
    expect((await create(await g.apiKey({ agentId: OTHER_AGENT }), {})).status).toBe(403);
  });

  test.each([
    [{ rateLimit: 0 }, 'rateLimit must be a whole number from 1 to 10000'],
    [{ readOnly: 'yes' }, 'readOnly must be true or false'],
    [{ storeIds: STORE }, 'storeIds must be a list of at most 50 UUIDs'],
    [{ storeIds: ['x'] }, 'storeIds[0] must be a UUID'],
    [{ storeIds: Array(51).fill(STORE) }, 'storeIds must be a list of at most 50 UUIDs'],
  ])('with %j is refused', async (body, message) => {
    expect((await create(admin, body)).body.message).toBe(message);
  });
});

test('keys are listed without themselves and end when revoked', async () => {
  const { apiKey, keyHashPrefix } = (await create(admin, { readOnly: true, storeIds: [STORE] })).body;
  expect((await g.call('GET', HEAD, { key: apiKey })).status).toBe(200);
  const list = async () => (await g.call('GET', url, { key: admin })).body;
  const { keys, count } = await list();
  expect(count).toBe(keys.length);
  expect(keys.at(-1)).toEqual({
    keyHashPrefix,
    active: true,
    permissions: 'read',
    storeIds: [STORE],
    rateLimit: null,
    expiresAt: null,
  });
  expect(JSON.stringify(keys)).not.toContain(apiKey);

  for (let i = 0; i < 2; i++)
    expect((await g.call('DELETE', `${url}/${keyHashPrefix}`, { key: admin })).body).toMatchObject({
      success: true,
    });
  expect((await list()).keys.at(-1).active).toBe(false);
  await sleep(300);
  expect((await g.call('GET', HEAD, { key: apiKey })).body.code).toBe('INVALID_API_KEY');

  const unknown = await g.call('DELETE', `${url}/${'0'.repeat(16)}`, { key: admin });
  expect([unknown.status, unknown.body.code]).toEqual([404, 'RESOURCE_NOT_FOUND']);
  for (const bad of ['', '%25', keyHashPrefix.slice(1), `${keyHashPrefix}%`, 'Z'.repeat(16)])
    expect((await g.call('DELETE', `${url}/${bad}`, { key: admin })).status, bad).toBeGreaterThanOrEqual(400);
});

test('the list comes in pages, whose cursors lead through all of it', async () => {
  const pages = '/api/v1/agents/efefefef-efef-4fef-8fef-efefefefefef/api-keys';
  const made: string[] = [];
  for (let i = 0; i < 5; i++)
    made.push((await g.call('POST', pages, { key: admin, body: {} })).body.keyHashPrefix);
  const found: string[] = [];
  let cursor: string | null = '';
  for (let page = 0; page < 3; page++) {
    const rest: string = page === 0 ? '' : `&cursor=${cursor}`;
    const { body } = await g.call('GET', `${pages}?limit=2${rest}`, { key: admin });
    expect(body.count).toBe(page === 2 ? 1 : 2);
    found.push(...body.keys.map((key: { keyHashPrefix: string }) => key.keyHashPrefix));
    cursor = body.nextCursor;
  }
  expect([found, cursor]).toEqual([made, null]);
  expect((await g.call('GET', `${pages}?cursor=${'0'.repeat(16)}`, { key: admin })).body.message).toBe(
    'cursor must be the nextCursor of a page of this list',
  );
  // Another agent's key is no cursor here.
  const elsewhere = (await create(admin, {})).body.keyHashPrefix;
  expect((await g.call('GET', `${pages}?cursor=${elsewhere}`, { key: admin })).status).toBe(400);
});

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateApiKey, hashApiKey } from '../../engine/keys/api-keys.js';
import { type AuthContext, BOOTSTRAP_CONTEXT } from '../../gateway/auth/context.js';
import { createCredentialCache } from '../../gateway/auth/credential-cache.js';
import { readCredentials } from '../../gateway/auth/credentials.js';
import {
  BOOTSTRAP_KEY,
  OTHER_STORE,
  OTHER_TENANT,
  STORE,
  startTestGateway,
  TENANT,
  type TestGateway,
} from './support.js';

const HEAD = `/api/v1/ves/head?tenant_id=${TENANT}&store_id=${STORE}`;

describe('credentials', () => {
  let g: TestGateway;
  beforeAll(async () => {
    g = await startTestGateway();
  });
  afterAll(() => g.close());

  test('travel as ApiKey, as a bare key or in x-api-key', async () => {
    const key = await g.apiKey();
    const status = async (headers: Record<string, string>) => {
      const reply = await g.call('GET', HEAD, { key: null, headers });
      return reply.status === 200 ? 200 : reply.body.code;
    };
    expect(await status({ authorization: `ApiKey ${key}` })).toBe(200);
    expect(await status({ authorization: `apikey   ${key}` })).toBe(200);
    expect(await status({ authorization: key })).toBe(200);
    expect(await status({ 'x-api-key': key })).toBe(200);
    expect(await status({ 'x-api-key': `ApiKey ${key}` })).toBe(200);
    expect(await status({ authorization: BOOTSTRAP_KEY })).toBe(200);
    expect(await status({ authorization: `ApiKey ${BOOTSTRAP_KEY}` })).toBe(200);

    expect(await status({})).toBe('AUTH_REQUIRED');
    expect(await status({ authorization: ' ' })).toBe('AUTH_REQUIRED');
    expect(await status({ authorization: `Bearer ${key}` })).toBe('INVALID_TOKEN');
    expect(await status({ authorization: 'Basic dXNlcjpwYXNz' })).toBe('INVALID_API_KEY');
    expect(await status({ authorization: `${BOOTSTRAP_KEY}x` })).toBe('INVALID_API_KEY');
    expect(await status({ authorization: key.slice(0, -1) })).toBe('INVALID_API_KEY');
    expect(await status({ authorization: `ss_${'a'.repeat(2000)}` })).toBe('INVALID_API_KEY');
    // x-api-key counts only when Authorization is absent.
    expect(await status({ authorization: 'ss_nonsense', 'x-api-key': key })).toBe('INVALID_API_KEY');
  });

  test('that are JWTs are refused with the reason', async () => {
    const reply = await g.call('GET', HEAD, { key: null, headers: { authorization: 'Bearer a.b.c' } });
    expect(reply.status).toBe(401);
    expect(reply.body.message).toMatch(/JWT credentials are not enabled on this server/);
  });

  test('that were revoked are refused within a second, new ones are known at once', async () => {
    const key = generateApiKey(TENANT);
    const status = async () => (await g.call('GET', HEAD, { key })).status;
    expect(await status()).toBe(401);
    await g.sql`insert into api_keys (key_hash, tenant_id) values (${hashApiKey(key)}, ${TENANT})`;
    await sleep(300); // the unknown key is forgotten by the notification, before its second is over
    expect(await status()).toBe(200);
    await sleep(600);
    await g.sql`update api_keys set active = false where key_hash = ${hashApiKey(key)}`;
    await sleep(300);
    expect(await status()).toBe(401);
    await g.sql`delete from api_keys where key_hash = ${hashApiKey(key)}`;
    expect(await status()).toBe(401);
  });

  test('are looked up once while the feed of changes lives, and again every second while it is dead', async () => {
    const key = await g.apiKey();
    const status = async () => (await g.call('GET', HEAD, { key })).status;
    await sleep(500); // a heartbeat
    expect(await status()).toBe(200);
    // Change the row without a notification: the cached context goes on to count.
    const revokeSilently = () =>
      g.sql.begin((sql) => [
        sql`set local session_replication_role = replica`,
        sql`update api_keys set active = false where key_hash = ${hashApiKey(key)}`,
      ]);
    await revokeSilently();
    await sleep(1300);
    expect(await status()).toBe(200);
    // A cut connection may have missed something: after it is back, nothing cached counts.
    await g.sql`select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%' and datname = current_database()`;
    const deadline = Date.now() + 2000;
    while ((await status()) === 200 && Date.now() < deadline) await sleep(50);
    expect(await status()).toBe(401);
  });
});

describe('when authentication is disabled', () => {
  test('missing and bad credentials act as the administrator, good ones as themselves', async () => {
    const g = await startTestGateway({ env: { AUTH_MODE: 'disabled', ALLOW_AUTH_DISABLED: 'true' } });
    const status = async (key: string | null) => (await g.call('GET', HEAD, { key })).status;
    expect(await status(null)).toBe(200);
    expect(await status('nonsense')).toBe(200);
    expect(await status('ss_nonsense')).toBe(200);
    expect(await status(await g.apiKey({ tenantId: OTHER_TENANT }))).toBe(403);
    await g.close();
  });
});

test('without a database credentials cannot be checked: 503, and the bootstrap key goes on', async () => {
  const g = await startTestGateway({ migrated: false });
  const reply = await g.call('POST', '/api/v1/ves/events/ingest', { key: generateApiKey(TENANT), body: {} });
  expect([reply.status, reply.body.code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
  expect((await g.call('POST', '/api/v1/ves/events/ingest', { body: {} })).status).toBe(200);
  await g.close();
});

test('credentials that cannot be checked in time are answered 504, not as a late body', async () => {
  const g = await startTestGateway({ env: { REQUEST_TIMEOUT_SECS: '1', BODY_TIMEOUT_SECS: '1' } });
  const locked = await g.sql.reserve();
  await locked`begin`;
  await locked`lock table api_keys in access exclusive mode`;
  const key = generateApiKey(TENANT);
  const replies = await Promise.all([
    g.call('GET', HEAD, { key }),
    g.call('POST', '/api/v1/ves/events/ingest', { key, body: {} }),
  ]);
  expect(replies.map((reply) => reply.body.code)).toEqual(['TIMEOUT', 'TIMEOUT']);
  expect(g.ingest.taken.length).toBe(0);
  await locked`rollback`;
  locked.release();
  await g.close();
});

test('with a pool of their own, credentials are checked while slow reads fill the other', async () => {
  const g = await startTestGateway({ ownAuthPool: true });
  const key = await g.apiKey();
  const slow = Array.from({ length: 20 }, () => g.sql`select pg_sleep(60)`.catch(() => {}));
  await sleep(50);
  const start = Date.now();
  expect((await g.call('POST', '/api/v1/ves/events/ingest', { key, body: {} })).status).toBe(200);
  expect(Date.now() - start).toBeLessThan(1000);
  await g.close();
  await Promise.all(slow);
});

test('reading credentials splits off known schemes only', () => {
  expect(readCredentials('', '')).toEqual({ kind: 'missing' });
  expect(readCredentials('ApiKey  k ', '')).toEqual({ kind: 'api-key', key: 'k' });
  expect(readCredentials('', 'BEARER t')).toEqual({ kind: 'token', token: 't' });
  expect(readCredentials('apikeyish', '')).toEqual({ kind: 'api-key', key: 'apikeyish' });
});

describe('the cache of API keys', () => {
  const setup = (ttlMs = 60_000) => {
    const state = { now: 0, trusted: true, loads: 0, answer: BOOTSTRAP_CONTEXT as AuthContext | undefined };
    const waiting: (() => void)[] = [];
    const cache = createCredentialCache<AuthContext>({
      ttlMs,
      trusted: () => state.trusted,
      now: () => state.now,
      load: () => {
        state.loads++;
        const { answer } = state;
        return new Promise((resolve) => waiting.push(() => resolve(answer)));
      },
    });
    const settle = async () => {
      for (const each of waiting.splice(0)) each();
      await sleep(0);
    };
    return { cache, state, settle };
  };

  test('shares a running lookup and then answers at once', async () => {
    const { cache, state, settle } = setup();
    const both = [cache.get('k'), cache.get('k')];
    await settle();
    expect(await Promise.all(both)).toEqual([BOOTSTRAP_CONTEXT, BOOTSTRAP_CONTEXT]);
    expect(state.loads).toBe(1);
    expect(cache.get('k')).toBe(BOOTSTRAP_CONTEXT);
    state.now = 60_000;
    expect(cache.get('k')).toBeInstanceOf(Promise);
  });

  test('does not keep what changed while it was looked up', async () => {
    const { cache, state, settle } = setup();
    const first = cache.get('k');
    cache.forget('k');
    state.answer = undefined;
    const second = cache.get('k');
    await settle();
    expect([await first, await second]).toEqual([BOOTSTRAP_CONTEXT, undefined]);
    expect(state.loads).toBe(2);
    expect(cache.get('k')).toBeUndefined();
  });

  test('trusts for a second only: unknown keys, and all while changes may be missed', async () => {
    const { cache, state, settle } = setup();
    void cache.get('known');
    state.answer = undefined;
    void cache.get('unknown');
    await settle();
    state.now = 999;
    state.trusted = false;
    expect(cache.get('known')).toBe(BOOTSTRAP_CONTEXT);
    expect(cache.get('unknown')).toBeUndefined();
    state.now = 1000;
    expect(cache.get('known')).toBeInstanceOf(Promise);
    expect(cache.get('unknown')).toBeInstanceOf(Promise);
  });

  test('remembers the latest answer only: a key that ended, or came into being, is not asked for again and again', async () => {
    const { cache, state, settle } = setup();
    void cache.get('k');
    await settle();
    state.trusted = false;
    state.now = 1000;
    state.answer = undefined;
    void cache.get('k');
    await settle();
    expect(cache.get('k')).toBeUndefined();
    expect(state.loads).toBe(2);
    state.now = 2000;
    state.answer = BOOTSTRAP_CONTEXT;
    void cache.get('k');
    await settle();
    expect(cache.get('k')).toBe(BOOTSTRAP_CONTEXT);
  });

  test('looks up a limited number of keys at once', async () => {
    const { cache, state, settle } = setup();
    for (let i = 0; i < 1000; i++) void cache.get(`k${i}`);
    await expect(cache.get('one more')).rejects.toThrow('look-ups of credentials are under way');
    expect(cache.get('k7')).toBeInstanceOf(Promise);
    expect(state.loads).toBe(1000);
    await settle();
    expect(cache.get('k7')).toBe(BOOTSTRAP_CONTEXT);
    void cache.get('one more');
    expect(state.loads).toBe(1001);
  });

  test('with a time to live of 0 always asks', async () => {
    const { cache, settle } = setup(0);
    void cache.get('k');
    await settle();
    expect(cache.get('k')).toBeInstanceOf(Promise);
  });
});

describe('store lists', () => {
  test('limit a credential to their stores; an empty list reaches all', async () => {
    const g = await startTestGateway();
    const limited = await g.apiKey({ storeIds: [STORE] });
    const all = await g.apiKey();
    const url = (store: string) => `/api/v1/ves/head?tenant_id=${TENANT}&store_id=${store}`;
    expect((await g.call('GET', url(STORE), { key: limited })).status).toBe(200);
    expect((await g.call('GET', url(OTHER_STORE), { key: limited })).body.message).toBe(
      'Store access denied',
    );
    expect((await g.call('GET', url(OTHER_STORE), { key: all })).status).toBe(200);
    await g.close();
  });
});

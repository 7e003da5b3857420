import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../engine/config/index.js';
import { ANONYMOUS_CONTEXT, type AuthContext, authContext } from '../../gateway/auth/context.js';
import { createBodyBudget } from '../../gateway/http/body.js';
import { createRateLimiter } from '../../gateway/limits/rate-limit.js';
import { createRequestRates } from '../../gateway/limits/request-rates.js';
import {
  AGENT,
  OTHER_TENANT,
  STORE,
  startTestGateway,
  TENANT,
  type TestGateway,
} from '../gateway/support.js';

const HEAD = `/api/v1/ves/head?tenant_id=${TENANT}&store_id=${STORE}`;
const LIMITS = '/api/v1/limits';

describe('request rates', () => {
  const caller = (tenant: string, rateLimit: number | null = null, rateCaller = 'key'): AuthContext =>
    authContext({
      ...{ tenant, stores: [], agent: null, canRead: true, canWrite: true, canAdmin: false },
      ...{ rateLimit, rateCaller },
    });
  const rates = (env: Record<string, string>, nowMs = () => 0) =>
    createRequestRates(loadConfig(env).limits, nowMs);

  test('what one limit refuses counts under none', () => {
    const limits = rates({ RATE_LIMIT_PER_MINUTE: '2' });
    const one = caller(TENANT, 10, 'one');
    const two = caller(TENANT, 1, 'two');
    expect(limits.take(two)).toMatchObject({ allowed: true, of: 'credentials', remaining: 0 });
    expect(limits.take(two)).toMatchObject({ allowed: false, of: 'credentials' });
    expect(limits.take(one)).toMatchObject({ allowed: true, of: 'tenant', remaining: 0 });
    expect(limits.take(one)).toMatchObject({ allowed: false, of: 'tenant', limit: 2, waitSecs: 60 });
    expect(limits.look(one).map(({ of, remaining }) => [of, remaining])).toEqual([
      ['credentials', 9],
      ['tenant', 0],
    ]);
    expect(limits.take(caller(OTHER_TENANT))).toMatchObject({ allowed: true, of: 'tenant', remaining: 1 });
  });

  test('without limits there is nothing to say', () => {
    expect(rates({}).take(caller(TENANT))).toBeUndefined();
    expect(
      rates({ PUBLIC_LOG_RATE_LIMIT_PER_MINUTE: '0' }).take(ANONYMOUS_CONTEXT, () => '::1'),
    ).toBeUndefined();
  });

  test('anonymous readers are told apart by address, of IPv6 by network', () => {
    const limits = rates({ PUBLIC_LOG_RATE_LIMIT_PER_MINUTE: '1' });
    const read = (address: string) => limits.take(ANONYMOUS_CONTEXT, () => address)!.allowed;
    expect([read('192.0.2.1'), read('192.0.2.1'), read('192.0.2.2')]).toEqual([true, false, true]);
    expect([read('2001:db8::1'), read('2001:db8::2'), read('2001:db8:0:1::1')]).toEqual([true, false, true]);
  });

  test('the window of credentials can be chosen; a long one moves in larger steps', () => {
    let nowMs = 0;
    const limits = rates({ RATE_LIMIT_WINDOW_SECONDS: '2' }, () => nowMs);
    expect(limits.take(caller(TENANT, 1))).toMatchObject({ allowed: true, windowSecs: 2, waitSecs: 2 });
    nowMs += 1000;
    expect(limits.take(caller(TENANT, 1))).toMatchObject({ allowed: false, waitSecs: 1 });
    nowMs += 1000;
    expect(limits.take(caller(TENANT, 1))).toMatchObject({ allowed: true });
    const daily = createRateLimiter(() => nowMs, { windowSecs: 86_400 });
    expect(daily.take('a', 1).allowed).toBe(true);
    nowMs += 84_000_000;
    expect(daily.take('a', 1).allowed).toBe(false);
    nowMs += 2_400_000;
    expect(daily.take('a', 1).allowed).toBe(true);
  });

  test('callers beyond the most that are counted push out the one that was quiet for longest', () => {
    const limiter = createRateLimiter(() => 0, { callersMax: 2 });
    for (const caller of ['a', 'b', 'c']) limiter.take(caller, 1);
    expect([limiter.take('c', 1).allowed, limiter.take('a', 1).allowed]).toEqual([false, true]);
  });
});

describe('limits over HTTP', () => {
  let g: TestGateway;
  beforeAll(async () => {
    g = await startTestGateway({
      env: {
        RATE_LIMIT_PER_MINUTE: '5',
        MAX_TENANT_REQUESTS: '2',
        PUBLIC_LOG_RATE_LIMIT_PER_MINUTE: '2',
        PUBLIC_LOGS: 'notary',
      },
    });
  });
  afterAll(() => g.close());

  test('all keys of a tenant share its limit, and every answer says how it stands', async () => {
    const keys = [await g.apiKey(), await g.apiKey({ agentId: AGENT, rateLimit: 100 })];
    for (let i = 0; i < 5; i++) {
      const { status, headers } = await g.call('GET', HEAD, { key: keys[i % 2]! });
      expect([status, headers['ratelimit-limit'], headers['ratelimit-remaining']]).toEqual([
        200,
        '5',
        String(4 - i),
      ]);
    }
    const refused = await g.call('GET', HEAD, { key: keys[1]! });
    expect([refused.status, refused.body.code]).toEqual([429, 'RATE_LIMIT_EXCEEDED']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(refused.body.error.details).toEqual({ limit_of: 'tenant', limit: 5, window_seconds: 60 });
    const other = await g.apiKey({ tenantId: OTHER_TENANT });
    expect((await g.call('GET', LIMITS, { key: other })).status).toBe(200);
  });

  test('readers of public logs without credentials have a limit by address', async () => {
    const read = () => g.call('GET', '/log/notary/checkpoint', { key: null });
    const first = await read();
    expect(first.headers['ratelimit-limit']).toBe('2');
    await read();
    expect((await read()).status).toBe(429);
  });

  test('the caller can ask what holds for it', async () => {
    const key = await g.apiKey({ tenantId: OTHER_TENANT, rateLimit: 9 });
    const { status, body } = await g.call('GET', LIMITS, { key });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      tenant_id: OTHER_TENANT,
      rate: {
        credentials: { limit: 9, window_seconds: 60, remaining: 8 },
        tenant: { limit: 5, window_seconds: 60 },
      },
      requests_under_way: { limit: 2, used: 1 },
      ingest: { requests: { limit: 4096, used: 0 }, bytes: { limit: 67_108_864, used: 0 } },
      sizes: { max_other_body_bytes: 65_536 },
    });
  });

  test('a tenant with enough requests under way is refused, and others are not', async () => {
    const tenantId = '33333333-3333-4333-8333-333333333333';
    const key = await g.apiKey({ tenantId });
    const { answer } = g.ingest;
    const waiting: (() => void)[] = [];
    g.ingest.answer = (request, bytes) => void waiting.push(() => answer!(request, bytes));
    const ingest = () => g.call('POST', '/api/v1/ves/events/ingest', { key, body: { events: [] } });
    const taken = [ingest(), ingest()];
    await expect.poll(() => waiting.length).toBe(2);
    const refused = await ingest();
    expect([refused.status, refused.body.code, refused.headers['retry-after']]).toEqual([
      429,
      'RATE_LIMIT_EXCEEDED',
      '1',
    ]);
    const other = await g.apiKey({ tenantId: '44444444-4444-4444-8444-444444444444' });
    expect((await g.call('GET', LIMITS, { key: other })).status).toBe(200);
    g.ingest.answer = answer;
    for (const go of waiting) go();
    expect((await Promise.all(taken)).map(({ status }) => status)).toEqual([200, 200]);
    expect((await ingest()).status).toBe(200);
  });
});

test('half-received bodies of one tenant leave room for those of others', () => {
  const budget = createBodyBudget(1000, () => 0);
  let taken = 0;
  while (budget.take(10, 'flood') === undefined) taken += 10;
  expect(budget.take(10, 'flood')).toBe('owner');
  expect(taken).toBe(750);
  expect(budget.take(200, 'modest')).toBeUndefined();
  budget.give(taken, 'flood');
  expect(budget.take(800, 'modest')).toBeUndefined();
});

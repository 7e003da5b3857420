import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRateLimiter, RATE_WINDOW_SECS } from '../../gateway/limits/rate-limit.js';
import { AGENT, OTHER_AGENT, STORE, startTestGateway, TENANT, type TestGateway } from './support.js';

describe('the sliding window', () => {
  test('lets as many through as the limit says, and more as old ones fall out', () => {
    let nowMs = 5_000_900;
    const limiter = createRateLimiter(() => nowMs);
    const take = () => limiter.take('a', 3);
    expect(take()).toEqual({ allowed: true, remaining: 2, waitSecs: 60 });
    nowMs += 10_000;
    expect(take()).toEqual({ allowed: true, remaining: 1, waitSecs: 50 });
    expect(take()).toEqual({ allowed: true, remaining: 0, waitSecs: 50 });
    expect(take()).toEqual({ allowed: false, remaining: 0, waitSecs: 50 });
    expect(limiter.take('b', 3).allowed).toBe(true);
    nowMs += 49_000;
    expect(take()).toEqual({ allowed: false, remaining: 0, waitSecs: 1 });
    nowMs += 1000;
    expect(take()).toEqual({ allowed: true, remaining: 0, waitSecs: 10 });
    nowMs += 3_600_000;
    expect(take()).toEqual({ allowed: true, remaining: 2, waitSecs: 60 });
  });

  test('says when, after the limit was lowered, the next one fits', () => {
    let nowMs = 0;
    const limiter = createRateLimiter(() => nowMs);
    for (let i = 0; i < 4; i++) {
      limiter.take('a', 10);
      nowMs += 5000;
    }
    expect(limiter.take('a', 2)).toEqual({ allowed: false, remaining: 0, waitSecs: 50 });
    nowMs += 50_000;
    expect(limiter.take('a', 2).allowed).toBe(true);
  });

  test('agrees with a list of instants, whatever comes when', () => {
    const request = fc.record({
      afterMs: fc.integer({ min: 0, max: 40_000 }),
      limit: fc.integer({ min: 1, max: 5 }),
    });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 60 }), (requests) => {
        let nowMs = 1_000_000;
        const limiter = createRateLimiter(() => nowMs);
        const counted: number[] = [];
        for (const { afterMs, limit } of requests) {
          nowMs += afterMs;
          const second = Math.floor(nowMs / 1000);
          const inWindow = (at: number) => counted.filter((each) => each > at - RATE_WINDOW_SECS).length;
          const allowed = inWindow(second) < limit;
          const verdict = limiter.take('a', limit);
          expect(verdict.allowed).toBe(allowed);
          if (allowed) counted.push(second);
          const remaining = Math.max(0, limit - inWindow(second));
          expect(verdict.remaining).toBe(remaining);
          expect(limit - inWindow(second + verdict.waitSecs)).toBeGreaterThan(remaining);
          if (verdict.waitSecs > 1)
            expect(limit - inWindow(second + verdict.waitSecs - 1)).toBeLessThanOrEqual(remaining);
        }
      }),
    );
  });
});

describe('the limit of an API key', () => {
  const HEAD = `/api/v1/ves/head?tenant_id=${TENANT}&store_id=${STORE}`;
  let g: TestGateway;
  beforeAll(async () => {
    g = await startTestGateway();
  });
  afterAll(() => g.close());

  test('is enforced on every route, and every answer says how it stands', async () => {
    const key = await g.apiKey({ rateLimit: 3, agentId: AGENT });
    const first = await g.call('GET', HEAD, { key });
    expect(first.headers).toMatchObject({
      'ratelimit-limit': '3',
      'ratelimit-remaining': '2',
      'ratelimit-reset': expect.stringMatching(/^[0-9]+$/),
    });
    expect((await g.call('POST', '/api/v1/ves/events/ingest', { key, body: {} })).status).toBe(200);
    // A refusal for another reason counts as well.
    expect((await g.call('GET', '/metrics', { key })).headers['ratelimit-remaining']).toBe('0');

    for (const [method, path] of [
      ['GET', HEAD],
      ['POST', '/api/v1/ves/events/ingest'],
      ['GET', '/metrics'],
    ] as const) {
      const refused = await g.call(method, path, { key, ...(method === 'POST' ? { body: {} } : {}) });
      expect([refused.status, refused.body.code]).toEqual([429, 'RATE_LIMIT_EXCEEDED']);
      const wait = Number(refused.headers['retry-after']);
      expect(wait).toBeGreaterThanOrEqual(55);
      expect(wait).toBeLessThanOrEqual(60);
      expect(refused.body.error.retry_after).toBe(wait);
      expect(refused.headers).toMatchObject({
        'ratelimit-limit': '3',
        'ratelimit-remaining': '0',
        'ratelimit-reset': String(wait),
      });
    }
    expect(g.ingest.taken.length).toBe(1);
    expect((await g.call('GET', '/health', { key })).status).toBe(200);
  });

  test('cannot be multiplied by making more keys, and is nobody else’s', async () => {
    const key = await g.apiKey({ rateLimit: 2, agentId: OTHER_AGENT });
    const made = await g.call('POST', `/api/v1/agents/${OTHER_AGENT}/api-keys`, { key, body: {} });
    expect((await g.call('GET', HEAD, { key: made.body.apiKey })).status).toBe(200);
    expect((await g.call('GET', HEAD, { key: made.body.apiKey })).status).toBe(429);
    expect((await g.call('GET', HEAD, { key })).status).toBe(429);

    for (const free of [await g.apiKey({ agentId: OTHER_AGENT }), await g.apiKey({ rateLimit: 2 })]) {
      const reply = await g.call('GET', HEAD, { key: free });
      expect(reply.status).toBe(200);
    }
    const unlimited = await g.call('GET', HEAD);
    expect(unlimited.headers['ratelimit-limit']).toBeUndefined();
  });
});

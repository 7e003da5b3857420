import { describe, expect, test } from 'vitest';
import { STORE, startTestGateway, TENANT } from '../gateway/support.js';

const PAGE = 'https://console.example.com';
const head = `/api/v1/ves/head?tenant_id=${TENANT}&store_id=${STORE}`;
const preflight = (origin: string) => ({
  key: null,
  headers: { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'x-api-key' },
});

describe('cross-origin requests', () => {
  test('are not spoken of unless they are configured', async () => {
    const g = await startTestGateway();
    const reply = await g.call('GET', head, { headers: { origin: PAGE } });
    expect(Object.keys(reply.headers).filter((name) => /^access-control|^vary/.test(name))).toEqual([]);
    expect((await g.call('OPTIONS', head, preflight(PAGE))).status).toBe(405);
    await g.close();
  });

  test('of configured origins are allowed, failures included', async () => {
    const g = await startTestGateway({ env: { CORS_ALLOW_ORIGINS: `${PAGE}, http://localhost:5173` } });
    const asked = await g.call('OPTIONS', '/api/v1/ves/head', preflight(PAGE));
    expect([asked.status, asked.text]).toEqual([204, '']);
    expect(asked.headers).toMatchObject({
      'access-control-allow-origin': PAGE,
      'access-control-allow-methods': 'GET, POST, PUT, DELETE, OPTIONS',
      'access-control-allow-headers': expect.stringMatching(/^authorization, content-type, x-api-key/),
      vary: 'origin',
    });
    expect(asked.headers['access-control-allow-credentials']).toBeUndefined();
    for (const key of [undefined, null]) {
      const reply = await g.call('GET', head, {
        ...(key === null ? { key } : {}),
        headers: { origin: PAGE },
      });
      expect(reply.headers['access-control-allow-origin']).toBe(PAGE);
      expect(reply.headers['access-control-expose-headers']).toMatch(
        /^x-request-id, x-error-code, retry-after/,
      );
    }
    await g.close();
  });

  test('of other origins are not, and caches are told that answers differ', async () => {
    const g = await startTestGateway({ env: { CORS_ALLOW_ORIGINS: PAGE } });
    for (const origin of ['https://evil.example', 'null', `${PAGE}.evil.example`]) {
      expect((await g.call('OPTIONS', head, preflight(origin))).status).toBe(405);
      const reply = await g.call('GET', head, { headers: { origin } });
      expect(reply.headers['access-control-allow-origin']).toBeUndefined();
      expect(reply.headers.vary).toBe('origin');
    }
    await g.close();
  });

  test('of all origins are allowed by *', async () => {
    const g = await startTestGateway({ env: { CORS_ALLOW_ORIGINS: '*' } });
    const reply = await g.call('GET', head, { headers: { origin: PAGE } });
    expect(reply.headers['access-control-allow-origin']).toBe('*');
    await g.close();
  });
});

test('every answer carries the headers that keep browsers from mischief', async () => {
  const g = await startTestGateway();
  for (const path of ['/health', '/nowhere', head]) {
    const { headers } = await g.call('GET', path);
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'permissions-policy': 'camera=(), geolocation=(), microphone=()',
    });
    expect(headers['strict-transport-security']).toBeUndefined();
  }
  await g.close();
});

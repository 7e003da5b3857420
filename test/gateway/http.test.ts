import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRouter, type Route } from '../../gateway/http/router.js';
import { startTestGateway, type TestGateway } from './support.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('every reply', () => {
  let g: TestGateway;
  beforeAll(async () => {
    g = await startTestGateway();
  });
  afterAll(() => g.close());

  test('carries the headers that are always there', async () => {
    for (const reply of [
      await g.call('GET', '/health'),
      await g.call('GET', '/nothing/here'),
      await g.call('POST', '/api/v1/ves/events/ingest', { body: {} }),
      await g.call('POST', '/api/v1/ves/events/ingest', { key: null, body: {} }),
    ]) {
      expect(reply.headers['content-type']).toBe('application/json');
      expect(reply.headers['x-content-type-options']).toBe('nosniff');
      expect(reply.headers['x-frame-options']).toBe('DENY');
      expect(reply.headers['cache-control']).toBe('no-store');
      expect(reply.headers['x-request-id']).toMatch(UUID);
    }
  });

  test('repeats a sane request id and replaces any other', async () => {
    const idOf = async (id: string) =>
      (await g.call('GET', '/nothing', { headers: { 'x-request-id': id } })).headers['x-request-id'];
    expect(await idOf('order-17/retry:2')).toBe('order-17/retry:2');
    expect(await idOf('a'.repeat(128))).toBe('a'.repeat(128));
    expect(await idOf('a'.repeat(129))).toMatch(UUID);
    expect(await idOf('two words')).toMatch(UUID);
    expect(await idOf('caf\u00e9s')).toMatch(UUID);
    const reply = await g.call('GET', '/nothing', { headers: { 'x-request-id': 'mine' } });
    expect(reply.body.error.request_id).toBe('mine');
  });

  test('has the one error body, with the code in a header', async () => {
    const reply = await g.call('GET', '/nothing');
    expect(reply.status).toBe(404);
    expect(reply.headers['x-error-code']).toBe('RESOURCE_NOT_FOUND');
    expect(reply.body).toMatchObject({
      error: { code: 'RESOURCE_NOT_FOUND', numeric_code: 4001, doc_url: '/docs/errors#RESOURCE_NOT_FOUND' },
      code: 'RESOURCE_NOT_FOUND',
      message: 'There is nothing at this path',
    });
  });

  test('to a wrong method names the right ones', async () => {
    const reply = await g.call('GET', '/api/v1/events/ingest');
    expect([reply.status, reply.body.code, reply.headers.allow]).toEqual([405, 'METHOD_NOT_ALLOWED', 'POST']);
    expect((await g.call('DELETE', '/api/v1/agents/keys')).headers.allow).toBe('POST, GET, HEAD');
    expect((await g.call('OPTIONS', '/health')).headers.allow).toBe('GET, HEAD');
    // A static segment is never taken for a parameter.
    expect((await g.call('GET', '/api/v1/ves/events/ingest')).status).toBe(405);
  });

  test('to HEAD has the length but not the body', async () => {
    const reply = await g.call('HEAD', '/health');
    expect(reply.status).toBe(200);
    expect(Number(reply.headers['content-length'])).toBeGreaterThan(50);
    expect(reply.text).toBe('');
  });

  test('is logged without queries, bodies and credentials; failures of the service at warn', async () => {
    g.logLines.length = 0;
    const key = await g.apiKey();
    await g.call('POST', '/api/v1/ves/events/ingest?secret=hush', { key, body: { hush: 1 } });
    g.ingest.refuse = 'service_full';
    await g.call('POST', '/api/v1/ves/events/ingest', { key, body: {}, headers: { 'x-request-id': 'over' } });
    g.ingest.refuse = undefined;
    const lines = g.logLines.map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      { level: 20, method: 'POST', route: '/api/v1/ves/events/ingest', status: 200 },
      { level: 40, request_id: 'over', status: 503, code: 'OVERLOADED' },
    ]);
    expect(g.logLines.join('')).not.toMatch(/hush/);
    expect(g.logLines.join('')).not.toContain(key.slice(12));
  });
});

describe('routing', () => {
  const route = (method: Route['method'], path: string): Route => ({
    method,
    path,
    scope: 'public',
    handler: () => {},
  });
  const find = createRouter([
    route('GET', '/a'),
    route('POST', '/a/keys'),
    route('DELETE', '/a/keys/:id'),
    route('GET', '/a/:agent'),
    route('GET', '/a/:agent/x/:y'),
  ]);
  const found = (method: string, path: string) => {
    const match = find(method, path);
    return match.kind === 'found' ? [match.route.path, ...match.params] : match.kind;
  };

  test('prefers static segments and hands over raw parameters', () => {
    expect(found('GET', '/a')).toEqual(['/a']);
    expect(found('POST', '/a/keys')).toEqual(['/a/keys']);
    expect(found('GET', '/a/keys')).toBe('wrong-method');
    expect(found('DELETE', '/a/keys/1')).toEqual(['/a/keys/:id', '1']);
    expect(found('GET', '/a/b%2Fc')).toEqual(['/a/:agent', 'b%2Fc']);
    expect(found('GET', '/a/b/x/c')).toEqual(['/a/:agent/x/:y', 'b', 'c']);
    expect(found('HEAD', '/a/b')).toEqual(['/a/:agent', 'b']);
  });

  test('knows nothing else', () => {
    for (const path of [
      '',
      '/',
      '//',
      '/a/',
      '/a//',
      '/a//x/y',
      '/b',
      '/a/b/x',
      '/a/b/x/',
      '/a/b/x/y/z',
      'a',
      '/a/keys/',
    ])
      expect(found('GET', path), path).toBe('unknown');
  });

  test('hands over the rest of a path where the route ends in an asterisk', () => {
    const findTail = createRouter([
      route('GET', '/log/notary/*'),
      route('GET', '/log/:tenant/:store/*'),
      route('PUT', '/log/:tenant/:store/*'),
      route('GET', '/log/:tenant'),
    ]);
    const rest = (method: string, path: string) => {
      const match = findTail(method, path);
      return match.kind === 'found' ? [match.route.path, ...match.params] : match.kind;
    };
    expect(rest('GET', '/log/notary/x')).toEqual(['/log/notary/*', 'x']);
    expect(rest('GET', '/log/notary/x/y.p/1')).toEqual(['/log/notary/*', 'x/y.p/1']);
    expect(rest('HEAD', '/log/a/b/c//d%2F')).toEqual(['/log/:tenant/:store/*', 'a', 'b', 'c//d%2F']);
    expect(rest('GET', '/log/a/b//c')).toEqual(['/log/:tenant/:store/*', 'a', 'b', '/c']);
    expect(rest('POST', '/log/notary/x')).toBe('wrong-method');
    expect(rest('GET', '/log/a')).toEqual(['/log/:tenant', 'a']);
    for (const path of ['/log/notary', '/log/notary/', '/log/a/b', '/log/a/b/', '/log/a/b/c/', '/log//b/c'])
      expect(rest('GET', path), path).toBe('unknown');
  });

  test('refuses routes below one that takes the rest of the path', () => {
    for (const path of ['/a/b', '/a/:b', '/a/:b/*'])
      expect(() => createRouter([route('GET', path), route('GET', '/a/*')]), path).toThrow(/below \/a\/\*/);
    expect(() => createRouter([route('GET', '/a/*'), route('GET', '/a/*')])).toThrow(/two routes/);
    expect(() => createRouter([route('GET', '/a'), route('GET', '/a/*')])).not.toThrow();
  });

  test('refuses a table with two rows for one request', () => {
    expect(() => createRouter([route('GET', '/a'), route('GET', '/a')])).toThrow(/two routes/);
  });
});

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ANONYMOUS_CONTEXT, BOOTSTRAP_CONTEXT } from '../../gateway/auth/context.js';
import { createPublicLogs, requireLog } from '../../gateway/auth/public-logs.js';
import { conditional, tagged } from '../../gateway/http/conditional.js';
import { type FilledStream, fillStream, growStream } from '../transparency/log-support.js';
import {
  identity,
  OTHER_STORE,
  OTHER_TENANT,
  openRaw,
  STORE,
  startTestGateway,
  TENANT,
  type TestGateway,
} from './support.js';
import { monitor } from './tile-client.js';

const ORIGIN = 'localhost/log';
/** A tenant and, of another tenant, a store whose logs anybody may read. */
const PUBLIC_TENANT = '77777777-7777-4777-8777-777777777777';
const PUBLIC_STORE = '88888888-8888-4888-8888-888888888888';
const FOR_EVER = 'max-age=31536000, immutable';

let g: TestGateway;
let publicStream: FilledStream;
beforeAll(async () => {
  g = await startTestGateway({
    env: { PUBLIC_LOGS: `${PUBLIC_TENANT},${OTHER_TENANT}/${PUBLIC_STORE}` },
  });
  await fillStream(g.sql, 600, { tenantId: TENANT, storeId: STORE });
  publicStream = await fillStream(g.sql, 300, { tenantId: PUBLIC_TENANT, storeId: STORE });
});
afterAll(() => g.close());

const pathOf = ({ log }: FilledStream) => `/log/${log.tenantId}/${log.storeId}`;
/** A log of 600 entries. */
const base = `/log/${TENANT}/${STORE}`;
const get = (path: string, options: Parameters<TestGateway['call']>[2] = {}) => g.call('GET', path, options);

const watch = (of: FilledStream, key?: string, note?: string) =>
  monitor(
    {
      prefix: `http://127.0.0.1:${g.port}${pathOf(of)}`,
      origin: `${ORIGIN}/${of.log.tenantId}/${of.log.storeId}`,
      publicKey: identity.publicKey,
      ...(key === undefined ? {} : { headers: { 'x-api-key': key } }),
    },
    note,
  );

describe('a monitor that knows nothing but the specification', () => {
  test('reads the whole log, at sizes around full tiles', async () => {
    const key = await g.apiKey({ canWrite: false });
    const log = await fillStream(g.sql, 254, { tenantId: TENANT });
    for (const size of [254, 255, 256, 257, 511, 512, 513]) {
      await growStream(g.sql, log, size - log.size, { groups: 7 });
      const seen = await watch(log, key);
      expect(seen.size).toBe(size);
      expect(seen.entries[size - 1]).toEqual(Buffer.from(log.entry(size - 1)));
    }
  });

  test('reads a log of more than 256 full tiles, some of which are stored', async () => {
    const log = await fillStream(g.sql, 66_000, { tenantId: PUBLIC_TENANT, groups: 1000 });
    expect(await g.transparency.logs.integrate(log.log, 100)).toEqual({ written: 100, done: false });
    const seen = await watch(log);
    expect(seen.size).toBe(66_000);
    expect(seen.paths.slice(-4)).toEqual([
      'tile/0/257.p/208',
      'tile/1/000',
      'tile/1/001.p/1',
      'tile/2/000.p/1',
    ]);
    // An earlier checkpoint still has all its partial tiles.
    const { note } = await g.transparency.checkpoints.stream(log.log, 65_535);
    expect((await watch(log, undefined, note)).size).toBe(65_535);
  }, 60_000);

  test('reads an empty log: a stream that nothing was written to', async () => {
    const key = await g.apiKey();
    const nowhere = `/log/${TENANT}/${randomUUID()}`;
    const seen = await monitor({
      prefix: `http://127.0.0.1:${g.port}${nowhere}`,
      origin: `localhost${nowhere}`,
      publicKey: identity.publicKey,
      headers: { 'x-api-key': key },
    });
    expect([seen.size, seen.paths]).toEqual([0, ['checkpoint']]);
    for (const path of ['tile/0/000', 'tile/0/000.p/1', 'tile/entries/000.p/1'])
      expect((await get(`${nowhere}/${path}`)).status).toBe(404);
  });
});

describe('paths', () => {
  test.each([
    'tile/0/0',
    'tile/0/00',
    'tile/0/0000',
    'tile/00/000',
    'tile/0/x000/000',
    'tile/0/x000/001',
    'tile/0/000.p/0',
    'tile/0/000.p/01',
    'tile/0/000.p/256',
    'tile/0/000.p/',
    'tile/0/000.p/1/',
    'tile/0/000/',
    'tile/64/000',
    'tile/-1/000',
    'tile/0/%30%30%30',
    'tile/0//000',
    'tile/entries/x000/001',
    'tile/Entries/000',
    'tile/0',
    'tile',
    'Checkpoint',
    'checkpoint/',
    'checkpoint/x',
    '/checkpoint',
    'tile/0/../0/000',
    `tile/0/${'x001/'.repeat(700)}001`,
  ])('%s is nothing', async (path) => {
    const reply = await rawGet(`${base}/${path}`);
    expect(reply).toMatch(/^HTTP\/1\.1 404 /);
    expect(reply).toContain('cache-control: no-store');
  });

  /** The client of the other tests would tidy the path up. */
  async function rawGet(path: string): Promise<string> {
    const raw = openRaw(g.port);
    raw.socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nx-api-key: ${await g.apiKey()}\r\n\r\n`);
    const reply = await raw.until('"}');
    raw.socket.destroy();
    return reply;
  }

  test.each([
    ['tile/0/002', 'a tile that is not full yet'],
    ['tile/0/002.p/89', 'more hashes than there are'],
    ['tile/0/003.p/1', 'a tile beyond the end'],
    ['tile/1/000', 'a tile that is not full yet'],
    ['tile/1/000.p/3', 'more hashes than there are'],
    ['tile/2/000.p/1', 'a level that is still empty'],
    ['tile/63/000.p/1', 'a level that will stay empty'],
    ['tile/entries/002', 'a bundle that is not full yet'],
    ['tile/entries/002.p/89', 'more entries than there are'],
    ['tile/0/x009/x007/x199/x254/x740/991', 'the last index that there can be'],
    ['tile/0/x999/x999/x999/x999/x999/999', 'an index beyond 2^53'],
  ])('%s of 600 entries: 404, %s', async (path) => {
    const reply = await get(`${base}/${path}`);
    expect([reply.status, reply.body.code]).toEqual([404, 'RESOURCE_NOT_FOUND']);
    expect(reply.headers['cache-control']).toBe('no-store');
  });

  test('name the stream in the one form of its origin', async () => {
    for (const ids of [
      `${TENANT}/${STORE.toUpperCase()}`,
      `${TENANT.replaceAll('-', '')}/${STORE}`,
      `{${TENANT}}/${STORE}`,
      'x/y',
      `notary/${STORE}`,
      `${TENANT}/notary`,
    ])
      expect((await get(`/log/${ids}/checkpoint`)).status, ids).toBe(404);
    expect((await get(base)).status).toBe(404);
    expect((await get(`${base}/checkpoint?x=1`)).status).toBe(200);
    expect((await g.call('POST', `${base}/checkpoint`)).headers.allow).toBe('GET, HEAD');
  });
});

describe('caching', () => {
  test('full tiles and bundles may be kept for ever, partial ones a while, checkpoints not', async () => {
    const headers = async (path: string) => {
      const first = await get(path);
      const again = await get(path);
      expect([again.status, again.text, again.headers.etag]).toEqual([200, first.text, first.headers.etag]);
      return [first.headers['cache-control'], first.headers['content-type'], again.headers['cache-control']];
    };
    const octets = 'application/octet-stream';
    for (const tile of ['tile/0/001', 'tile/entries/001'])
      expect(await headers(`${base}/${tile}`)).toEqual([
        `private, ${FOR_EVER}`,
        octets,
        `private, ${FOR_EVER}`,
      ]);
    for (const tile of ['tile/0/002.p/88', 'tile/1/000.p/2', 'tile/entries/002.p/5', 'tile/0/001.p/255'])
      expect(await headers(`${base}/${tile}`)).toEqual([
        'private, max-age=60',
        octets,
        'private, max-age=60',
      ]);
    const open = pathOf(publicStream);
    expect((await headers(`${open}/tile/0/000`))[0]).toBe(`public, ${FOR_EVER}`);
    expect((await headers(`${open}/tile/0/001.p/44`))[0]).toBe('public, max-age=60');
    const note = 'text/plain; charset=utf-8';
    const checkpoint = await get(`${base}/checkpoint`);
    expect([checkpoint.headers['cache-control'], checkpoint.headers['content-type']]).toEqual([
      'no-store',
      note,
    ]);
    expect((await get(`${open}/checkpoint`)).headers['cache-control']).toBe('public, max-age=1');
  });

  test('an entity tag that the client has is answered 304, from memory and otherwise', async () => {
    const fresh = await fillStream(g.sql, 300, { tenantId: TENANT });
    for (const tile of ['tile/0/000', 'tile/entries/000', 'tile/0/001.p/44']) {
      const path = `${pathOf(fresh)}/${tile}`;
      const { etag } = (await get(path)).headers;
      expect(etag).toMatch(/^"[\w-]{22}"$/);
      for (const tags of [`${etag}`, `W/${etag}`, `"x", ${etag}`, '*', `"a,b" , W/"",${etag}`]) {
        const reply = await get(path, { headers: { 'if-none-match': tags } });
        expect([reply.status, reply.text, reply.headers.etag]).toEqual([304, '', etag]);
        expect(reply.headers['cache-control']).toMatch(/^private, max-age=/);
      }
      for (const tags of ['"x"', `${etag}`.slice(0, -1), `"${etag}"`, 'nonsense'])
        expect((await get(path, { headers: { 'if-none-match': tags } })).status, tags).toBe(200);
    }
    // What is not there matches nothing.
    expect((await get(`${base}/tile/0/009`, { headers: { 'if-none-match': '*' } })).status).toBe(404);
  });

  test('a 304 says nothing of the content, and the connection goes on', async () => {
    const { etag } = (await get(`${base}/tile/0/000`)).headers;
    const raw = openRaw(g.port);
    const key = await g.apiKey();
    raw.socket.write(
      `GET ${base}/tile/0/000 HTTP/1.1\r\nhost: x\r\nx-api-key: ${key}\r\nif-none-match: ${etag}\r\n\r\n`,
    );
    const unchanged = await raw.until('\r\n\r\n');
    expect(unchanged).toMatch(/^HTTP\/1\.1 304 Not Modified\r\n/);
    expect(unchanged).toContain(`\r\netag: ${etag}\r\n`);
    expect(unchanged.toLowerCase()).not.toMatch(/\r\ncontent-(length|type):/);
    raw.socket.write('GET /health HTTP/1.1\r\nhost: x\r\n\r\n');
    expect((await raw.until('healthy')).slice(unchanged.length)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    raw.socket.destroy();
  });

  test('a 304 that is answered while the service stops ends the connection', async () => {
    const stopping = await startTestGateway();
    const { log } = await fillStream(stopping.sql, 5);
    const key = await stopping.apiKey({ tenantId: log.tenantId });
    const raw = openRaw(stopping.port);
    await stopping.sql.begin(async (tx) => {
      await tx`lock table ves_sequence_counters in access exclusive mode`;
      raw.socket.write(
        `GET /log/${log.tenantId}/${log.storeId}/tile/0/000.p/5 HTTP/1.1\r\nhost: x\r\nx-api-key: ${key}\r\nif-none-match: *\r\n\r\n`,
      );
      await sleep(100);
      stopping.gateway.drain().catch(() => {});
    });
    expect(await raw.until('\r\n\r\n')).toMatch(/^HTTP\/1\.1 304 [\s\S]*\r\nconnection: close\r\n/);
    await stopping.close();
    await raw.closed;
  });

  test('HEAD has the headers of GET and no body', async () => {
    for (const [path, length] of [
      ['tile/0/001', 8192],
      ['tile/entries/001', 256 * 149],
      ['tile/0/002.p/3', 96],
      ['checkpoint', undefined],
    ] as const) {
      const got = await get(`${base}/${path}`);
      const head = await g.call('HEAD', `${base}/${path}`);
      expect([head.status, head.text]).toEqual([200, '']);
      for (const name of ['content-type', 'cache-control', 'etag', 'content-length'])
        expect(head.headers[name]).toBe(got.headers[name]);
      if (length !== undefined) expect(head.headers['content-length']).toBe(String(length));
    }
    const { etag } = (await get(`${base}/tile/0/001`)).headers;
    const head = await g.call('HEAD', `${base}/tile/0/001`, { headers: { 'if-none-match': `${etag}` } });
    expect(head.status).toBe(304);
  });

  test('full tiles that were read lately need no database', async () => {
    const wanted = ['tile/0/000', 'tile/0/001', 'tile/entries/000'];
    const texts = await Promise.all(wanted.map(async (tile) => (await get(`${base}/${tile}`)).text));
    await g.sql.begin(async (tx) => {
      await tx`lock table ves_events, ves_sequence_counters, ves_log_tiles in access exclusive mode`;
      for (const [i, tile] of wanted.entries()) expect((await get(`${base}/${tile}`)).text).toBe(texts[i]);
      const checkpoint = get(`${base}/checkpoint`);
      expect(await Promise.race([checkpoint, sleep(100, 'waiting')])).toBe('waiting');
    });
  });

  test('clients that ask at once for a tile that is just being filled all get it', async () => {
    const log = await fillStream(g.sql, 200, { tenantId: TENANT });
    const tile = `${pathOf(log)}/tile/0/000`;
    const early = Array.from({ length: 20 }, () => get(tile));
    await growStream(g.sql, log, 56);
    const late = await Promise.all(Array.from({ length: 20 }, () => get(tile)));
    expect(new Set(late.map(({ status }) => status))).toEqual(new Set([200]));
    for (const { status } of await Promise.all(early)) expect([200, 404]).toContain(status);
  });
});

describe('who may read', () => {
  const resources = ['checkpoint', 'tile/0/000', 'tile/0/000.p/5', 'tile/entries/000', 'tile/0/077'];

  test('a private log: whoever may read the stream, cached or not', async () => {
    const own = await g.apiKey({ canWrite: false });
    const ownStore = await g.apiKey({ storeIds: [STORE] });
    const refused = [
      { key: null, status: 401, code: 'AUTH_REQUIRED' },
      { key: 'ss_11111111nonsense', status: 401, code: 'INVALID_API_KEY' },
      { key: await g.apiKey({ tenantId: OTHER_TENANT, canAdmin: true }), status: 403 },
      { key: await g.apiKey({ storeIds: [OTHER_STORE] }), status: 403 },
      { key: await g.apiKey({ canRead: false, canAdmin: true }), status: 403 },
    ];
    for (const resource of resources)
      for (let again = 0; again < 2; again++) {
        const expected = resource === 'tile/0/077' ? 404 : 200;
        for (const key of [own, ownStore])
          expect((await get(`${base}/${resource}`, { key })).status).toBe(expected);
        for (const { key, status, code = 'INSUFFICIENT_PERMISSIONS' } of refused) {
          const reply = await get(`${base}/${resource}`, { key, headers: { 'if-none-match': '*' } });
          expect([reply.status, reply.body.code]).toEqual([status, code]);
          expect(reply.headers.etag).toBeUndefined();
        }
      }
  });

  test('what is refused is refused alike, whether the log exists or not', async () => {
    const stranger = await g.apiKey({ tenantId: OTHER_TENANT });
    for (const key of [null, stranger]) {
      const replies = await Promise.all(
        [base, `/log/${TENANT}/${randomUUID()}`, `/log/${randomUUID()}/${STORE}`].flatMap((log) =>
          resources.map((resource) => get(`${log}/${resource}`, { key })),
        ),
      );
      expect(new Set(replies.map(({ status, body }) => `${status} ${body.message}`)).size).toBe(1);
    }
  });

  test('a public log: anybody, but with good credentials or none', async () => {
    const inStore = await fillStream(g.sql, 260, { tenantId: OTHER_TENANT, storeId: PUBLIC_STORE });
    const stranger = await g.apiKey({ canRead: false });
    for (const log of [publicStream, inStore])
      for (const resource of resources) {
        const expected = resource === 'tile/0/077' ? 404 : 200;
        for (const key of [null, stranger])
          expect((await get(`${pathOf(log)}/${resource}`, { key })).status).toBe(expected);
        const bad = await get(`${pathOf(log)}/${resource}`, { key: 'ss_11111111nonsense' });
        expect([bad.status, bad.body.code]).toEqual([401, 'INVALID_API_KEY']);
      }
    // Only the entries are public: not the events, nor what signs new things.
    const { tenantId, storeId } = publicStream.log;
    for (const path of ['/api/v1/log/checkpoint', '/api/v1/ves/head', '/api/v1/ves/events'])
      expect((await get(`${path}?tenant_id=${tenantId}&store_id=${storeId}`, { key: null })).status).toBe(
        401,
      );
    // Beside a public store the tenant's other logs stay private.
    expect((await get(`/log/${OTHER_TENANT}/${STORE}/checkpoint`, { key: null })).status).toBe(401);
    expect((await get('/log/notary/checkpoint', { key: null })).status).toBe(401);
  });

  test('names of public logs', () => {
    const streamLog = (tenantId: string, storeId: string) => ({ kind: 'stream', tenantId, storeId }) as const;
    const notary = { kind: 'notary' } as const;
    const has = (...names: string[]) => {
      const logs = createPublicLogs(names);
      return [
        streamLog(TENANT, STORE),
        streamLog(TENANT, OTHER_STORE),
        streamLog(OTHER_TENANT, STORE),
        notary,
      ].map((log) => logs.has(log));
    };
    expect(has()).toEqual([false, false, false, false]);
    expect(has('*')).toEqual([true, true, true, true]);
    expect(has('notary')).toEqual([false, false, false, true]);
    expect(has(TENANT)).toEqual([true, true, false, false]);
    expect(has(`${OTHER_TENANT}/${STORE}`, `${TENANT}/${OTHER_STORE}`)).toEqual([false, true, true, false]);
    expect(() => requireLog(ANONYMOUS_CONTEXT, notary, false)).toThrow(/credentials/);
    expect(() => requireLog(BOOTSTRAP_CONTEXT, streamLog(TENANT, STORE), false)).not.toThrow();
  });

  test('with authentication switched off: everybody', async () => {
    const lax = await startTestGateway({ env: { AUTH_MODE: 'disabled', ALLOW_AUTH_DISABLED: 'true' } });
    const log = await fillStream(lax.sql, 3);
    const { tenantId, storeId } = log.log;
    expect((await lax.call('GET', `/log/${tenantId}/${storeId}/tile/0/000.p/3`, { key: null })).status).toBe(
      200,
    );
    await lax.close();
  });

  test('requests with limited keys are counted, also for public logs', async () => {
    const key = await g.apiKey({ rateLimit: 2 });
    const statuses = [];
    for (let i = 0; i < 3; i++)
      statuses.push((await get(`${pathOf(publicStream)}/tile/0/000`, { key })).status);
    expect(statuses).toEqual([200, 200, 429]);
  });

  test('readers without credentials take a bounded part of the service', async () => {
    const agent = new Agent({ connections: 200 });
    const url = `http://127.0.0.1:${g.port}${pathOf(publicStream)}/checkpoint`;
    const ask = async () => {
      const response = await request(url, { dispatcher: agent });
      await response.body.text();
      return [response.statusCode, response.headers['x-error-code']];
    };
    let asked: ReturnType<typeof ask>[] = [];
    await g.sql.begin(async (tx) => {
      await tx`lock table ves_sequence_counters in access exclusive mode`;
      asked = Array.from({ length: 140 }, ask);
      const refused = Array.from({ length: 12 }, () => [503, 'OVERLOADED']);
      const early: unknown[] = [];
      for (const each of asked) each.then((answer) => early.push(answer));
      for (let i = 0; early.length < 12 && i < 100; i++) await sleep(20);
      expect(early).toEqual(refused);
      // From memory they are served all the same.
      expect((await get(`${pathOf(publicStream)}/tile/0/000`, { key: null })).status).toBe(200);
    });
    const statuses = (await Promise.all(asked)).map(([status]) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(128);
    expect((await ask())[0]).toBe(200);
    await agent.destroy();
  });
});

test('entity tags are compared as HTTP says', () => {
  const resource = tagged('"a,b"', { status: 200, body: 'x' });
  expect(conditional(resource, '')).toBe(resource.whole);
  expect(conditional(resource, '"a", "b"')).toBe(resource.whole);
  expect(conditional(resource, '"a" , W/"a,b"')).toBe(resource.unchanged);
  expect(resource.whole.headers).toEqual([['etag', '"a,b"']]);
  expect(resource.unchanged).toMatchObject({ status: 304, body: '' });
});

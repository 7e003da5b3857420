import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createNonceCache } from '../../engine/access/index.js';
import { parseDictionary, serializeInnerList } from '../../engine/access/structured-fields.js';
import { registerAgentKey } from '../../engine/keys/register-agent-key.js';
import { revokeAgentKey } from '../../engine/keys/revoke-agent-key.js';
import {
  AGENT,
  OTHER_AGENT,
  OTHER_TENANT,
  STORE,
  startTestGateway,
  TENANT,
  type TestGateway,
} from '../gateway/support.js';
import { createSigner, type SignOptions } from './signer.js';

const HEAD = `/api/v1/ves/head?tenant_id=${TENANT}&store_id=${STORE}`;
const INGEST = '/api/v1/ves/events/ingest';

describe('a request signed by an agent', () => {
  const signer = createSigner({ tenantId: TENANT, agentId: AGENT, keyId: 7 });
  let g: TestGateway;
  const register = (
    who: ReturnType<typeof createSigner>,
    validity: { validFrom?: string; validTo?: string } = {},
  ) =>
    registerAgentKey(g.sql, {
      validFrom: null,
      validTo: null,
      ...who,
      ...validity,
      proofOfPossession: undefined,
    });
  beforeAll(async () => {
    g = await startTestGateway();
    await register(signer);
  });
  afterAll(() => g.close());

  const send = async (
    options: SignOptions,
    { body = options.body, path = options.path, more = {} } = {},
    who = signer,
  ) => {
    const headers = { ...who.headersOf({ host: `127.0.0.1:${g.port}`, ...options }), ...more };
    const reply = await g.call(options.method, path, {
      key: null,
      headers,
      ...(body === undefined ? {} : { raw: body }),
    });
    return reply.status === 200 ? 200 : `${reply.status} ${reply.body.code}`;
  };
  const BAD = '401 INVALID_REQUEST_SIGNATURE';
  const get = (options: Partial<SignOptions> = {}) => send({ method: 'GET', path: HEAD, ...options });

  test('reads as the agent', async () => {
    expect(await get()).toBe(200);
    expect(await get({ components: ['@method', '@target-uri'] })).toBe(200);
    expect(await get({ components: ['@method', '@target-uri'], scheme: 'https' })).toBe(200);
    expect(
      await get({
        components: ['@query', '@authority', 'accept', '@path', '@method'],
        fields: { accept: 'a, b' },
      }),
    ).toBe(200);
    expect(await get({ alg: null, label: 'other-label', expires: Math.floor(Date.now() / 1000) + 30 })).toBe(
      200,
    );
  });

  test('writes as the agent: the pipeline gets its scope and the very body', async () => {
    const body = JSON.stringify({ agentId: AGENT, events: [] });
    expect(await send({ method: 'POST', path: INGEST, body })).toBe(200);
    const { scope, bytes } = g.ingest.taken.at(-1)!;
    expect(scope).toEqual({
      tenant: TENANT.replaceAll('-', ''),
      stores: [],
      agent: AGENT.replaceAll('-', ''),
    });
    expect(bytes.toString()).toBe(body);
    const large = JSON.stringify({ agentId: AGENT, events: ['x'.repeat(2_000_000)] });
    expect(await send({ method: 'POST', path: INGEST, body: large })).toBe(200);
    expect(g.ingest.taken.at(-1)!.bytes.length).toBe(large.length);
  });

  test('never administers, and stays in its tenant', async () => {
    expect(await send({ method: 'GET', path: `/api/v1/agents/${AGENT}/policy` })).toBe(
      '403 INSUFFICIENT_PERMISSIONS',
    );
    expect(await get({ path: HEAD.replace(TENANT, OTHER_TENANT) })).toBe('403 INSUFFICIENT_PERMISSIONS');
    const others = `/api/v1/agents/${OTHER_AGENT}/api-keys`;
    expect(await send({ method: 'GET', path: others })).toBe('403 INSUFFICIENT_PERMISSIONS');
  });

  test('counts once', async () => {
    const headers = signer.headersOf({ method: 'GET', path: HEAD });
    const status = async () => (await g.call('GET', HEAD, { key: null, headers })).status;
    expect(await Promise.all([status(), status(), status(), status()]).then((all) => all.sort())).toEqual([
      200, 401, 401, 401,
    ]);
    expect(await status()).toBe(401);
    const nonce = 'the-same-nonce-again';
    expect(await get({ nonce })).toBe(200);
    expect(await get({ nonce })).toBe(BAD);
  });

  test('must be new', async () => {
    const now = Math.floor(Date.now() / 1000);
    expect(await get({ created: now - 50 })).toBe(200);
    expect(await get({ created: now + 50 })).toBe(200);
    expect(await get({ created: now - 70 })).toBe(BAD);
    expect(await get({ created: now + 70 })).toBe(BAD);
    expect(await get({ expires: now - 1 })).toBe(BAD);
    expect(await get({ created: now - 10_000, expires: now + 10_000 })).toBe(BAD);
    expect(await get({ nonce: null })).toBe(BAD);
    expect(await get({ nonce: 'short' })).toBe(BAD);
  });

  test.each([
    [['@path', '@query']],
    [['@method', '@path']],
    [['@method', '@query']],
    [['@method']],
    [[]],
    [['@method', '@method', '@path', '@query']],
    [['@method', '@path', '@query', 'x-not-there']],
    [['@method', '@path', '@query', '@status']],
    [['@method', '@path', '@query', '@signature-params']],
  ])('must cover method and target, once each: %j is not enough', async (components) => {
    expect(await get({ components })).toBe(BAD);
  });

  test('must cover the digest of a body, and the body must have it', async () => {
    const body = '{"a":1}';
    const post = { method: 'POST', path: INGEST, body };
    expect(await send({ ...post, components: ['@method', '@path', '@query'] })).toBe(BAD);
    expect(await send(post, { body: '{"a":2}' })).toBe(BAD);
    expect(await send(post, { body: '' })).toBe(BAD);
    const digest = (name: string) => createHash(name).update(body).digest('base64');
    expect(await send({ ...post, digest: `sha-512=:${digest('sha512')}:` })).toBe(BAD);
    expect(
      await send({ ...post, digest: `sha-512=:${digest('sha512')}:, sha-256=:${digest('sha256')}:` }),
    ).toBe(200);
    expect(await send({ ...post, digest: 'sha-256=:AAAA:' })).toBe(BAD);
    expect(await send({ ...post, digest: `sha-256="${digest('sha256')}"` })).toBe(BAD);
    expect(await send(post, { more: { 'content-digest': `sha-256=:${digest('sha256')}:` } })).toBe(200);
    const taken = g.ingest.taken.length;
    expect(await send(post, { body: `${body} ` })).toBe(BAD);
    expect(g.ingest.taken.length).toBe(taken); // nothing reached the pipeline
  });

  test('covers this request and no other', async () => {
    expect(await send({ method: 'GET', path: HEAD }, { path: `${HEAD}&more=1` })).toBe(BAD);
    expect(await send({ method: 'GET', path: HEAD }, { path: HEAD.replace('/ves', '') })).toBe(BAD);
    expect(await get({ method: 'DELETE' })).not.toBe(200);
    expect(await get({ host: 'elsewhere.example', components: ['@method', '@target-uri'] })).toBe(BAD);
  });

  test('holds only under a key of that agent that is valid now; nobody learns why it does not', async () => {
    const messages = new Set<string>();
    const refused = async (who: ReturnType<typeof createSigner>, options: Partial<SignOptions> = {}) => {
      const headers = who.headersOf({ method: 'GET', path: HEAD, ...options });
      const { status, body } = await g.call('GET', HEAD, { key: null, headers });
      messages.add(body.message);
      return status;
    };
    const agent = (keyId: number) => createSigner({ tenantId: TENANT, agentId: AGENT, keyId });
    const [unknown, revoked, expired, future, impostor] = [
      agent(100),
      agent(101),
      agent(102),
      agent(103),
      agent(7),
    ];
    await register(revoked);
    expect(await send({ method: 'GET', path: HEAD }, {}, revoked)).toBe(200);
    await revokeAgentKey(g.sql, TENANT, AGENT, 101);
    await register(expired, { validTo: '2020-01-01T00:00:00Z' });
    await register(future, { validFrom: '2100-01-01T00:00:00Z' });
    await new Promise((resolve) => setTimeout(resolve, 500));
    for (const who of [unknown, revoked, expired, future, impostor]) expect(await refused(who)).toBe(401);
    expect(await refused(signer, { keyId: `${OTHER_TENANT}/${AGENT}/7` })).toBe(401);
    expect(await refused(signer, { keyId: `${TENANT}/${OTHER_AGENT}/7` })).toBe(401);
    expect([...messages]).toEqual([
      'The signature does not hold under a key of this agent that is valid now',
    ]);
  });

  test('that cannot be read is refused, whatever it is', async () => {
    const good = signer.headersOf({ method: 'GET', path: HEAD });
    const input = good['signature-input']!;
    for (const [more, value] of [
      ['signature-input', ''],
      ['signature-input', 'nonsense'],
      ['signature-input', input.replace('sig1', 'sig2')],
      ['signature-input', `${input}, ${input.replace('sig1', 'sig2')}`],
      ['signature-input', input.replace('created=', 'created="x";was=')],
      ['signature-input', input.replace('alg="ed25519"', 'alg="hmac-sha256"')],
      ['signature-input', input.replace('"@method"', '"@method";req')],
      ['signature-input', input.replace(/keyid="[^"]*"/, 'keyid="other"')],
      ['signature-input', input.replace(/\/7"/, '/99999999999"')],
      ['signature-input', `sig1=(${'"a" '.repeat(40)});keyid="${TENANT}/${AGENT}/7"`],
      ['signature', ''],
      ['signature', 'sig1=:AAAA:'],
      ['signature', 'sig1="text"'],
      ['signature', 'sig1=:not base64:'],
      ['signature', good.signature!.replace('sig1', 'sig9')],
    ] as const) {
      const reply = await g.call('GET', HEAD, { key: null, headers: { ...good, [more]: value } });
      expect([value, reply.status]).toEqual([value, 401]);
    }
    const key = await g.apiKey();
    const withKey = await g.call('GET', HEAD, { key, headers: { ...good, signature: 'nonsense' } });
    expect(withKey.status).toBe(200); // an API key decides alone
    const badKey = await g.call('GET', HEAD, { key: 'ss_nonsense', headers: good });
    expect(badKey.body.code).toBe('INVALID_API_KEY'); // and nobody is asked after it
  });

  test('has the rate limit of the agent’s API keys', async () => {
    const limited = createSigner({ tenantId: OTHER_TENANT, agentId: OTHER_AGENT, keyId: 1 });
    await register(limited);
    await g.apiKey({ tenantId: OTHER_TENANT, agentId: OTHER_AGENT, rateLimit: 2 });
    const path = HEAD.replace(TENANT, OTHER_TENANT);
    const replies = [];
    for (let i = 0; i < 3; i++) replies.push(await send({ method: 'GET', path }, {}, limited));
    expect(replies).toEqual([200, 200, '429 RATE_LIMIT_EXCEEDED']);
  });
});

test('used nonces are remembered until they cannot come again, and within limits', () => {
  const nonces = createNonceCache({ ownerMax: 3, totalMax: 4 });
  expect(nonces.take('a', '1', 10_000, 0)).toBe('fresh');
  expect(nonces.take('a', '1', 10_000, 9_999)).toBe('replayed');
  expect(nonces.take('b', '1', 10_000, 0)).toBe('fresh');
  expect(nonces.take('a', '2', 60_000, 0)).toBe('fresh');
  expect(nonces.take('a', '3', 60_000, 0)).toBe('fresh');
  expect(nonces.take('a', '4', 60_000, 0)).toBe('full');
  expect(nonces.take('c', '1', 60_000, 0)).toBe('full');
  expect(nonces.take('a', '2', 60_000, 59_999)).toBe('replayed');
  expect([nonces.take('a', '1', 90_000, 20_000), nonces.size]).toEqual(['fresh', 3]);
  expect(nonces.take('c', '1', 200_000, 100_000)).toBe('fresh');
  expect(nonces.size).toBe(1);
});

describe('structured fields', () => {
  test('are written as they were read', () => {
    const text =
      '("@method" "x-\\"y\\"";req "b");created=1618884473;keyid="a\\\\b";nonce="n";flag;n=-5;bytes=:AQI=:';
    const member = parseDictionary(`sig=${text}`)?.get('sig');
    expect(member?.kind).toBe('list');
    if (member?.kind === 'list') expect(serializeInnerList(member.items, member.params)).toBe(text);
    expect([...parseDictionary(' a=1,b , c=?0;x,\t a=:AA==:')!.keys()]).toEqual(['b', 'c', 'a']);
  });

  test.each([
    'a=',
    'a=1,',
    ',',
    '=1',
    'A=1',
    'a=("b"',
    'a=("b""c")',
    'a=(b)',
    'a=:A:',
    'a=:AB==:',
    'a="\\x"',
    'a="\n"',
    'a=1.5',
    'a=1 b',
    'a=9999999999999999',
    'a;',
    'a;=1',
  ])('that are not well-formed are refused: %j', (text) => expect(parseDictionary(text)).toBeUndefined());
});

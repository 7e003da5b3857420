import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createKeySet,
  createTokenVerifier,
  fetchKeySet,
  type TokenVerifier,
} from '../../engine/access/index.js';
import { ServiceError } from '../../engine/errors/index.js';
import { AGENT, OTHER_STORE, STORE, startTestGateway, TENANT, type TestGateway } from '../gateway/support.js';

const SECRET = 'a-secret-of-more-than-thirty-two-characters';
const NOW_MS = Date.parse('2026-01-31T12:00:00Z');
const NOW = NOW_MS / 1000;
const RULES = { issuer: 'stateset-sequencer', audience: 'stateset-api' };
const CLAIMS = {
  sub: TENANT,
  iss: RULES.issuer,
  aud: RULES.audience,
  exp: NOW + 600,
  nbf: NOW - 10,
  iat: NOW - 10,
  jti: 'one',
  perms: 'read,write',
};

const bytes = (text: string) => new TextEncoder().encode(text);
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token under a secret; `undefined` takes a claim away. */
const signed = (claims: Record<string, unknown> = {}, { alg = 'HS256', secret = SECRET } = {}) =>
  new SignJWT({ ...CLAIMS, ...claims } as JWTPayload).setProtectedHeader({ alg }).sign(bytes(secret));

const outcome = async (verify: TokenVerifier, token: string) => {
  try {
    return await verify(token);
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    return error.code;
  }
};

describe('tokens under a secret', () => {
  const verify = createTokenVerifier({ ...RULES, secret: SECRET, keySet: undefined, nowMs: () => NOW_MS });
  const codeOf = async (claims: Record<string, unknown>) => outcome(verify, await signed(claims));

  test('grant what their claims say', async () => {
    const claims = {
      stores: `${STORE}, ${OTHER_STORE.toUpperCase()}`,
      agent: AGENT,
      perms: 'read, admin,unknown',
    };
    expect(await codeOf(claims)).toEqual({
      tenantId: TENANT,
      storeIds: [STORE, OTHER_STORE],
      agentId: AGENT,
      canRead: true,
      canWrite: false,
      canAdmin: true,
      expiresAtMs: (NOW + 660) * 1000,
    });
    expect(await codeOf({ perms: undefined })).toMatchObject({
      canRead: false,
      canWrite: false,
      canAdmin: false,
    });
    expect(await codeOf({ aud: ['elsewhere', RULES.audience] })).toMatchObject({ tenantId: TENANT });
  });

  test.each(['HS256', 'HS384', 'HS512'])('may be signed with %s', async (alg) => {
    expect(await outcome(verify, await signed({}, { alg }))).toMatchObject({ tenantId: TENANT });
  });

  test('have a leeway of 60 s for exp and none for nbf', async () => {
    expect(await codeOf({ exp: NOW - 59 })).toMatchObject({ tenantId: TENANT });
    expect(await codeOf({ exp: NOW - 60 })).toBe('TOKEN_EXPIRED');
    expect(await codeOf({ nbf: NOW })).toMatchObject({ tenantId: TENANT });
    expect(await codeOf({ nbf: NOW + 1 })).toBe('INVALID_TOKEN');
  });

  test.each([
    ...['sub', 'iss', 'aud', 'exp', 'nbf', 'iat', 'jti'].map((name) => ({ [name]: undefined })),
    { iss: 'another' },
    { aud: 'another' },
    { aud: [] },
    { sub: 'a tenant' },
    { exp: String(NOW + 600) },
    { exp: Number.MAX_VALUE },
    { nbf: -1 },
    { jti: '' },
    { agent: 'none' },
    { agent: null },
    { stores: 'everything' },
    { stores: `${STORE},` },
    { stores: ' ' },
    { stores: [STORE] },
    { perms: ['admin'] },
    { perms: true },
  ])('with the claims %j are refused', async (claims) => {
    expect(await codeOf(claims)).toBe('INVALID_TOKEN');
  });

  test('that are forged are refused', async () => {
    const good = await signed();
    const [header, claims, signature] = good.split('.') as [string, string, string];
    const other = part({ ...CLAIMS, perms: 'admin' });
    const forged = [
      `${header}.${other}.${signature}`,
      `${part({ alg: 'none' })}.${claims}.`,
      `${part({ alg: 'none' })}.${claims}.${signature}`,
      `${part({ alg: 'None' })}.${claims}.${signature}`,
      `${part({})}.${claims}.${signature}`,
      `${part({ alg: ['HS256'] })}.${claims}.${signature}`,
      `${part({ alg: 'HS512' })}.${claims}.${signature}`,
      `${part({ alg: 'HS256', crit: ['exp'], exp: 1 })}.${claims}.${signature}`,
      `${part({ alg: 'HS256', b64: false, crit: ['b64'] })}.${claims}.${signature}`,
      `${header}.${claims}.${signature.slice(0, -4)}`,
      `${header}.${claims}.`,
      `${header}..${signature}`,
      `${header}.${claims}`,
      `${good}.`,
      `${good} `,
      good.replace('.', '..'),
      '',
      '.',
      'a.b.c',
      '{}',
      await signed({}, { secret: `${SECRET}x` }),
      await signed({ padding: 'x'.repeat(9000) }),
    ];
    for (const token of forged)
      expect([token.slice(0, 40), await outcome(verify, token)]).toEqual([
        token.slice(0, 40),
        'INVALID_TOKEN',
      ]);
  });

  test('need a secret: without one there is none to guess', async () => {
    const none = createTokenVerifier({ ...RULES, secret: undefined, keySet: undefined, nowMs: () => NOW_MS });
    expect(await outcome(none, await signed({}, { secret: ' ' }))).toBe('INVALID_TOKEN');
  });
});

/** An issuer on a socket: what it publishes can be changed while it runs. */
async function startIssuer() {
  let body: string | undefined = '{"keys":[]}';
  let requests = 0;
  const server: Server = createServer((_, response) => {
    requests++;
    if (body === undefined) response.writeHead(503).end();
    else if (body === 'hang') return;
    else if (body === 'redirect') response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
    else response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
    publish: (text: string | undefined) => {
      body = text;
    },
    get requests() {
      return requests;
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function issuerKey(alg: 'RS256' | 'ES256' | 'EdDSA', kid: string) {
  const pair = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(pair.publicKey)), kid, alg, use: 'sig' };
  const sign = (claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}) =>
    new SignJWT({ ...CLAIMS, ...claims } as JWTPayload)
      .setProtectedHeader({ alg, kid, ...header } as never)
      .sign(pair.privateKey);
  return { ...pair, jwk, sign };
}

describe('tokens under a key of an issuer', () => {
  let issuer: Awaited<ReturnType<typeof startIssuer>>;
  let clock = 0;
  let changes = 0;
  const open = () =>
    createKeySet({
      load: () => fetchKeySet(issuer.url, 300),
      intervalMinMs: 1000,
      ageMaxMs: 60_000,
      staleMaxMs: 600_000,
      now: () => clock,
      onChange: () => changes++,
      onError: () => {},
    });
  const verifierOf = (keySet = open(), secret: string | undefined = undefined) =>
    createTokenVerifier({ ...RULES, secret, keySet, nowMs: () => NOW_MS });
  beforeAll(async () => {
    issuer = await startIssuer();
  });
  afterAll(() => issuer.close());

  test.each(['RS256', 'ES256', 'EdDSA'] as const)('may be signed with %s', async (alg) => {
    const key = await issuerKey(alg, 'k');
    issuer.publish(JSON.stringify({ keys: [key.jwk] }));
    expect(await outcome(verifierOf(), await key.sign())).toMatchObject({ tenantId: TENANT });
  });

  test('are never confused with tokens under a secret', async () => {
    const key = await issuerKey('RS256', 'k');
    issuer.publish(JSON.stringify({ keys: [key.jwk, { kty: 'oct', kid: 'k2', k: 'AAAA', alg: 'HS256' }] }));
    const pem = await exportSPKI(key.publicKey);
    const verify = verifierOf(open(), SECRET);
    for (const secret of [pem, pem.trim(), JSON.stringify(key.jwk), key.jwk.n!])
      for (const kid of ['k', undefined])
        expect(
          await outcome(
            verify,
            await new SignJWT(CLAIMS)
              .setProtectedHeader({ alg: 'HS256', ...(kid ? { kid } : {}) })
              .sign(bytes(secret)),
          ),
        ).toBe('INVALID_TOKEN');
    const [, claims, signature] = (await key.sign()).split('.');
    expect(await outcome(verify, `${part({ alg: 'ES256', kid: 'k' })}.${claims}.${signature}`)).toBe(
      'INVALID_TOKEN',
    );
    expect(await outcome(verify, `${part({ alg: 'HS256', kid: 'k2' })}.${claims}.${signature}`)).toBe(
      'INVALID_TOKEN',
    );
    expect(await outcome(verify, `${part({ alg: 'PS256', kid: 'k' })}.${claims}.${signature}`)).toBe(
      'INVALID_TOKEN',
    );
    // Without a secret, and without keys: each family is refused on its own.
    expect(await outcome(verifierOf(), await signed())).toBe('INVALID_TOKEN');
    const secretOnly = createTokenVerifier({
      ...RULES,
      secret: SECRET,
      keySet: undefined,
      nowMs: () => NOW_MS,
    });
    expect(await outcome(secretOnly, await key.sign())).toBe('INVALID_TOKEN');
  });

  test('are refused when they name a foreign key, or carry one', async () => {
    const key = await issuerKey('EdDSA', 'mine');
    const thief = await issuerKey('EdDSA', 'mine');
    issuer.publish(JSON.stringify({ keys: [key.jwk] }));
    const verify = verifierOf();
    expect(await outcome(verify, await key.sign())).toMatchObject({ tenantId: TENANT });
    expect(await outcome(verify, await thief.sign())).toBe('INVALID_TOKEN');
    expect(await outcome(verify, await thief.sign({}, { jwk: thief.jwk }))).toBe('INVALID_TOKEN');
    expect(await outcome(verify, await thief.sign({}, { jku: issuer.url, kid: 'other' }))).toBe(
      'INVALID_TOKEN',
    );
    expect(await outcome(verify, await key.sign({}, { kid: undefined }))).toBe('INVALID_TOKEN');
    expect(await outcome(verify, await key.sign({}, { kid: 'x'.repeat(500) }))).toBe('INVALID_TOKEN');
  });

  test('follow the issuer when it changes its keys, without asking it for every invented key', async () => {
    const first = await issuerKey('ES256', 'first');
    const second = await issuerKey('ES256', 'second');
    issuer.publish(JSON.stringify({ keys: [first.jwk] }));
    const verify = verifierOf();
    expect(await outcome(verify, await first.sign())).toMatchObject({ tenantId: TENANT });
    issuer.publish(JSON.stringify({ keys: [second.jwk] }));
    const before = issuer.requests;
    expect(await outcome(verify, await second.sign())).toBe('INVALID_TOKEN'); // within the interval
    expect(issuer.requests).toBe(before);
    clock += 1000;
    changes = 0;
    const invented = await Promise.all(Array.from({ length: 20 }, () => second.sign()));
    const results = await Promise.all(invented.map((token) => outcome(verify, token)));
    expect(results.every((each) => typeof each === 'object')).toBe(true);
    expect([issuer.requests, changes]).toEqual([before + 1, 1]);
    clock += 1000;
    expect(await outcome(verify, await first.sign())).toBe('INVALID_TOKEN');
  });

  test('go on while the issuer is silent, until its keys are too old', async () => {
    const key = await issuerKey('EdDSA', 'k');
    const token = await key.sign();
    issuer.publish(undefined);
    const keySet = open();
    const verify = verifierOf(keySet);
    expect(await outcome(verify, token)).toBe('SERVICE_UNAVAILABLE');
    issuer.publish(JSON.stringify({ keys: [key.jwk] }));
    clock += 1000;
    expect(await outcome(verify, token)).toMatchObject({ tenantId: TENANT });
    for (const trouble of [
      undefined,
      'hang',
      'redirect',
      'not JSON',
      '[]',
      '{"keys":{}}',
      'x'.repeat(2_000_000),
    ]) {
      issuer.publish(trouble);
      clock += 60_000;
      expect(await outcome(verify, token)).toMatchObject({ tenantId: TENANT });
    }
    clock += 600_000;
    expect(await outcome(verify, token)).toBe('SERVICE_UNAVAILABLE');
  });

  test('are not taken under keys that are weak, or not for signatures', async () => {
    const key = await issuerKey('ES256', 'k');
    for (const jwk of [
      { ...key.jwk, use: 'enc' },
      { ...key.jwk, key_ops: ['sign'] },
      { ...key.jwk, alg: 'ES384' },
      { ...key.jwk, kid: 7 },
    ]) {
      issuer.publish(
        JSON.stringify({ keys: [jwk, null, 'key', { kty: 'RSA', kid: 'small', n: 'AQAB', e: 'AQAB' }] }),
      );
      expect(await outcome(verifierOf(), await key.sign())).toBe('INVALID_TOKEN');
    }
  });
});

describe('over HTTP', () => {
  let g: TestGateway;
  const head = (store: string) => `/api/v1/ves/head?tenant_id=${TENANT}&store_id=${store}`;
  const now = () => Math.floor(Date.now() / 1000);
  const token = (claims: Record<string, unknown> = {}) =>
    signed({ exp: now() + 600, nbf: now() - 1, iat: now(), ...claims });
  const get = async (value: string, path = head(STORE)) => {
    const reply = await g.call('GET', path, { key: null, headers: { authorization: `Bearer ${value}` } });
    return [reply.status, reply.body.code, reply.headers['www-authenticate']];
  };
  beforeAll(async () => {
    g = await startTestGateway({ env: { JWT_SECRET: SECRET } });
  });
  afterAll(() => g.close());

  test('a token is what it says, also the second time', async () => {
    const limited = await token({ stores: STORE });
    for (let i = 0; i < 2; i++) {
      expect((await get(limited))[0]).toBe(200);
      expect(await get(limited, head(OTHER_STORE))).toEqual([403, 'INSUFFICIENT_PERMISSIONS', undefined]);
    }
  });

  test('a remembered token expires all the same', async () => {
    const brief = await token({ exp: now() - 58 });
    expect((await get(brief))[0]).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 2100));
    expect((await get(brief)).slice(0, 2)).toEqual([401, 'TOKEN_EXPIRED']);
  });

  test('401 says how to authenticate', async () => {
    const challenge = 'ApiKey realm="stateset-sequencer", Bearer realm="stateset-sequencer"';
    expect(await get('a.b.c')).toEqual([401, 'INVALID_TOKEN', `${challenge}, error="invalid_token"`]);
    const none = await g.call('GET', head(STORE), { key: null });
    expect([none.status, none.headers['www-authenticate']]).toEqual([401, challenge]);
  });

  test('a token too long to read is refused, or its connection is', async () => {
    expect((await get(`${'a'.repeat(8000)}.b.c`)).slice(0, 2)).toEqual([401, 'INVALID_TOKEN']);
    const bomb = await get('a'.repeat(200_000)).catch(() => [431]);
    expect([401, 431]).toContain(bomb[0]);
    expect((await get(await token()))[0]).toBe(200);
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publicKeyFromSeed, signProofOfPossession, verifyKeyDirectory } from '../../engine/protocol/index.js';
import { hex } from './seed.js';
import { AGENT, identity, startTestGateway, TENANT, type TestGateway } from './support.js';

const KEYS = '/api/v1/agents/keys';
const seed = (n: number) => new Uint8Array(32).fill(n);
const publicKey = (n: number) => hex(publicKeyFromSeed(seed(n)));
const proof = (n: number) => hex(signProofOfPossession(publicKeyFromSeed(seed(n)), seed(n)));
const about = `tenant_id=${TENANT}&agent_id=${AGENT}`;

let g: TestGateway;
let admin: string;
beforeAll(async () => {
  g = await startTestGateway();
  admin = await g.apiKey({ canAdmin: true });
});
afterAll(() => g.close());

const register = (body: object) => g.call('POST', KEYS, { key: admin, body });

describe('registration', () => {
  test('takes camelCase and answers it', async () => {
    const reply = await register({
      tenantId: TENANT,
      agentId: AGENT,
      keyId: 1,
      publicKey: `0x${publicKey(1)}`,
    });
    expect(reply.status).toBe(200);
    expect(reply.body).toEqual({
      success: true,
      tenantId: TENANT,
      agentId: AGENT,
      keyId: 1,
      keyAlgorithm: 0,
      message: 'Agent key registered successfully',
    });
  });

  test('takes snake_case, nulls and unknown members', async () => {
    const reply = await register({
      tenant_id: TENANT.toUpperCase(),
      agent_id: AGENT.replaceAll('-', ''),
      key_id: 2,
      key_type: 'signing',
      key_algorithm: 1,
      public_key: publicKey(2).toUpperCase(),
      public_key_bundle: { ed25519_public_key: publicKey(2), ml_dsa_65_public_key: null },
      valid_from: '2026-01-01T00:00:00+02:00',
      valid_to: null,
      proof_of_possession: null,
      proof_of_possession_bundle: { ed25519_pop: proof(2), ml_dsa_65_pop: null },
      color: 'blue',
    });
    expect([reply.status, reply.body.keyAlgorithm, reply.body.tenantId]).toEqual([200, 1, TENANT]);
    const again = await register({
      tenantId: TENANT,
      agentId: AGENT,
      keyId: 2,
      publicKey: publicKey(2),
      validFrom: '2025-12-31T22:00:00Z',
      proofOfPossession: proof(2),
    });
    expect([again.status, again.body.message]).toEqual([200, 'Agent key was already registered']);
  });

  test('of another key under a taken id is a conflict', async () => {
    const reply = await register({ tenantId: TENANT, agentId: AGENT, keyId: 1, publicKey: publicKey(3) });
    expect([reply.status, reply.body.code]).toEqual([409, 'ALREADY_EXISTS']);
  });

  const good = { tenantId: TENANT, agentId: AGENT, keyId: 9, publicKey: publicKey(9) };
  const { publicKey: _, ...withoutKey } = good;
  test.each<[string, object, number, string, RegExp]>([
    ['no public key', withoutKey, 422, 'INVALID_REQUEST_SHAPE', /^publicKey must be hexadecimal text$/],
    [
      'a key id that is text',
      { ...good, keyId: '9' },
      422,
      'INVALID_REQUEST_SHAPE',
      /^keyId must be a whole number from 0 to 4294967295$/,
    ],
    ['a list', [good], 422, 'INVALID_REQUEST_SHAPE', /JSON object/],
    ['a key id out of range', { ...good, keyId: 4294967296 }, 400, 'INVALID_FIELD_VALUE', /^keyId must be/],
    ['a fractional key id', { ...good, keyId: 1.5 }, 400, 'INVALID_FIELD_VALUE', /^keyId must be/],
    [
      'a tenant that is none',
      { ...good, tenantId: 'x' },
      400,
      'INVALID_FIELD_VALUE',
      /^tenantId must be a UUID$/,
    ],
    ['a short key', { ...good, publicKey: '0x00' }, 400, 'INVALID_PUBLIC_KEY', /32 bytes/],
    ['a weak key', { ...good, publicKey: '00'.repeat(32) }, 400, 'INVALID_PUBLIC_KEY', /small order/],
    [
      'a post-quantum key',
      { ...good, keyAlgorithm: 5, publicKey: '00' },
      400,
      'INVALID_FIELD_VALUE',
      /Post-quantum signatures are not supported/,
    ],
    ['an encryption key', { ...good, keyAlgorithm: 2 }, 400, 'INVALID_FIELD_VALUE', /cannot sign/],
    [
      'an encryption key type',
      { ...good, keyType: 'encryption' },
      400,
      'INVALID_FIELD_VALUE',
      /only signing keys/,
    ],
    [
      'a wrong proof',
      { ...good, proofOfPossession: proof(8) },
      400,
      'SIGNATURE_VERIFICATION_FAILED',
      /proof of possession/,
    ],
    [
      'a wrong proof in the bundle',
      { ...good, proofOfPossessionBundle: { ed25519Pop: proof(8) } },
      400,
      'SIGNATURE_VERIFICATION_FAILED',
      /proof/,
    ],
    [
      'a short proof',
      { ...good, proofOfPossession: '00' },
      400,
      'INVALID_FIELD_VALUE',
      /^proofOfPossession must be 64 bytes/,
    ],
    [
      'a proof of another kind',
      { ...good, proofOfPossessionBundle: { mlDsa65Pop: '00' } },
      400,
      'INVALID_FIELD_VALUE',
      /mlDsa65Pop/,
    ],
    [
      'another key in the bundle',
      { ...good, publicKeyBundle: { ed25519PublicKey: publicKey(8) } },
      400,
      'INVALID_FIELD_VALUE',
      /^publicKeyBundle.ed25519PublicKey/,
    ],
    [
      'a date that is none',
      { ...good, validFrom: '2026-02-30T00:00:00Z' },
      400,
      'INVALID_FIELD_VALUE',
      /^validFrom must be an RFC 3339 timestamp/,
    ],
    [
      'a year out of range',
      { ...good, validFrom: '1969-12-31T23:59:59Z' },
      400,
      'INVALID_FIELD_VALUE',
      /^validFrom/,
    ],
    [
      'an end before the beginning',
      { ...good, validFrom: '2026-01-02T00:00:00Z', validTo: '2026-01-01T00:00:00Z' },
      400,
      'INVALID_FIELD_VALUE',
      /must not be after/,
    ],
  ])('with %s is refused', async (_, body, status, code, message) => {
    const reply = await register(body);
    expect([reply.status, reply.body.code]).toEqual([status, code]);
    expect(reply.body.message).toMatch(message);
  });

  test.each(['', '{', '{"a":1}x', Buffer.from([0x7b, 0xff, 0x7d])])(
    'of %j is refused: not JSON',
    async (raw) => {
      const reply = await g.call('POST', KEYS, {
        key: admin,
        raw: raw === '' ? ' ' : raw,
      });
      expect([reply.status, reply.body.code]).toEqual([400, 'INVALID_REQUEST_BODY']);
    },
  );

  test('ignores what JSON can do to prototypes', async () => {
    const raw = `{"__proto__":{"tenantId":"${TENANT}"},"agentId":"${AGENT}","keyId":9,"publicKey":"${publicKey(9)}"}`;
    expect((await g.call('POST', KEYS, { key: admin, raw })).body.message).toBe('tenantId must be a UUID');
  });
});

describe('the list', () => {
  test('shows the keys with their present status', async () => {
    await register({
      tenantId: TENANT,
      agentId: AGENT,
      keyId: 3,
      publicKey: publicKey(3),
      validTo: '2026-01-01T00:00:00Z',
    });
    await register({
      tenantId: TENANT,
      agentId: AGENT,
      keyId: 4,
      publicKey: publicKey(4),
      validFrom: '2999-01-01T00:00:00Z',
    });
    const reply = await g.call('GET', `${KEYS}?${about}`, { key: await g.apiKey() });
    expect(reply.body).toMatchObject({ tenantId: TENANT, agentId: AGENT, count: 4 });
    expect(reply.body.keys.map((key: { status: string }) => key.status)).toEqual([
      'active',
      'active',
      'expired',
      'not_yet_valid',
    ]);
    expect(reply.body.keys[1]).toEqual({
      keyId: 2,
      keyAlgorithm: 1,
      publicKey: `0x${publicKey(2)}`,
      status: 'active',
      validFrom: '2025-12-31T22:00:00Z',
      validTo: null,
      revokedAt: null,
      createdAt: expect.stringMatching(/Z$/),
    });
  });

  test('comes in pages, whose cursors lead through all of it', async () => {
    const page = async (rest: string) =>
      (await g.call('GET', `${KEYS}?${about}${rest}`, { key: admin })).body;
    const ids = (body: { keys: { keyId: number }[] }) => body.keys.map((key) => key.keyId);
    const first = await page('&limit=3');
    expect([ids(first), first.count, first.nextCursor]).toEqual([[1, 2, 3], 3, '3']);
    const second = await page(`&limit=3&cursor=${first.nextCursor}`);
    expect([ids(second), second.nextCursor]).toEqual([[4], null]);
    expect((await page('&limit=4')).nextCursor).toBeNull();
    expect((await page('')).nextCursor).toBeNull();
    for (const limit of ['0', '1001', 'x'])
      expect((await page(`&limit=${limit}`)).message).toBe('limit must be a whole number from 1 to 1000');
    expect((await page('&cursor=x')).message).toBe('cursor must be a whole number from 0 to 4294967295');
  });

  test('needs an agent', async () => {
    const reply = await g.call('GET', KEYS, { key: admin });
    expect([reply.status, reply.body.message]).toEqual([400, 'agent_id is required: a UUID']);
  });
});

describe('revocation', () => {
  const revoke = (id: string) => g.call('DELETE', `${KEYS}/${id}?${about}`, { key: admin });

  test('happens once and can be repeated', async () => {
    const first = await revoke('1');
    expect(first.body).toMatchObject({
      success: true,
      keyId: 1,
      status: 'revoked',
      revokedAt: expect.stringMatching(/Z$/),
    });
    expect((await revoke('1')).body).toEqual(first.body);
  });

  test('of a key that is not there is 404', async () => {
    const reply = await revoke('77');
    expect([reply.status, reply.body.code]).toEqual([404, 'AGENT_KEY_NOT_FOUND']);
    for (const bad of ['x', '-1', '4294967296', '1e3']) expect((await revoke(bad)).status, bad).toBe(400);
  });
});

test('the directory of signing keys is signed and verifies offline', async () => {
  const reply = await g.call('GET', `/api/v1/agents/${AGENT}/signing-keys`, {
    key: await g.apiKey({ canRead: false, canWrite: false }),
  });
  expect(reply.status).toBe(200);
  const expected = { agentId: AGENT, tenantId: TENANT, nowMicros: BigInt(Date.now()) * 1000n };
  expect(verifyKeyDirectory(reply.body, expected, identity.publicKey)).toBe('ok');
  expect(reply.body.keys.map((key: { keyId: number }) => key.keyId)).toEqual([1, 2, 3, 4]);
  expect(reply.body.keys[0]).toMatchObject({ algorithm: 'ed25519', revokedAt: expect.stringMatching(/Z$/) });
  reply.body.keys.pop();
  expect(verifyKeyDirectory(reply.body, expected, identity.publicKey)).toBe('bad_signature');
  expect((await g.call('GET', `/api/v1/agents/${AGENT}/signing-keys`)).body.code).toBe(
    'MISSING_REQUIRED_FIELD',
  );
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findAgentKeys } from '../../engine/keys/agent-keys.js';
import { ACTIVE_API_KEYS_MAX, generateApiKey, hashApiKey, insertApiKey } from '../../engine/keys/api-keys.js';
import { listAgentKeys, listAllAgentKeys } from '../../engine/keys/list-agent-keys.js';
import {
  AGENT_KEYS_MAX,
  type AgentKeyRegistration,
  registerAgentKey,
} from '../../engine/keys/register-agent-key.js';
import { revokeAgentKey } from '../../engine/keys/revoke-agent-key.js';
import { publicKeyFromSeed, signProofOfPossession } from '../../engine/protocol/index.js';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const TENANT = '11111111-1111-4111-8111-111111111111';
const OTHER_TENANT = '22222222-2222-4222-8222-222222222222';
const AGENT = 'cccccccc-cccc-4ccc-8ccc-cccccccccccc';
const hex = (uuid: string) => uuid.replaceAll('-', '');
const seed = (n: number) => new Uint8Array(32).fill(n);
const publicKey = (n: number) => publicKeyFromSeed(seed(n));

let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await createTestDatabase({ migrated: true });
  sql = connectDatabase(database.target, { max: 4, applicationName: 'agent-keys-test' });
});
afterAll(async () => {
  await sql.end();
  await database.drop();
});

const registration = (keyId: number, more: Partial<AgentKeyRegistration> = {}): AgentKeyRegistration => ({
  tenantId: TENANT,
  agentId: AGENT,
  keyId,
  publicKey: publicKey(keyId),
  validFrom: null,
  validTo: null,
  proofOfPossession: undefined,
  ...more,
});

describe('registering a signing key', () => {
  test('can be repeated, and nothing else can take its id', async () => {
    expect(await registerAgentKey(sql, registration(1))).toBe(true);
    expect(await registerAgentKey(sql, registration(1))).toBe(false);
    const taken = { code: 'ALREADY_EXISTS' };
    await expect(registerAgentKey(sql, registration(1, { publicKey: publicKey(9) }))).rejects.toMatchObject(
      taken,
    );
    await expect(
      registerAgentKey(sql, registration(1, { validTo: '2030-01-01T00:00:00Z' })),
    ).rejects.toMatchObject(taken);
    expect(await registerAgentKey(sql, registration(1, { tenantId: OTHER_TENANT }))).toBe(true);
  });

  test('at once by many makes one key', async () => {
    const results = await Promise.all(
      Array.from({ length: 8 }, () => registerAgentKey(sql, registration(2))),
    );
    expect(results.filter(Boolean).length).toBe(1);
  });

  test('checks the key and the proof of possession', async () => {
    const weak = new Uint8Array(32);
    await expect(registerAgentKey(sql, registration(3, { publicKey: weak }))).rejects.toMatchObject({
      code: 'INVALID_PUBLIC_KEY',
    });
    const proof = signProofOfPossession(publicKey(3), seed(3));
    await expect(
      registerAgentKey(
        sql,
        registration(3, { proofOfPossession: signProofOfPossession(publicKey(4), seed(4)) }),
      ),
    ).rejects.toMatchObject({ code: 'SIGNATURE_VERIFICATION_FAILED' });
    expect(await registerAgentKey(sql, registration(3, { proofOfPossession: proof }))).toBe(true);
  });

  test('under a revoked id is refused even with the same key', async () => {
    await registerAgentKey(sql, registration(4));
    const first = await revokeAgentKey(sql, TENANT, AGENT, 4);
    expect(first).toMatch(/^20/);
    expect(await revokeAgentKey(sql, TENANT, AGENT, 4)).toBe(first);
    await expect(registerAgentKey(sql, registration(4))).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    expect(await revokeAgentKey(sql, TENANT, AGENT, 999)).toBeUndefined();
    expect(await revokeAgentKey(sql, OTHER_TENANT, AGENT, 4)).toBeUndefined();
  });
});

describe('looking keys up', () => {
  test('answers many at once, with instants in microseconds', async () => {
    await registerAgentKey(
      sql,
      registration(4294967295, {
        publicKey: publicKey(5),
        validFrom: '2026-01-31T12:00:00.123456Z',
        validTo: '9999-12-31T23:59:59.999999Z',
      }),
    );
    const ref = (tenant: string, keyId: number) => ({ tenant: hex(tenant), agent: hex(AGENT), keyId });
    const rows = await findAgentKeys(sql, [
      ref(TENANT, 1),
      ref(TENANT, 1),
      ref(TENANT, 4),
      ref(TENANT, 4294967295),
      ref(TENANT, 777),
      ref(OTHER_TENANT, 2),
    ]);
    rows.sort((a, b) => a.keyId - b.keyId);
    expect(rows).toEqual([
      {
        ...ref(TENANT, 1),
        publicKey: Buffer.from(publicKey(1)),
        status: 'active',
        validFromMicros: null,
        validToMicros: null,
        revokedAtMicros: null,
      },
      expect.objectContaining({ keyId: 4, status: 'revoked', revokedAtMicros: expect.any(Number) }),
      expect.objectContaining({
        keyId: 4294967295,
        validFromMicros: Date.parse('2026-01-31T12:00:00.123Z') * 1000 + 456,
      }),
    ]);
    expect(Math.abs(rows[1]!.revokedAtMicros! / 1000 - Date.now())).toBeLessThan(60_000);
    // Beyond 2^53 microseconds (the year 2255) exactness ends, order does not.
    expect(rows[2]!.validToMicros).toBeGreaterThan(2 ** 53);
    expect(await findAgentKeys(sql, [])).toEqual([]);
  });

  test('lists all of an agent by id', async () => {
    const keys = await listAgentKeys(sql, { tenantId: TENANT, agentId: AGENT }, -1, 100);
    expect(keys.map((key) => key.keyId)).toEqual([1, 2, 3, 4, 4294967295]);
    expect(keys[3]).toMatchObject({ status: 'revoked', keyAlgorithm: 1, publicKey: hexOf(publicKey(4)) });
    const page = await listAgentKeys(sql, { tenantId: TENANT, agentId: AGENT }, 2, 2);
    expect(page.map((key) => key.keyId)).toEqual([3, 4]);
  });
});

describe('an agent has no more keys than fit into one answer', () => {
  const CROWDED = 'abababab-abab-4bab-8bab-abababababab';
  const crowd = { tenantId: TENANT, agentId: CROWDED };

  test('signing keys, revoked ones included', async () => {
    await sql`
      insert into agent_signing_keys (tenant_id, agent_id, key_id, public_key, status, revoked_at)
      select ${TENANT}, ${CROWDED}, n, ${publicKey(1)}::bytea, 'revoked', now()
      from generate_series(1, ${AGENT_KEYS_MAX - 3}::int) n`;
    // Three fit, however many come at once.
    const results = await Promise.allSettled(
      [1, 2, 3, 4, 5, 6].map((n) =>
        registerAgentKey(sql, registration(5000 + n, { ...crowd, publicKey: publicKey(n) })),
      ),
    );
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(3);
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'QUOTA_EXCEEDED' },
    });
    const keys = await listAllAgentKeys(sql, crowd);
    expect(keys.length).toBe(AGENT_KEYS_MAX);
    // A repeated registration is no new key.
    expect(
      await registerAgentKey(
        sql,
        registration(keys.at(-1)!.keyId, { ...crowd, publicKey: publicKey(keys.at(-1)!.keyId - 5000) }),
      ),
    ).toBe(false);

    await sql`insert into agent_signing_keys (tenant_id, agent_id, key_id, public_key)
      values (${TENANT}, ${CROWDED}, 9999, ${publicKey(1)})`;
    await expect(listAllAgentKeys(sql, crowd)).rejects.toMatchObject({ code: 'INTERNAL_ERROR' });
  });

  test('API keys that are active', async () => {
    const grant = {
      ...crowd,
      storeIds: [],
      canRead: true,
      canWrite: false,
      canAdmin: false,
      rateLimit: null,
    };
    await sql`
      insert into api_keys (key_hash, tenant_id, agent_id)
      select encode(sha256(n::text::bytea), 'hex'), ${TENANT}, ${CROWDED}
      from generate_series(1, ${ACTIVE_API_KEYS_MAX}::int) n`;
    const insert = () => insertApiKey(sql, hashApiKey(generateApiKey(TENANT)), grant);
    await expect(insert()).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    await sql`update api_keys set active = false where key_hash = encode(sha256('1'::bytea), 'hex')`;
    await insert();
    await expect(insert()).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
  });
});

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('generated API keys have the documented form', () => {
  const key = generateApiKey(TENANT);
  expect(key).toMatch(/^ss_11111111[A-Za-z0-9_-]{32}$/);
  expect(generateApiKey(TENANT)).not.toBe(key);
  expect(hashApiKey('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

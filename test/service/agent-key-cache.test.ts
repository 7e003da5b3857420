/** The verify workers' cache of agents' keys: an entry that is gone is looked up again, never taken for a missing key. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { registerAgentKey } from '../../engine/keys/register-agent-key.js';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { type AgentKeyRef, agentKeyName, createAgentKeyCache } from '../../workers/agent-key-cache.js';
import { createAgent } from '../support/agents.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await createTestDatabase({ migrated: true });
  sql = connectDatabase(database.target, { max: 2, applicationName: 'test' });
});
afterAll(async () => {
  await sql.end();
  await database.drop();
});

async function registered(): Promise<[string, AgentKeyRef]> {
  const { tenantId, agentId, keyId, publicKey } = createAgent();
  await registerAgentKey(sql, {
    tenantId,
    agentId,
    keyId,
    publicKey,
    validFrom: null,
    validTo: null,
    proofOfPossession: undefined,
  });
  const ref = { tenant: tenantId.replaceAll('-', ''), agent: agentId.replaceAll('-', ''), keyId };
  return [agentKeyName(ref.tenant, ref.agent, keyId), ref];
}

test('an entry that has expired is loaded again', async () => {
  const cache = createAgentKeyCache(sql, { max: 10, ttlMs: 60_000 });
  cache.receive({ type: 'trust', trusted: false }); // one second
  const [name, ref] = await registered();
  for (let i = 0; i < 3; i++) {
    expect((await cache.find(new Map([[name, ref]]))).get(name)?.publicKey).toHaveLength(32);
    if (i === 0) await new Promise((resolve) => setTimeout(resolve, 1100));
  }
});

test('an entry lives for no longer than the configured time, even unheard of', async () => {
  const cache = createAgentKeyCache(sql, { max: 10, ttlMs: 200 });
  const [name, ref] = await registered();
  const find = async () => (await cache.find(new Map([[name, ref]]))).get(name);
  await find();
  await sql`update agent_signing_keys set status = 'revoked', revoked_at = now() where agent_id = ${ref.agent}`;
  expect(await find()).toMatchObject({ row: { status: 'active' } });
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await find()).toMatchObject({ row: { status: 'revoked' } });
});

test('more keys than the cache holds are all found', async () => {
  const cache = createAgentKeyCache(sql, { max: 1, ttlMs: 60_000 });
  const refs = new Map([await registered(), await registered(), await registered()]);
  const keys = await cache.find(refs);
  expect([...keys.values()].map((key) => key.publicKey?.length)).toEqual([32, 32, 32]);
});

test('what is forgotten while it is loaded is still answered, but not kept', async () => {
  const cache = createAgentKeyCache(sql, { max: 10, ttlMs: 60_000 });
  const [name, ref] = await registered();
  const finding = cache.find(new Map([[name, ref]]));
  cache.receive({ type: 'forget', key: name });
  expect((await finding).get(name)?.publicKey).toHaveLength(32);
  await sql`update agent_signing_keys set status = 'revoked', revoked_at = now() where agent_id = ${ref.agent}`;
  expect((await cache.find(new Map([[name, ref]]))).get(name)).toMatchObject({ row: { status: 'revoked' } });
});

test('unknown keys are asked for every time', async () => {
  const cache = createAgentKeyCache(sql, { max: 10, ttlMs: 60_000 });
  const ref = { tenant: randomUUID().replaceAll('-', ''), agent: randomUUID().replaceAll('-', ''), keyId: 1 };
  const name = agentKeyName(ref.tenant, ref.agent, 1);
  expect((await cache.find(new Map([[name, ref]]))).get(name)).toMatchObject({
    problem: 'Agent key not found',
  });
  const { publicKey } = createAgent();
  await registerAgentKey(sql, {
    tenantId: ref.tenant,
    agentId: ref.agent,
    keyId: 1,
    publicKey,
    validFrom: null,
    validTo: null,
    proofOfPossession: undefined,
  });
  expect((await cache.find(new Map([[name, ref]]))).get(name)?.publicKey).toEqual(Buffer.from(publicKey));
});

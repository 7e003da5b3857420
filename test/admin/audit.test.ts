import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAuditLog, verifyAuditLines } from '../../engine/audit/index.js';
import { publicKeyFromSeed } from '../../engine/protocol/index.js';
import {
  AGENT,
  OTHER_TENANT,
  STORE,
  startTestGateway,
  TENANT,
  type TestGateway,
} from '../gateway/support.js';

let g: TestGateway;
beforeAll(async () => {
  g = await startTestGateway();
});
afterAll(() => g.close());

const publicKey = (n: number) => Buffer.from(publicKeyFromSeed(new Uint8Array(32).fill(n))).toString('hex');
const register = (tenantId: string, keyId: number, key?: string) =>
  g.call('POST', '/api/v1/agents/keys', {
    body: { tenantId, agentId: AGENT, keyId, publicKey: publicKey(keyId) },
    headers: { 'user-agent': 'audit-test/1', 'x-request-id': `r-${keyId}` },
    ...(key === undefined ? {} : { key }),
  });
const list = async (query = '', key?: string) => {
  const { status, body } = await g.call(
    'GET',
    `/api/v1/admin/audit?${query}`,
    key === undefined ? {} : { key },
  );
  expect(status).toBe(200);
  return body;
};
const verdict = () => createAuditLog({ sql: g.sql }).verify(10);

test('keys, commitments and groups leave records of who did what from where', async () => {
  expect((await register(TENANT, 1)).status).toBe(200);
  const admin = await g.apiKey({ tenantId: TENANT, canAdmin: true, canWrite: true });
  await g.call('DELETE', `/api/v1/agents/keys/1?tenant_id=${TENANT}&agent_id=${AGENT}`, { key: admin });
  const { body } = await g.call('POST', `/api/v1/agents/${AGENT}/api-keys`, { body: { tenantId: TENANT } });
  await g.call('DELETE', `/api/v1/agents/${AGENT}/api-keys/${body.keyHashPrefix}?tenant_id=${TENANT}`);
  const group = { tenant_id: TENANT, store_id: STORE, name: 'workers' };
  await g.call('POST', '/api/v1/ves/consumer-groups', { body: group });

  const { records, has_more } = await list();
  expect(has_more).toBe(false);
  expect(records.map((each: { action: string }) => each.action)).toEqual([
    'custom:consumer_group_created',
    'api_key_revoked',
    'api_key_created',
    'agent_key_revoked',
    'agent_key_registered',
  ]);
  expect(records.at(-1)).toMatchObject({
    sequence: 1,
    actor: 'bootstrap',
    actor_type: 'bootstrap',
    tenant_id: TENANT,
    resource_type: 'agent_key',
    resource_id: `${AGENT}/1`,
    request_id: 'r-1',
    user_agent: 'audit-test/1',
    ip_address: expect.stringContaining('127.0.0.1'),
    details: { key_id: 1, public_key: publicKey(1) },
    success: true,
    error_message: null,
    prev_hash: '0'.repeat(64),
  });
  expect(records.at(-2)).toMatchObject({
    actor_type: 'api_key',
    actor: expect.stringMatching(/^[0-9a-f]{16}$/),
  });
  expect(JSON.stringify(records)).not.toContain(body.apiKey);
  expect(await verdict()).toMatchObject({ records: 5, faults: [] });
});

test('what changes nothing leaves no record, and what an administrator is refused leaves one', async () => {
  await register(TENANT, 2);
  const { count } = await list();
  await register(TENANT, 2);
  await g.call('DELETE', `/api/v1/agents/keys/1?tenant_id=${TENANT}&agent_id=${AGENT}`);
  expect((await list()).count).toBe(count);

  const other = { tenantId: TENANT, agentId: AGENT, keyId: 2, publicKey: publicKey(9) };
  expect((await g.call('POST', '/api/v1/agents/keys', { body: other })).status).toBe(409);
  const { records } = await list('success=false');
  expect(records).toMatchObject([
    {
      action: 'agent_key_registered',
      success: false,
      error_message: expect.stringContaining('ALREADY_EXISTS'),
    },
  ]);
});

test('an administrator sees the own tenant only, without places in the chain', async () => {
  await register(OTHER_TENANT, 1);
  const mine = await g.apiKey({ tenantId: OTHER_TENANT, canAdmin: true });
  const { records } = await list('', mine);
  expect(records).toHaveLength(1);
  expect(records[0]).toMatchObject({ tenant_id: OTHER_TENANT });
  for (const member of ['sequence', 'hash', 'prev_hash']) expect(records[0]).not.toHaveProperty(member);
  expect((await g.call('GET', `/api/v1/admin/audit?tenant_id=${TENANT}`, { key: mine })).status).toBe(403);
  const foreign = (await list(`tenant_id=${TENANT}&limit=1`)).records[0].id;
  expect((await g.call('GET', `/api/v1/admin/audit?cursor=${foreign}`, { key: mine })).status).toBe(400);
  expect(
    (await g.call('GET', '/api/v1/admin/audit', { key: await g.apiKey({ tenantId: TENANT }) })).status,
  ).toBe(403);
});

test('pages follow one another without a gap, and NDJSON can be verified', async () => {
  const whole = await list('limit=1000&order=asc');
  const paged = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page = await list(`limit=2&order=asc${cursor === '' ? '' : `&cursor=${cursor}`}`);
    paged.push(...page.records);
    cursor = page.next_cursor;
  }
  expect(paged).toEqual(whole.records);
  const { text, headers } = await g.call('GET', '/api/v1/admin/audit?format=ndjson&order=asc&limit=1000');
  expect(headers['content-type']).toBe('application/x-ndjson');
  expect(await verifyAuditLines(text.trimEnd().split('\n'))).toEqual({
    records: whole.count,
    head: whole.records.at(-1).hash,
  });
  const forged = text.replace('"key_id":1', '"key_id":7');
  expect((await verifyAuditLines(forged.trimEnd().split('\n'))).fault).toMatchObject({ line: 1 });
});

test('filters choose by action, resource and time', async () => {
  const only = await list('action=agent_key_registered&resource_type=agent_key&success=true');
  expect(new Set(only.records.map((each: { action: string }) => each.action))).toEqual(
    new Set(['agent_key_registered']),
  );
  expect((await list('from=2999-01-01T00:00:00Z')).count).toBe(0);
  expect((await g.call('GET', '/api/v1/admin/audit?order=up')).status).toBe(400);
});

describe('the chain', () => {
  test('refuses changes and shows them when a superuser makes one all the same', async () => {
    await expect(g.sql`update audit_log set actor = 'me'`).rejects.toThrow('append-only');
    await expect(g.sql`delete from audit_log`).rejects.toThrow('append-only');
    await expect(g.sql`truncate audit_log`).rejects.toThrow('append-only');
    await expect(g.sql`update audit_log_head set sequence = 0`).rejects.toThrow('forward');
    await g.sql
      .begin(async (tx) => {
        await tx`set local session_replication_role = replica`;
        await tx`update audit_log set actor = 'nobody' where sequence = 2`;
        const found = await createAuditLog({ sql: tx as never }).verify(10);
        expect(found.faults).toMatchObject([{ sequence: 2, column: expect.stringContaining('actor') }]);
        await tx`delete from audit_log where sequence >= 2`;
        const cut = await createAuditLog({ sql: tx as never }).verify(10);
        expect(cut.faults).toMatchObject([
          { table: 'audit_log_head', message: expect.stringContaining('ended at') },
        ]);
        throw new Error('undo');
      })
      .catch((error) => expect(error.message).toBe('undo'));
    expect((await verdict()).faults).toEqual([]);
  });

  test('holds when many act at once, and an act that fails leaves nothing', async () => {
    const before = (await verdict()).records;
    await Promise.all(Array.from({ length: 20 }, (_, n) => register(TENANT, 100 + n)));
    expect(await verdict()).toMatchObject({ records: before + 20, faults: [] });
    const audit = createAuditLog({ sql: g.sql });
    const act = {
      action: 'custom:nothing',
      actor: 'x',
      actorType: 'system',
      tenantId: null,
      resourceType: 'x',
    } as const;
    await g.sql
      .begin(async (tx) => {
        await audit.append(tx, act);
        throw new Error('undo');
      })
      .catch(() => {});
    expect((await verdict()).records).toBe(before + 20);
    const odd = await audit.note({
      ...act,
      details: { text: 'a\0\ud800b', n: 1n },
      userAgent: 'x'.repeat(5000),
    });
    expect(JSON.parse(odd.details)).toEqual({ text: 'a\ufffd\ufffdb', n: 1 });
    expect((await verdict()).faults).toEqual([]);
  });
});

test('the number of records is a metric', async () => {
  await g.call('GET', '/metrics');
  await expect
    .poll(async () => (await g.call('GET', '/metrics')).text)
    .toMatch(/^sequencer_audit_events_logged [1-9]\d*$/m);
});

test('the log can be switched off', async () => {
  const off = await startTestGateway({ env: { AUDIT_LOG_ENABLED: 'false' } });
  const body = { tenantId: TENANT, agentId: AGENT, keyId: 1, publicKey: publicKey(1) };
  expect((await off.call('POST', '/api/v1/agents/keys', { body })).status).toBe(200);
  expect((await off.call('GET', '/api/v1/admin/audit')).body.count).toBe(0);
  await off.close();
});

test('docs/admin.md names every action that is written', () => {
  const doc = readFileSync(new URL('../../docs/admin.md', import.meta.url), 'utf8');
  for (const action of ['agent_key_rotated', 'commitment_created', 'commitment_anchored', 'events_imported'])
    expect(doc).toContain(action);
});

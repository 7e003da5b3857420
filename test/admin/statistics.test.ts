import { afterAll, beforeAll, expect, test } from 'vitest';
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
  await g.sql`insert into ves_sequence_counters (tenant_id, store_id, current_sequence) values (${TENANT}, ${STORE}, 7)`;
  await g.sql`insert into sequence_counters (tenant_id, store_id, current_sequence) values (${TENANT}, ${STORE}, 3)`;
  await g.sql`
    insert into sequence_counters (tenant_id, store_id, current_sequence, updated_at)
    values (${OTHER_TENANT}, ${STORE}, 5, now() - interval '2 days')`;
  await g.sql`
    insert into agent_sync_state (tenant_id, store_id, agent_id, acknowledged_sequence, updated_at)
    values (${TENANT}, ${STORE}, ${AGENT}, 4, now())`;
});
afterAll(() => g.close());

const get = async (what: string, key?: string) =>
  (await g.call('GET', `/api/v1/admin/${what}`, key === undefined ? {} : { key })).body;

test('the overview counts both kinds of streams', async () => {
  expect(await get('overview')).toMatchObject({
    tenants: 2,
    stores: 2,
    agents: 1,
    totalHeadSequence: 15,
    vesHeadSequence: 7,
    legacyHeadSequence: 8,
    activeStores24h: 1,
    maxProjectionLag: null,
    lastActivityAt: expect.stringMatching(/Z$/),
  });
});

test('tenants, stores and agents are listed, the active ones first', async () => {
  expect(await get('tenants')).toMatchObject([
    { tenantId: TENANT, storeCount: 1, agentCount: 1, totalHeadSequence: 10, activeStores24h: 1 },
    { tenantId: OTHER_TENANT, storeCount: 1, agentCount: 0, totalHeadSequence: 5, activeStores24h: 0 },
  ]);
  expect(await get('stores?limit=1')).toMatchObject([
    {
      tenantId: TENANT,
      storeId: STORE,
      headSequence: 10,
      vesHeadSequence: 7,
      legacyHeadSequence: 3,
      agentCount: 1,
    },
  ]);
  await g.apiKey({ tenantId: TENANT, agentId: AGENT, canWrite: true, storeIds: [STORE] });
  expect(await get('agents')).toMatchObject([
    {
      tenantId: TENANT,
      agentId: AGENT,
      permissions: 'read_write',
      storeScope: 'scoped',
      apiKeyCount: 1,
      activeApiKeys: 1,
      storeId: STORE,
      lastPulledSequence: 4,
    },
  ]);
});

test('an administrator of a tenant sees that tenant', async () => {
  const key = await g.apiKey({ tenantId: OTHER_TENANT, canAdmin: true });
  expect(await get('overview', key)).toMatchObject({ tenants: 1, stores: 1, totalHeadSequence: 5 });
  expect((await get('tenants', key)).map((each: { tenantId: string }) => each.tenantId)).toEqual([
    OTHER_TENANT,
  ]);
  expect((await g.call('GET', `/api/v1/admin/stores?tenant_id=${TENANT}`, { key })).status).toBe(403);
});

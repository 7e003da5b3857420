import { expect, test } from 'vitest';
import { connectDatabase } from '../../engine/store/connection.js';
import { call, push, registerAgent, streamQuery } from '../support/agents.js';
import { createTestDatabase } from '../support/database.js';
import { startTestService, urlOf } from '../support/service.js';

test('a replica serves legacy reads and histories of entities, and nothing that must be the newest', async () => {
  const database = await createTestDatabase();
  const sql = connectDatabase(database.target, { max: 1, applicationName: 'replica-test' });
  const service = await startTestService({
    database: database.target,
    env: {
      GRPC_ENABLED: 'false',
      READ_DATABASE_URL: urlOf(database.target),
      READ_DB_APPLICATION_NAME: 'the-replica',
      READ_MAX_DB_CONNECTIONS: '1',
    },
  });
  const agent = await registerAgent(service);
  await push(service, agent, [agent.event()]);
  const lastQuery = async (): Promise<string | undefined> => {
    const rows = await sql<{ query: string }[]>`
      select query from pg_stat_activity where application_name = 'the-replica'`;
    return rows[0]?.query;
  };

  const stream = streamQuery(agent);
  for (const path of ['ves/head', 'ves/events', 'head', 'log/checkpoint'])
    expect([path, (await call(service, 'GET', `/api/v1/${path}?${stream}`)).status]).toEqual([path, 200]);
  expect(await lastQuery()).toBeUndefined(); // the replica was not even connected to

  expect((await call(service, 'GET', `/api/v1/events?${stream}`)).status).toBe(200);
  const legacy = await lastQuery();
  expect(legacy).toBeDefined();
  const history = await call(service, 'GET', `/api/v1/ves/entities/order/o-1?${stream}`);
  expect([history.status, history.body.count]).toEqual([200, 1]);
  expect(await lastQuery()).not.toBe(legacy);

  expect(await service.stop()).toBe(0);
  await sql.end({ timeout: 1 });
  await database.drop();
}, 60_000);

/** The division of roles that docs/security-hardening.md recommends: one owns the tables, the service only uses them. */
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { connectDatabase } from '../../engine/store/connection.js';
import { checkReceipt, push, registerAgent, sequencerKeys } from '../support/agents.js';
import { createTestDatabase } from '../support/database.js';
import { startTestService } from '../support/service.js';

it('a service that does not own its tables works, and cannot switch their triggers off', async () => {
  const database = await createTestDatabase({ migrated: true });
  const role = `service_${randomBytes(4).toString('hex')}`;
  const owner = connectDatabase(database.target, { max: 1, applicationName: 'test-owner' });
  try {
    await owner.unsafe(`
      create role ${role} login;
      grant usage on schema public to ${role};
      grant select, insert, update, delete on all tables in schema public to ${role};
      grant usage on all sequences in schema public to ${role}`);
    if ('url' in database.target) throw new Error('the test server is reached by its socket');
    const target = { ...database.target, user: role };
    const service = await startTestService({ database: target, env: { DB_MIGRATE_ON_STARTUP: 'false' } });
    const agent = await registerAgent(service);
    const event = agent.event();
    const { body } = await push(service, agent, [event]);
    expect(checkReceipt(body.receipts![0]!, event, await sequencerKeys(service))).toBe('ok');
    const sql = connectDatabase(target, { max: 1, applicationName: 'test-role' });
    await expect(sql`alter table ves_events disable trigger all`).rejects.toMatchObject({ code: '42501' });
    await expect(sql`delete from ves_events`).rejects.toThrow();
    await sql.end({ timeout: 1 });
    expect(await service.stop()).toBe(0);
    expect(service.logs()).not.toContain('42501');
  } finally {
    await owner.unsafe(`drop owned by ${role}; drop role ${role}`);
    await owner.end({ timeout: 1 });
    await database.drop();
  }
});

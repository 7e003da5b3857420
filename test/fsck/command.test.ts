import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { connectDatabase } from '../../engine/store/connection.js';
import { push, registerAgent } from '../support/agents.js';
import { createTestDatabase } from '../support/database.js';
import { startTestService, urlOf } from '../support/service.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Runs the command to its end. */
function fsck(
  args: readonly string[],
  whileRunning: (signal: (name: NodeJS.Signals) => void) => void = () => {},
) {
  return new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    const env = { PATH: process.env.PATH, TMPDIR: process.env.TMPDIR };
    const child = execFile(process.execPath, [MAIN, 'fsck', ...args], { env }, (_, out, err) =>
      resolve({ code: child.exitCode, out, err }),
    );
    whileRunning((name) => void child.kill(name));
  });
}

test('checks the database of a running service, and of one that was stopped', async () => {
  const service = await startTestService({ database: 'embedded' });
  const agent = await registerAgent(service);
  await push(
    service,
    agent,
    Array.from({ length: 30 }, () => agent.event()),
  );
  const dir = ['--data-dir', service.dataDir];

  const running = await fsck(dir);
  expect(running).toMatchObject({ code: 0 });
  expect(running.err).toContain('a service is running');
  expect(running.out).toMatch(/^Checked 30 events in [\d.]+ s .*, signatures verified\.$/m);
  expect(running.out).toMatch(/^Nothing is wrong\.$/m);

  await service.stop();
  const json = await fsck([...dir, '--json', '--deep', '--threads', '2']);
  expect(json.code).toBe(0);
  expect(JSON.parse(json.out)).toMatchObject({
    ok: true,
    complete: true,
    wrong_rows: 0,
    counts: { ves_events: 30 },
  });
  const partial = await fsck([...dir, '--json', '--tenant', agent.tenantId, '--no-signatures']);
  expect(JSON.parse(partial.out)).toMatchObject({
    ok: true,
    signatures_verified: false,
    counts: { ves_events: 30, signatures: 0 },
  });
  const nobody = await fsck([...dir, '--tenant', agent.storeId]);
  expect(nobody).toMatchObject({ code: 2, out: '', err: expect.stringContaining('no stream') });
}, 90_000); // it starts the database five times

test('names a row that was changed by SQL, and ends with 1', async () => {
  const service = await startTestService();
  if (service.database === 'embedded') throw new Error('this test needs the database of the run');
  const agent = await registerAgent(service);
  await push(
    service,
    agent,
    Array.from({ length: 10 }, () => agent.event()),
  );
  const sql = connectDatabase(service.database, { max: 1, applicationName: 'fsck-test' });
  await sql.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`update ves_events set payload = payload || ' ' where sequence_number in (4, 7)`;
  });
  const url = ['--database-url', urlOf(service.database)];
  const text = await fsck([...url, '--max-findings', '1']);
  expect(text.code).toBe(1);
  expect(text.out).toContain('2 wrong rows, the first 1:');
  expect(text.out).toContain(
    `ves_events ${agent.tenantId}/${agent.storeId} sequence_number 4 (first wrong row of this ves stream)`,
  );
  expect(text.out).toContain('the payload does not hash to payload_plain_hash [payload-hash, row-check]');
  const json = await fsck([...url, '--json']);
  expect(json.code).toBe(1);
  expect(JSON.parse(json.out)).toMatchObject({
    ok: false,
    wrong_rows: 2,
    findings: [
      { table: 'ves_events', row: 'sequence_number 4', check: 'payload-hash', tenant_id: agent.tenantId },
      {},
    ],
    first_of_streams: [{ row: 'sequence_number 4', stream: 'ves' }],
  });
  await sql.end();
});

test('ends with 2 when there is nothing it can check', async () => {
  const nowhere = join(mkdtempSync(join(tmpdir(), 'fsck-')), 'data');
  expect(await fsck(['--data-dir', nowhere])).toMatchObject({
    code: 2,
    out: '',
    err: expect.stringContaining('no database'),
  });
  const closed = await fsck(['--database-url', 'postgres://127.0.0.1:9/x']);
  expect(closed).toMatchObject({ code: 2, err: expect.stringContaining('cannot be reached') });

  const database = await createTestDatabase({ migrated: true });
  const url = ['--database-url', urlOf(database.target)];
  const sql = connectDatabase(database.target, { max: 1, applicationName: 'fsck-test' });
  expect(await fsck(url)).toMatchObject({ code: 0 });
  await sql`insert into schema_migrations (version, name, checksum) values (999, '999_later', 'x')`;
  expect(await fsck(url)).toMatchObject({ code: 2, err: expect.stringContaining('newer') });
  await sql`delete from schema_migrations where version > 2`;
  expect(await fsck(url)).toMatchObject({ code: 2, err: expect.stringContaining('older') });
  await sql.end();
  await database.drop();
});

test('ends in order when it is interrupted', async () => {
  const service = await startTestService({ database: 'embedded' });
  const agent = await registerAgent(service);
  await push(service, agent, [agent.event()]);
  await service.stop();
  const interruptedAfter = (ms: number) =>
    fsck(['--data-dir', service.dataDir], (signal) => setTimeout(() => signal('SIGINT'), ms));
  let interrupted = await interruptedAfter(1000);
  // On a busy machine the command may not have begun by then; its end is the signal's own.
  for (let ms = 2000; interrupted.code === null && ms < 10_000; ms *= 2)
    interrupted = await interruptedAfter(ms);
  expect([0, 130]).toContain(interrupted.code); // it may have been faster
  expect(interrupted.err).toBe('');
  expect(await fsck(['--data-dir', service.dataDir])).toMatchObject({ code: 0 }); // the directory was given back
});

test.each([[['--no-such-option']], [['--tenant', 'nobody']], [['--threads', '0']], [['unexpected']]])(
  'a command line that is not understood is no verdict on a database: %j',
  async (args) => {
    const { code, out, err } = await fsck(args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain('error:');
  },
);

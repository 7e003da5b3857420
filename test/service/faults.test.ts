/** Crashes, lost connections, a stopped database, rivals and overload, each under load from several agents. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connectDatabase, type DatabaseTarget, type Sql } from '../../engine/store/connection.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../engine/store/embedded-postgres.js';
import { call, push, readHead, registerAgent, streamQuery } from '../support/agents.js';
import { startTestService, type TestService } from '../support/service.js';
import { type Crowd, startCrowd } from './crowd.js';
import { formatRequest, openConnection } from './raw-http.js';

const TIMEOUT = { timeout: 90_000 };

function connect(target: TestService['database']): Sql {
  const sql = connectDatabase(target as DatabaseTarget, { max: 2, applicationName: 'test' });
  onTestFinished(() => sql.end());
  return sql;
}

/** Waits until this many more events are acknowledged. */
async function progress(crowd: Crowd, events: number, timeout = 30_000): Promise<void> {
  const goal = crowd.acknowledged + events;
  await expect.poll(() => crowd.acknowledged, { timeout, interval: 20 }).toBeGreaterThanOrEqual(goal);
}

describe('the service is killed', () => {
  test('kill -9 under load loses and doubles nothing', TIMEOUT, async () => {
    let service = await startTestService();
    const crowd = await startCrowd({ streams: 2, agents: 6, endpoint: () => service });
    for (let round = 0; round < 2; round++) {
      await progress(crowd, 150);
      await service.kill9();
      service = await service.restart();
    }
    await progress(crowd, 150);
    await crowd.finish();
    await crowd.checkLaws(service);
    expect(crowd.statuses.get(0)).toBeGreaterThan(0);
    expect(await service.stop()).toBe(0);
  });

  test('with the embedded server: the service, then the server are killed', TIMEOUT, async () => {
    let service = await startTestService({ database: 'embedded' });
    const crowd = await startCrowd({ streams: 2, agents: 4, endpoint: () => service });
    await progress(crowd, 100);
    await service.kill9();
    service = await service.restart(); // ends the server that was left behind

    await progress(crowd, 100);
    const postmaster = Number.parseInt(
      readFileSync(join(service.dataDir, 'postgres/postmaster.pid'), 'utf8'),
      10,
    );
    process.kill(postmaster, 'SIGKILL');
    expect(await service.exited).toBe(1); // it cannot go on without its server, and says so
    expect(service.logs()).toMatch(/embedded PostgreSQL server ended/);
    service = await service.restart();

    await progress(crowd, 100);
    await crowd.finish();
    await crowd.checkLaws(service);
    expect(await service.stop()).toBe(0);
  });
});

describe('the database fails', () => {
  test('its sessions are cut, under load and idle', TIMEOUT, async () => {
    const service = await startTestService({ env: { PARTITIONS: '2' } });
    const sql = connect(service.database);
    const cut = (all: boolean) => sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and application_name <> 'test'
        and (${all} or application_name like 'stateset-sequencer partition%')`;
    const crowd = await startCrowd({ streams: 3, agents: 6, endpoint: () => service });
    for (let round = 0; round < 15; round++) {
      await progress(crowd, 40, 8000); // sooner than COMMIT_TIMEOUT_MS: a lost session is noticed, not waited for
      await cut(round % 5 === 4);
    }
    await progress(crowd, 60);
    await crowd.finish();
    await crowd.checkLaws(service);
    expect(service.logs()).toMatch(/"msg":"group (lost|unavailable)"/);

    expect((await cut(true)).length).toBeGreaterThan(2);
    await sleep(4000); // long enough for the heartbeat of the leases
    const agent = await registerAgent(service);
    expect((await push(service, agent, [agent.event()])).body.eventsAccepted).toBe(1);
    expect(await service.stop()).toBe(0);
  });

  test('it stands still, then it is stopped and started again', TIMEOUT, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'db-'));
    const link = join(directory, 'socket');
    let server: EmbeddedPostgres | undefined;
    onTestFinished(async () => {
      if (server) resume(server.pid);
      await server?.stop();
      rmSync(directory, { recursive: true, force: true });
    });
    /** Every start has a socket of its own; the service is given one name for all of them. */
    const start = async () => {
      server = await startEmbeddedPostgres({ dataDir: join(directory, 'data'), log: () => {} });
      const target = server.target as Extract<DatabaseTarget, { socketDir: string }>;
      rmSync(link, { force: true });
      symlinkSync(target.socketDir, link);
      return { ...target, socketDir: link };
    };
    const service = await startTestService({
      database: await start(),
      env: { COMMIT_TIMEOUT_MS: '700', REQUEST_TIMEOUT_SECS: '2' },
    });
    const crowd = await startCrowd({ streams: 2, agents: 4, endpoint: () => service });
    await progress(crowd, 100);

    pause(server!.pid);
    await sleep(3500);
    const refused = (crowd.statuses.get(503) ?? 0) + (crowd.statuses.get(504) ?? 0);
    expect(refused).toBeGreaterThan(0);
    expect((await call(service, 'GET', '/health')).status).toBe(200);
    const notReady = await call(service, 'GET', '/ready');
    expect([notReady.status, notReady.headers.has('retry-after')]).toEqual([503, true]);
    resume(server!.pid);
    await progress(crowd, 100);

    await server!.stop();
    await expect.poll(() => crowd.statuses.get(503) ?? 0, { timeout: 10_000 }).toBeGreaterThan(refused);
    const { tenantId, storeId } = crowd.agents[0]!;
    const read = await call(service, 'GET', `/api/v1/ves/head?tenant_id=${tenantId}&store_id=${storeId}`);
    expect([read.status, read.headers.has('retry-after')]).toEqual([503, true]);
    await start();
    await progress(crowd, 100);
    expect((await call(service, 'GET', '/ready')).status).toBe(200);

    await crowd.finish();
    await crowd.checkLaws(service);
    expect(await service.stop()).toBe(0);
  });

  /** The server and its sessions; the sessions die with their connections, not with the signal. */
  const family = (pid: number): number[] => [
    pid,
    ...readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter(Boolean)
      .map(Number),
  ];
  const pause = (pid: number) => signalAll(family(pid), 'SIGSTOP');
  const resume = (pid: number) => {
    try {
      signalAll(family(pid).reverse(), 'SIGCONT');
    } catch {
      // it has ended
    }
  };
  const signalAll = (pids: number[], name: string) =>
    execFileSync('kill', ['-s', name.slice(3), ...pids.map(String)]);
});

test('two services write to the same streams of one database', TIMEOUT, async () => {
  const first = await startTestService({ env: { PARTITIONS: '2' } });
  let second = await first.restart();
  const crowd = await startCrowd({ streams: 2, agents: 6, endpoint: (i) => (i < 3 ? first : second) });
  await progress(crowd, 300);
  const each = [0, 1, 2, 3, 4, 5].map((i) => crowd.acknowledgedBy(i));
  expect(Math.min(...each)).toBeGreaterThan(0);
  await second.kill9(); // in the middle of a group
  await progress(crowd, 100);
  second = await second.restart({ PARTITIONS: '1' }); // another division of the streams
  const before = crowd.acknowledgedBy(5);
  await progress(crowd, 200);
  await expect.poll(() => crowd.acknowledgedBy(5), { timeout: 20_000 }).toBeGreaterThan(before);
  await crowd.finish();
  await crowd.checkLaws(first);
  await crowd.checkLaws(second);
  expect(await Promise.all([first.stop(), second.stop()])).toEqual([0, 0]);
});

test('beyond its limits the service answers 503 with Retry-After', TIMEOUT, async () => {
  const service = await startTestService({
    env: {
      MAX_INFLIGHT_REQUESTS: '2',
      MAX_INFLIGHT_BYTES: '1MB',
      GROUP_MAX_EVENTS: '1',
      MAX_DB_CONNECTIONS: '2',
    },
  });
  const agent = await registerAgent(service);
  const events = Array.from({ length: 150 }, () => agent.event());
  const answers = await Promise.all(events.map((event) => push(service, agent, [event])));
  const refused = answers.filter(({ status }) => status !== 200);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.length).toBeLessThan(150);
  for (const { status, headers, body } of refused)
    expect([status, headers.get('retry-after'), headers.get('x-error-code'), body]).toMatchObject([
      503,
      '1',
      'OVERLOADED',
      { code: 'OVERLOADED', error: { retry_after: 1 } },
    ]);
  expect(await readHead(service, agent)).toBe(150 - refused.length); // what was refused was not stored

  const crowd = await startCrowd({ streams: 1, agents: 8, endpoint: () => service });
  await progress(crowd, 200);
  await crowd.finish();
  expect(crowd.statuses.get(503)).toBeGreaterThan(0);
  await crowd.checkLaws(service);
  expect(await service.stop()).toBe(0);
});

describe('SIGTERM', () => {
  /** A request that stays in the service until the lock is given back. */
  async function withRequestUnderWay() {
    const service = await startTestService();
    const agent = await registerAgent(service);
    expect((await push(service, agent, [agent.event()])).status).toBe(200);
    const sql = connect(service.database);
    let unlock = () => {};
    const locked = new Promise<void>((resolve) => {
      void sql.begin(async (tx) => {
        await tx`select 1 from ves_sequence_counters where tenant_id = ${agent.tenantId} for update`;
        resolve();
        await new Promise<void>((release) => {
          unlock = release;
        });
      });
    });
    await locked;
    onTestFinished(() => unlock());
    const answer = push(service, agent, [agent.event()]).catch((error) => error as Error);
    const waiting = () => sql`select from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`;
    await expect.poll(async () => (await waiting()).length, { timeout: 10_000 }).toBe(1);
    return { service, agent, answer, unlock: () => unlock() };
  }

  async function askToStop(service: TestService): Promise<void> {
    service.signal('SIGTERM');
    await expect.poll(() => service.logs(), { timeout: 10_000 }).toContain('"msg":"stopping');
  }

  test('lets requests in flight finish and ends with code 0', TIMEOUT, async () => {
    const { service, agent, answer, unlock } = await withRequestUnderWay();
    const known = openConnection(service.port);
    const authorization = `ApiKey ${service.adminKey}`;
    const ask = async (path: string) => {
      known.write(formatRequest('GET', path, { authorization }, Buffer.alloc(0)));
      return known.answer();
    };
    const head = `/api/v1/ves/head?${streamQuery(agent)}`;
    expect((await ask(head)).status).toBe(200);
    await askToStop(service);
    // On connections that are still open it says so; new ones are not accepted.
    const { status, text } = await ask(head);
    expect([status, JSON.parse(text)]).toMatchObject([503, { code: 'SERVICE_UNAVAILABLE' }]);
    const late = openConnection(service.port);
    expect((await late.answer()).status).toBe(0);
    unlock();
    expect(await answer).toMatchObject({ status: 200, body: { eventsAccepted: 1, sequenceStart: 2 } });
    expect(await service.exited).toBe(0);
    const stored = await connect(
      service.database,
    )`select from ves_events where tenant_id = ${agent.tenantId}`;
    expect(stored).toHaveLength(2);
  });

  test('a second one ends it at once', TIMEOUT, async () => {
    const { service, answer } = await withRequestUnderWay();
    await askToStop(service);
    const startedAt = performance.now();
    service.signal('SIGTERM');
    expect(await service.exited).toBe(130);
    expect(performance.now() - startedAt).toBeLessThan(1000);
    expect(await answer).toBeInstanceOf(Error);
  });

  test('under load every answer it gave holds', TIMEOUT, async () => {
    let service = await startTestService();
    const crowd = await startCrowd({ streams: 2, agents: 6, endpoint: () => service });
    await progress(crowd, 150);
    expect(await service.stop()).toBe(0);
    service = await service.restart();
    await progress(crowd, 50);
    await crowd.finish();
    await crowd.checkLaws(service);
    expect(await service.stop()).toBe(0);
  });
});

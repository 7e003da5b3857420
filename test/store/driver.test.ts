/** What a lost connection must not leave behind in the driver: a timer that no longer runs, old bytes, an old answer. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connectDatabase, type DatabaseTarget, type Sql } from '../../engine/store/connection.js';
import { createTestDatabase } from '../support/database.js';

const SESSION = 'driver-under-test';

async function open(max = 1) {
  const { target } = await createTestDatabase();
  const other = connectDatabase(target, { max: 1, applicationName: 'other' });
  onTestFinished(() => other.end());
  const sql = connectDatabase(target, { max, applicationName: SESSION, connectTimeoutMs: 3000 });
  onTestFinished(() => sql.end({ timeout: 1 }));
  const cut = () =>
    other`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${SESSION}`;
  return { sql, other, cut };
}

const READY_FOR_QUERY = Buffer.from('Z\0\0\0\x05I');

type Cuts = {
  /** The server has said that the session is ready; what it said is passed on already. */
  ready?(client: Socket): void;
  /** The driver has asked for the array types; the server has not been told yet. */
  asked?(client: Socket): unknown;
};

/** A way to the server on which the first sessions meet one of the cuts. */
async function throughRelay(target: DatabaseTarget, sessions: number, cuts: Cuts): Promise<DatabaseTarget> {
  if ('url' in target) throw new Error('the test server is reached by its socket');
  const socketDir = mkdtempSync(join(tmpdir(), 'relay-'));
  const name = `.s.PGSQL.${target.port}`;
  let accepted = 0;
  const relay = createServer((client) => {
    const cut = accepted++ < sessions ? cuts : {};
    const server = connect(join(target.socketDir, name));
    client.on('error', () => {}).on('close', () => server.destroy());
    server.on('error', () => {}).on('close', () => client.destroy());
    client.on('data', async (chunk) => {
      if (chunk.includes('pg_catalog.pg_type')) await cut.asked?.(client);
      if (server.writable) server.write(chunk);
    });
    server.on('data', (chunk) => {
      client.write(chunk);
      if (chunk.includes(READY_FOR_QUERY)) cut.ready?.(client);
    });
  });
  await new Promise<void>((resolve) => relay.listen(join(socketDir, name), resolve));
  onTestFinished(() => {
    relay.close();
    rmSync(socketDir, { recursive: true });
  });
  return { ...target, socketDir };
}

const answers = async (sql: Sql) => (await sql<{ one: number }[]>`select 1 as one`)[0]!.one;

describe('a connection that was cut', () => {
  test('at any moment around a statement serves the next ones at once', async () => {
    const { sql, cut } = await open();
    for (let round = 0; round < 100; round++) {
      // Statements of which some meet the end of the session in the moment between being given and being sent.
      const cutting = cut();
      const statements: Promise<unknown>[] = [];
      const goOn = () => {
        statements.push(answers(sql).catch((error: Error) => error));
        if (statements.length < 25) setImmediate(goOn);
      };
      goOn();
      await cutting;
      await sleep(round % 5);
      await Promise.all(statements);
      // The session may end a little later; a connection that never speaks again would take seconds, or for ever.
      await expect
        .poll(() => answers(sql).catch(() => 0), { timeout: 2500, interval: 1, message: `round ${round}` })
        .toBe(1);
    }
  }, 60_000);

  test('lets its transaction do nothing more, on no other session', async () => {
    const { sql, other, cut } = await open();
    await other`create table kept (name text)`;
    let goOn = () => {};
    const waiting = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const late: unknown[] = [];
    const transaction = sql.begin(async (tx) => {
      await tx`insert into kept values ('before')`;
      await waiting;
      for (let i = 0; i < 3; i++)
        late.push(
          await Promise.resolve()
            .then(() => tx`insert into kept values ('after')`)
            .catch((error) => error.code),
        );
    });
    const failure = transaction.then(
      () => 'committed',
      (error: { code: string }) => error.code,
    );
    await expect
      .poll(
        async () =>
          (
            await other`select from pg_stat_activity where application_name = ${SESSION} and state = 'idle in transaction'`
          ).length,
      )
      .toBe(1);
    await cut();
    expect(await failure).toMatch(/CONNECTION_CLOSED|57P01|ECONNRESET/);
    expect(await answers(sql)).toBe(1); // the connection has a new session
    goOn();
    await expect.poll(() => late.length).toBe(3);
    expect(late).toEqual(['CONNECTION_CLOSED', 'CONNECTION_CLOSED', 'CONNECTION_CLOSED']);
    expect(await other`select * from kept`).toHaveLength(0);
  });

  test('does not answer the next statement with its own end', async () => {
    const { sql, cut } = await open();
    for (let round = 0; round < 10; round++) {
      const slow = sql`select pg_sleep(5)`.catch((error: { code: string }) => error.code);
      await sleep(10);
      await cut();
      expect(await slow).toMatch(/57P01|CONNECTION_CLOSED/);
      await sleep(5);
      expect(await answers(sql)).toBe(1);
    }
  });
});

describe('a new session that ends before it is ready', () => {
  const destroy = (client: Socket) => void client.destroy();
  // The driver has read that it may ask, and is about to write.
  const destroySoon = (client: Socket) => setImmediate(() => setImmediate(() => client.destroy()));
  test.each<[string, (terminate: () => PromiseLike<unknown>) => Cuts]>([
    ['lost before it is asked anything', () => ({ ready: destroySoon })],
    ['lost with what it was asked', () => ({ asked: destroy })],
    ['ended by the server', (terminate) => ({ asked: terminate })],
  ])('%s, fails nobody but who waits for it', async (_, cuts) => {
    const { target } = await createTestDatabase();
    const other = connectDatabase(target, { max: 1, applicationName: 'other' });
    onTestFinished(() => other.end());
    const nobodys: unknown[] = [];
    const note = (reason: unknown) => nobodys.push(reason);
    process.on('unhandledRejection', note);
    onTestFinished(() => void process.off('unhandledRejection', note));

    const terminate = () =>
      other`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${SESSION}`;
    const relayed = await throughRelay(target, 5, cuts(terminate));
    const sql = connectDatabase(relayed, { max: 1, applicationName: SESSION });
    onTestFinished(() => sql.end({ timeout: 1 }));
    await expect.poll(() => answers(sql).catch(() => 0), { timeout: 10_000 }).toBe(1);
    expect(await sql.begin((tx) => answers(tx as unknown as Sql))).toBe(1);
    expect(nobodys).toEqual([]);
  });
});

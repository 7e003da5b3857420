/** What a lost connection must not leave behind in the driver: a timer that no longer runs, old bytes, an old answer. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
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

import { randomInt } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ServiceError } from '../../engine/errors/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { createLeadership, type Leadership } from '../../engine/store/leadership.js';
import { createTransparencyLoop } from '../../engine/transparency/background.js';
import type { LogService } from '../../engine/transparency/log-service.js';
import { parseWitnessPolicy } from '../../engine/transparency/witness-policy.js';
import { pause, until } from '../store/support.js';
import { type FilledStream, fillStream, growStream, tamper } from './log-support.js';
import { NOTARY_ORIGIN, openNotaryDatabase, signerOf, startNotary } from './notary-support.js';
import { startWitness } from './witness-server.js';

let database: Awaited<ReturnType<typeof openNotaryDatabase>>;
let sql: Sql;
let closers: (() => Promise<unknown>)[];
beforeEach(async () => {
  database = await openNotaryDatabase();
  sql = database.connect();
  closers = [];
});
afterEach(async () => {
  await Promise.all(closers.map((close) => close()));
  await database.close();
});

type Setting = Parameters<typeof startNotary>[1] & {
  leadership?: Leadership;
  pool?: Sql;
  logs?: (logs: LogService) => LogService;
};

/** One process' background work. */
function run({ leadership, pool = database.connect(), logs = (each) => each, ...options }: Setting = {}) {
  const process = startNotary(pool, options);
  const loop = createTransparencyLoop({
    ...process,
    logs: logs(process.logs),
    intervalMs: 20,
    tileIntervalMs: 20,
    ...(leadership ? { leadership } : {}),
  });
  closers.unshift(() => loop.stop());
  loop.start();
  return { ...process, loop };
}

const latestSize = async () => {
  const [row] = await sql<{ size: bigint | null }[]>`select max(tree_size) as size from notary_checkpoints`;
  return Number(row!.size ?? 0);
};
const storedTiles = async (stream: FilledStream) =>
  (await sql`select from ves_log_tiles where store_id = ${stream.log.storeId}`).length;

test('notarises, signs, has witnesses cosign, and writes tiles', async () => {
  const witness = await startWitness('witness.example', [
    { origin: NOTARY_ORIGIN, publicKey: signerOf().publicKey },
  ]);
  closers.push(witness.close);
  const stream = await fillStream(sql, 600);
  const { notary, lines } = run({ policy: parseWitnessPolicy([witness], 1) });
  await until('a witnessed checkpoint', async () => (await notary.published.witnessed())?.size === 1);
  await until('two tiles', async () => (await storedTiles(stream)) === 2);
  await growStream(sql, stream, 200);
  await until('the next one', async () => (await notary.published.witnessed())?.size === 2);
  await until('three tiles', async () => (await storedTiles(stream)) === 3);
  expect(lines).toEqual([]);
});

test("writes the notary log's own tiles", async () => {
  const stream = await fillStream(sql, 1);
  const { notary } = startNotary(sql);
  for (let size = 1; size <= 257; size++) {
    await notary.notarise(1);
    await growStream(sql, stream, 1);
  }
  run();
  await until('a tile', async () => (await sql`select from notary_tiles`).length === 1);
});

test('starts once, stops once, and does nothing afterwards', async () => {
  const stream = await fillStream(sql, 1);
  const { loop } = run();
  loop.start();
  await until('a checkpoint', async () => (await latestSize()) === 1);
  await Promise.all([loop.stop(), loop.stop()]);
  await growStream(sql, stream, 1);
  await pause(100);
  expect(await latestSize()).toBe(1);
});

test('stop gives up waiting for a witness', async () => {
  const witness = await startWitness('witness.example', []);
  closers.push(witness.close);
  witness.lie = () => undefined;
  await fillStream(sql, 1);
  const { loop } = run({ policy: parseWitnessPolicy([witness], 1) });
  await until('a question', async () => witness.requests.length > 0);
  const started = performance.now();
  await loop.stop();
  expect(performance.now() - started).toBeLessThan(2000);
});

test('reports a damaged stream once and goes on with the others', async () => {
  const [good, bad] = (await Promise.all([fillStream(sql, 1), fillStream(sql, 1)])) as [
    FilledStream,
    FilledStream,
  ];
  await tamper(sql, (tx) => tx`delete from ves_sequencer_receipts where store_id = ${bad.log.storeId}`);
  const { lines } = run();
  for (let size = 1; size <= 4; size++) {
    await until('a checkpoint', async () => (await latestSize()) === size);
    await growStream(sql, good, 1);
  }
  expect(lines.filter(({ message }) => message === 'a damaged stream is not notarised')).toHaveLength(1);
});

test('logs whose tiles cannot be written do not keep the others from theirs', async () => {
  const bad = await fillStream(sql, 300);
  const good = await fillStream(sql, 300);
  const { lines } = run({
    logs: (logs) => ({
      ...logs,
      integrate: async (log, tilesMax) => {
        if (log.kind === 'stream' && log.storeId === bad.log.storeId)
          throw new ServiceError('INTERNAL_ERROR', 'a wrong tile');
        return logs.integrate(log, tilesMax);
      },
    }),
  });
  await until('a tile', async () => (await storedTiles(good)) === 1);
  await pause(100);
  expect(lines).toEqual([
    expect.objectContaining({
      level: 'error',
      message: 'tiles of a log cannot be written',
      details: { log: `${bad.log.tenantId}/${bad.log.storeId}`, problem: 'a wrong tile' },
    }),
  ]);
});

test('a lost database connection is logged and survived', async () => {
  const stream = await fillStream(sql, 1);
  const pool = database.connect(1);
  const { lines } = run({ pool });
  for (let size = 1; size <= 5; size++) {
    await until('a checkpoint', async () => (await latestSize()) === size, 20_000);
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`;
    await growStream(sql, stream, 1);
  }
  for (const { message } of lines) expect(message).toMatch(/failed$/);
});

test('what was underneath a failure is logged with it', async () => {
  const failing = (logs: LogService): LogService => ({
    ...logs,
    streamsToIntegrate: async () => {
      throw new ServiceError('INTERNAL_ERROR', undefined, {
        cause: 'Error: the disk is gone\n    at read (disk.js)',
      });
    },
  });
  const { lines } = run({ logs: failing });
  await until('the line', async () => lines.length > 0);
  expect(JSON.stringify(lines[0])).toContain('ServiceError: Internal server error (Error: the disk is gone)');
});

test('several processes without a leader write one history', async () => {
  const streams = await Promise.all(Array.from({ length: 5 }, () => fillStream(sql, 1)));
  const processes = [run(), run(), run()];
  for (let round = 0; round < 10; round++) for (const stream of streams) await growStream(sql, stream, 1);
  await until('everything is notarised', async () => {
    const [row] = await sql<{ open: bigint }[]>`select count(*) as open from ves_sequence_counters c
      where current_sequence <> (select coalesce(max(tree_size), 0) from notary_entries e where e.store_id = c.store_id)`;
    return row!.open === 0n;
  });
  await Promise.all(processes.map(({ loop }) => loop.stop()));
  expect(processes.flatMap(({ lines }) => lines)).toEqual([]);
});

test('one of several processes leads, another takes over when it stops or loses its connection', async () => {
  const key = BigInt(randomInt(2 ** 40));
  const open = (name: string) => {
    const leadership = createLeadership(database.target, key, name);
    closers.push(() => leadership.release());
    return leadership;
  };
  const [first, second, third] = [open('first'), open('second'), open('third')];
  expect(await first.holds()).toBe(true);
  expect(await first.holds()).toBe(true);
  expect(await second.holds()).toBe(false);
  await first.release();
  await until('the second leads', () => second.holds());
  expect(await third.holds()).toBe(false);

  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name = 'second'`;
  await until('the third leads', () => third.holds());
  const [holders] = await sql<{ n: bigint }[]>`select count(*) as n from pg_locks
    where locktype = 'advisory' and objid = ${key % 2n ** 32n}::bigint`;
  expect(holders!.n).toBe(1n);
  await until('the second knows', async () => !(await second.holds().catch(() => true)));
});

test('who does not lead does nothing', async () => {
  await fillStream(sql, 1);
  const leader = createLeadership(database.target, 1n, 'leader');
  closers.push(() => leader.release());
  await leader.holds();
  run({ leadership: createLeadership(database.target, 1n, 'follower') });
  await pause(150);
  expect(await latestSize()).toBe(0);
  await leader.release();
  await until('a checkpoint', async () => (await latestSize()) === 1);
});

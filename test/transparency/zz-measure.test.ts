import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { createLogService } from '../../engine/transparency/log-service.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type FilledStream, fillStream, sha256Into } from './log-support.js';

let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await createTestDatabase({ migrated: true });
  sql = connectDatabase(database.target, { max: 4, applicationName: 'measure' });
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database.drop();
});
const N = Number(process.env.N ?? 1_000_000);
test('measure', { timeout: 600_000 }, async () => {
  const fresh = () => createLogService({ sql, sha256: sha256Into });
  let t = performance.now();
  const s: FilledStream = await fillStream(sql, N, { groups: [1, 100, 700, 37] });
  console.log('fill', performance.now() - t);
  t = performance.now();
  await sql`analyze`;
  console.log('analyze', performance.now() - t);
  if (N <= 200000 || process.env.NOTILES) {
    t = performance.now();
    await fresh().inclusion(s.log, 17, N);
    console.log('inclusion without tiles', performance.now() - t);
  }
  const streams = await fresh().streamsToIntegrate(10);
  console.log(streams);
  t = performance.now();
  const logs = fresh();
  let written = 0;
  for (;;) {
    const r = await logs.integrate(s.log, 256);
    written += r.written;
    if (r.done) break;
  }
  console.log('integrate', written, performance.now() - t);
  t = performance.now();
  console.log(await fresh().streamsToIntegrate(10), performance.now() - t);
  const rnd = (n: number) => Math.floor(Math.random() * n);
  let next = createLogService({ sql, sha256: sha256Into });
  const fresh2 = () => next;
  const measure = async (name: string, count: number, run: () => Promise<unknown>) => {
    const times: number[] = [];
    for (let i = 0; i < count; i++) {
      next = createLogService({ sql, sha256: sha256Into });
      const t0 = performance.now();
      await run();
      times.push(performance.now() - t0);
    }
    times.sort((a, b) => a - b);
    const q = (p: number) => times[Math.min(times.length - 1, Math.floor(times.length * p))]!.toFixed(2);
    console.log(name, 'p50', q(0.5), 'p90', q(0.9), 'p99', q(0.99), 'max', q(1));
  };
  await measure('select 1', 500, () => sql`select 1`);
  const { readLogState } = await import('../../engine/store/log-roots.js');
  const { readLogTiles } = await import('../../engine/store/log-tiles.js');
  const { readLogEntries } = await import('../../engine/store/log-leaves.js');
  await measure('state []', 500, () => readLogState(sql, s.log, []));
  await measure('state [n]', 500, () => readLogState(sql, s.log, [rnd(N)]));
  await measure('tile whole', 500, () => readLogTiles(sql, s.log, [{ level: 0, from: 17, to: 18, whole: true }]));
  await measure('tile 200 roots', 500, () => readLogTiles(sql, s.log, [{ level: 0, from: 17, to: 217, whole: false }]));
  await measure('entries 1', 500, () => readLogEntries(sql, s.log, [{ from: 17, to: 18 }]));
  await measure('entries 255', 500, () => readLogEntries(sql, s.log, [{ from: 17, to: 272 }]));
  for (let round = 0; round < 2; round++) {
    await measure('inclusion at head', 1000, () => fresh2().inclusion(s.log, rnd(N), N));
    await measure('inclusion any size', 1000, () => {
      const size = 1 + rnd(N);
      return fresh2().inclusion(s.log, rnd(size), size);
    });
    await measure('consistency any', 1000, () => {
      const to = 1 + rnd(N);
      return fresh2().consistency(s.log, rnd(to), to);
    });
    await measure('consistency group ends to head', 1000, () =>
      fresh2().consistency(s.log, s.groupEnds[rnd(s.groupEnds.length)]!, N),
    );
    await measure('recordRoot', 300, () => fresh2().recordRoot(s.log, 1 + rnd(N)));
    await measure('tile', 500, () => fresh2().tile(s.log, 0, rnd(Math.floor(N / 256)), 256));
    await measure('head', 500, () => fresh2().head(s.log));
  }
  const warm = fresh();
  await measure('inclusion warm', 2000, () => warm.inclusion(s.log, rnd(N), N));
  expect(1).toBe(1);
});

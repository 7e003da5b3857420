import { test } from 'vitest';
import { startCommitments, freshStream, appendVes, appendLegacy } from '/work/main/test/commitments/support.js';
test('bench', async () => {
  const c = await startCommitments();
  for (let r = 0; r < 3; r++) for (const n of [10_000, 100_000]) {
    const s = freshStream();
    await appendVes(c.sql, s, n);
    await c.sql`vacuum analyze ves_events`;
    let longest = 0, last = performance.now(), turning = true;
    const turn = () => { const now = performance.now(); longest = Math.max(longest, now - last); last = now; if (turning) setImmediate(turn); };
    setImmediate(turn);
    const t = performance.now(); const cpu = process.cpuUsage();
    await c.service.commitVes(s, 1n, BigInt(n));
    const took = performance.now() - t; turning = false;
    const t2 = performance.now(); await c.service.proveVes(s, 77n); const prove = performance.now() - t2;
    console.log('VES', n, took.toFixed(0), 'ms; longest', longest.toFixed(1), 'prove cached', prove.toFixed(2));
  }
  for (const n of [10_000, 100_000]) {
    const s = freshStream();
    await appendLegacy(c.sql, s, n, { id: "'o' || n" });
    await appendVes(c.sql, s, n, { id: "'v' || n" });
    const t = performance.now();
    await c.service.commitLegacy(s, 1n, BigInt(n)-1n);
    const took = performance.now() - t; 
    const t1 = performance.now();
    await c.service.commitLegacy(s, BigInt(n), BigInt(n));
    console.log('legacy', n, took.toFixed(0), 'ms; next, nothing to count', (performance.now() - t1).toFixed(0));
  }
  await c.stop();
}, 300000);

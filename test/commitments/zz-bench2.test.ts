import { test } from 'vitest';
import { startCommitments, freshStream, appendVes } from './support.js';
import { rowCheck } from '../../engine/store/row-check.js';
import { parseUuid } from '../../engine/protocol/index.js';
import { readVesLeafProofs } from '../../engine/store/commitment-leaves.js';
import { readEntityCounts } from '../../engine/store/entity-counts.js';
test('bench', async () => {
  const c = await startCommitments();
  const s = freshStream();
  await appendVes(c.sql, s, 50000);
  await c.sql`vacuum analyze ves_events`;
  for (let r = 0; r < 3; r++) {
    const x = await c.sql`explain (analyze, buffers) select count(*) as found, string_agg(substr(hashes, 1, 96), ''::bytea order by sequence_number) as proofs
    from ves_events where tenant_id = ${s.tenantId} and store_id = ${s.storeId} and sequence_number between 1 and 4096`;
    if (r == 2) console.log(x.map(y => y['QUERY PLAN']).join('\n'));
    let t = performance.now();
    for (let p = 0; p < 12; p++) await readVesLeafProofs(c.sql, s, BigInt(p*4096+1), BigInt(p*4096+4096));
    console.log('12 pages', performance.now() - t);
    t = performance.now();
    await Promise.all(Array.from({length: 12}, (_, p) => readVesLeafProofs(c.sql, s, BigInt(p*4096+1), BigInt(p*4096+4096))));
    console.log('12 pages par', performance.now() - t);
  }
  const tb = parseUuid(s.tenantId)!;
  for (let r = 0; r < 3; r++) { let t = performance.now(); for (let i = 0; i < 100000; i++) rowCheck([tb, tb, 'order', 'o-1234567', 5n]); console.log('rowCheck us', (performance.now()-t)/100);
  t = performance.now(); for (let i = 0; i < 100000; i++) rowCheck([parseUuid(s.tenantId)!, parseUuid(s.storeId)!, 'order', 'o-1234567', 5n]); console.log('rowCheck with parse us', (performance.now()-t)/100);}
  await c.stop();
}, 300000);

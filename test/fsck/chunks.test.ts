import { afterAll, beforeAll, expect, test } from 'vitest';
import { fillDatabase } from '../../bench/fsck-database.js';
import { createCommitmentService } from '../../engine/commitments/index.js';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { createLogService } from '../../engine/transparency/index.js';
import { sha256Into } from '../../workers/native-crypto.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { check, withChange } from './support.js';

/** Four whole chunks, which make a tile of level 1, and some. */
const EVENTS = 66_000;

let database: TestDatabase;
let sql: Sql;
let stream: { tenantId: string; storeId: string };
beforeAll(async () => {
  database = await createTestDatabase({ migrated: true });
  sql = connectDatabase(database.target, { max: 3, applicationName: 'fsck-test' });
  const population = await fillDatabase(database.target, {
    events: EVENTS,
    streams: 1,
    payloadBytes: 60,
    say: () => {},
  });
  stream = { tenantId: population.tenantId, storeId: population.storeIds[0]! };
  const logs = createLogService({ sql, sha256: sha256Into });
  await logs.integrate({ kind: 'stream', ...stream }, 10_000);
  const commitments = createCommitmentService({ sql, sha256: sha256Into });
  await commitments.commitVes(stream, 10_001n, 20_000n);
  await commitments.commitVes(stream, 20_001n, 55_555n);
}, 120_000);
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database.drop();
});

const told = async () =>
  (await check(database.target, { signatures: false })).findings.map(
    ({ table, row, check }) => `${table} ${row}: ${check}`,
  );

test('a stream of several chunks is one log', async () => {
  const report = await check(database.target, { signatures: false, deep: true });
  expect(report).toMatchObject({
    total: 0,
    counts: { ves_events: EVENTS, ves_log_tiles: 257 + 1, ves_commitments: 2, ves_sequencer_receipts: 66 },
  });
});

test('a hash of an upper tile is compared', async () => {
  const flip = 'hashes = set_byte(hashes, 4000, get_byte(hashes, 4000) # 1)';
  expect(await withChange(sql, 'ves_log_tiles', 'level = 1', flip, told)).toEqual([
    'ves_log_tiles level 1, tile_index 0: tile',
  ]);
});

test('roots and commitments reach over the borders of chunks', async () => {
  const flip = (column: string) => `${column} = set_byte(${column}, 5, get_byte(${column}, 5) # 4)`;
  expect(
    await withChange(sql, 'ves_sequencer_receipts', 'last_sequence = 50000', flip('root_hash'), told),
  ).toEqual(['ves_sequencer_receipts last_sequence 50000: root']);
  expect(
    await withChange(sql, 'ves_commitments', 'sequence_start = 20001', flip('merkle_root'), told),
  ).toEqual(['ves_commitments sequence_start 20001: state-root']);
});

test('a group that spans two chunks is compared with the events of both', async () => {
  const later = `sequenced_at = sequenced_at + interval '1 second'`;
  for (const sequence of [16_384, 16_385])
    expect(await withChange(sql, 'ves_events', `sequence_number = ${sequence}`, later, told)).toEqual([
      `ves_events sequence_number ${sequence}: group-time`,
    ]);
});

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCommitmentService } from '../../engine/commitments/index.js';
import { createLogService } from '../../engine/transparency/index.js';
import { sha256Into } from '../../workers/native-crypto.js';
import { startNotary } from '../transparency/notary-support.js';
import {
  buildFsckDatabase,
  type FsckDatabase,
  LEGACY_EVENTS,
  MAIN,
  MAIN_EVENTS,
  openFsckDatabase,
} from './database.js';
import { check, unprotected } from './support.js';

let database: FsckDatabase;
beforeAll(async () => {
  database = await buildFsckDatabase();
});
afterAll(() => database.drop());

describe('a database as the service leaves it', () => {
  test('has nothing wrong, and everything in it is looked at', async () => {
    const report = await check(database.target, { deep: true });
    expect(report.findings).toEqual([]);
    expect(report).toMatchObject({ total: 0, consequences: 0, complete: true, signatures: true });
    expect(report.counts).toEqual({
      audit_log: 3,
      ves_events: MAIN_EVENTS + 8,
      signatures: MAIN_EVENTS + 8,
      'rows without check value': 0,
      ves_sequencer_receipts: 10,
      ves_log_roots: 1,
      ves_log_tiles: 1,
      ves_commitments: 3,
      ves_sequence_counters: 6,
      events: LEGACY_EVENTS,
      commitments: 2,
      sequence_counters: 1,
      entity_versions: 2,
      commitment_entity_heads: 1,
      commitment_entity_versions: 48,
      agent_signing_keys: 2,
      notary_entries: 5,
      notary_roots: 1,
      notary_checkpoints: 1,
      notary_tiles: 0,
      notary_log: 1,
      notary_cosignatures: 1,
      sequencer_keys: 1,
    });
  });

  test('tells its progress up to the last event', async () => {
    const told: number[] = [];
    await check(database.target, {
      onProgress: ({ events, eventsTotal }) => told.push(events / eventsTotal),
    });
    expect(told[0]).toBe(0);
    expect(told.at(-1)).toBe(1);
    expect(told).toEqual([...told].sort((a, b) => a - b));
  });

  test('can be checked without signatures', async () => {
    const report = await check(database.target, { signatures: false });
    expect(report).toMatchObject({ total: 0, signatures: false, counts: { signatures: 0 } });
  });

  test('can be checked in part', async () => {
    const tenant = MAIN.tenantId.replaceAll('-', '');
    const store = MAIN.storeId.replaceAll('-', '');
    expect((await check(database.target, { filter: { tenant } })).counts.ves_events).toBe(MAIN_EVENTS + 6);
    expect((await check(database.target, { filter: { tenant, store } })).counts.ves_events).toBe(MAIN_EVENTS);
    expect((await check(database.target, { filter: { store } })).counts.ves_events).toBe(MAIN_EVENTS + 2);
    expect((await check(database.target, { filter: { tenant: store } })).total).toBe(0);
  });

  test('says that it was interrupted', async () => {
    const interruption = new AbortController();
    interruption.abort();
    expect(await check(database.target, { signal: interruption.signal })).toMatchObject({ complete: false });
  });
});

test('an empty database has nothing wrong', async () => {
  const empty = await openFsckDatabase();
  expect(await check(empty.target, { deep: true })).toMatchObject({ total: 0, complete: true });
  await empty.drop();
});

test('rows from before there were check values are counted, not reported', async () => {
  const old = await buildFsckDatabase();
  await unprotected(
    old.sql,
    'update ves_events set row_check = null',
    'update events set row_check = null',
    'update ves_sequencer_receipts set row_check = null',
  );
  expect(await check(old.target)).toMatchObject({
    counts: { 'rows without check value': MAIN_EVENTS + 8 + LEGACY_EVENTS },
  });
  expect((await check(old.target)).total).toBeGreaterThan(0); // this database has had them from its first moment
  await old.sql`update schema_migrations set applied_at = applied_at - interval '1 day' where version = 1`;
  const report = await check(old.target);
  expect(report.findings).toEqual([]);
  await old.drop();
});

test('a service that goes on writing raises no false alarm', async () => {
  const busy = await buildFsckDatabase();
  const logs = createLogService({ sql: busy.sql, sha256: sha256Into });
  const commitments = createCommitmentService({ sql: busy.sql, sha256: sha256Into });
  const notary = startNotary(busy.sql);
  const main = { kind: 'stream', ...MAIN } as const;
  let writing = true;
  let head = MAIN_EVENTS;
  const write = async () => {
    while (writing) {
      await busy.ves(
        busy.agent,
        Array.from({ length: 40 }, (_, n) => busy.agent.event({ entityId: `busy-${n}` }).envelope),
      );
      await busy.ves(busy.agent, [busy.agent.event({ entityId: `busy-${head}`, baseVersion: 0 }).envelope]);
      head += 41;
      await busy.legacy(busy.agent, 3, {});
      await logs.integrate(main, 10);
      await commitments.commitVes(MAIN, BigInt(head === MAIN_EVENTS + 41 ? 251 : head - 40), BigInt(head));
      await notary.turn();
      await sleep(1);
    }
  };
  const writer = write();
  for (let round = 0; round < 12; round++) expect((await check(busy.target)).findings).toEqual([]);
  writing = false;
  await writer;
  expect(head).toBeGreaterThan(MAIN_EVENTS + 200);
  expect((await check(busy.target, { deep: true })).findings).toEqual([]);
  await busy.drop();
});

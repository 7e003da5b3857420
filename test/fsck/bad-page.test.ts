import { chmodSync, closeSync, mkdtempSync, openSync, readSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fillDatabase } from '../../bench/fsck-database.js';
import { connectDatabase, type DatabaseTarget, type Sql } from '../../engine/store/connection.js';
import { startEmbeddedPostgres } from '../../engine/store/embedded-postgres.js';
import { clusterPath } from '../../engine/store/embedded-postgres-cluster.js';
import { migrate } from '../../engine/store/migrate.js';
import { MIGRATIONS_DIRECTORY } from '../support/database.js';
import { check } from './support.js';

const EVENTS = 3000;
const PAGE_BYTES = 8192;

const dataDir = join(mkdtempSync(join(tmpdir(), 'fsck-')), 'data');
chmodSync(join(dataDir, '..'), 0o711);

async function withServer<T>(work: (target: DatabaseTarget, sql: Sql) => Promise<T>): Promise<T> {
  const server = await startEmbeddedPostgres({
    dataDir,
    sharedBuffers: 32 * 1024 ** 2,
    connectionsMax: 20,
    log: () => {},
  });
  const sql = connectDatabase(server.target, { max: 1, applicationName: 'fsck-test' });
  try {
    return await work(server.target, sql);
  } finally {
    await sql.end({ timeout: 1 });
    await server.stop();
  }
}

/** Flips one bit of a file, as a bad disk does. */
function flipBit(path: string, offset: number): void {
  const file = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, offset);
  byte[0]! ^= 4;
  writeSync(file, byte, 0, 1, offset);
  closeSync(file);
}

const pathOf = async (sql: Sql, relation: string): Promise<string> => {
  const [row] = await sql<{ path: string }[]>`select pg_relation_filepath(${relation}) as path`;
  return join(clusterPath(dataDir), row!.path);
};

test('a bit that the disk has changed is found, and everything else is checked all the same', async () => {
  const paths = await withServer(async (target, sql) => {
    await migrate(sql, MIGRATIONS_DIRECTORY);
    await fillDatabase(target, { events: EVENTS, streams: 1, payloadBytes: 400, say: () => {} });
    expect(await check(target)).toMatchObject({ total: 0 });
    await sql`checkpoint`;
    return { events: await pathOf(sql, 'ves_events'), groups: await pathOf(sql, 'ves_sequencer_receipts') };
  });

  flipBit(paths.events, 100 * PAGE_BYTES + 5000);
  const report = await withServer((target) => check(target, { findingsMax: 100 }));
  const rows = report.findings.map(({ table, check, row }) => ({
    table,
    check,
    sequence: Number(row.split(' ')[1]),
  }));
  expect(rows.length).toBeGreaterThan(3);
  expect(rows.length).toBeLessThan(20); // the rows of one page
  expect(rows.every(({ table, check }) => table === 'ves_events' && check === 'readable')).toBe(true);
  expect(rows.at(-1)!.sequence - rows[0]!.sequence).toBe(rows.length - 1);
  expect(report.findings[0]!.message).toContain('invalid page');
  expect(report.counts.ves_events).toBe(EVENTS - rows.length);

  flipBit(paths.groups, 4000);
  const both = await withServer((target) => check(target, { findingsMax: 100 }));
  expect(new Set(both.findings.map(({ table, check }) => `${table}: ${check}`))).toEqual(
    new Set(['ves_events: readable', 'ves_sequencer_receipts: readable']),
  );
}, 120_000);

/**
 * `fsck` on a database of signed events with tiles and commitments: events per second without and with signatures, and how much of
 * the machine's own verify rate that is. Afterwards one byte is changed, which must be found.
 */
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createCommitmentService } from '../engine/commitments/index.js';
import { type FsckReport, runFsck } from '../engine/fsck/index.js';
import type { DatabaseTarget, Sql } from '../engine/store/connection.js';
import { startEmbeddedPostgres } from '../engine/store/embedded-postgres.js';
import { migrate } from '../engine/store/migrate.js';
import { createLogService } from '../engine/transparency/index.js';
import type { Population } from '../loadtest/event-source.js';
import { fsckCrypto } from '../workers/fsck-crypto.js';
import { createFsckPool } from '../workers/fsck-pool.js';
import { sha256Into } from '../workers/native-crypto.js';
import { openDatabase, readSettings } from './database.js';
import { fillDatabase } from './fsck-database.js';
import { measureVerifyRate } from './fsck-verify-rate.js';
import { familyMicros } from './proc.js';
import { median } from './statistics.js';
import { formatTable } from './table.js';

export interface FsckBenchOptions {
  /** A directory of the bench's own. */
  readonly dataDir: string;
  readonly events: number;
  /** Bytes of the canonical payload. */
  readonly payloadBytes: number;
  say(line: string): void;
}

/** Runs of one kind. */
interface Runs {
  readonly name: string;
  /** Median of all runs. */
  readonly events_per_second: number;
  readonly slowest: number;
  readonly fastest: number;
  /** CPU microseconds of an event, in this process and in the server's, medians. */
  readonly node_us_per_event: number;
  readonly postgres_us_per_event: number;
}

const MIGRATIONS = fileURLToPath(new URL('../../migrations/postgres', import.meta.url));
const SHARED_BUFFERS = 1024 ** 3;
const STREAMS = 4;
const COMMITMENT_EVENTS = 10_000;
const ROUNDS = 3;

export async function runFsckBench(options: FsckBenchOptions): Promise<{ report: object; text: string }> {
  const { say } = options;
  const dataDir = join(options.dataDir, 'fsck');
  const threads = availableParallelism();
  const server = await startEmbeddedPostgres({
    dataDir,
    sharedBuffers: SHARED_BUFFERS,
    connectionsMax: threads + 20,
    log: () => {},
  });
  const sql = openDatabase(server.target);
  try {
    await migrate(sql, MIGRATIONS);
    const database = await readSettings(sql);
    const population = await fillDatabase(server.target, { ...options, streams: STREAMS });
    await deriveProofs(sql, population, options.events / STREAMS, say);
    const verifyRates: number[] = [];
    const kinds: Runs[] = [];
    for (const signatures of [false, true]) {
      const rounds: Awaited<ReturnType<typeof oneRun>>[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        // The host may be slow at times: what is compared is measured next to each other.
        if (signatures) verifyRates.push(await measureVerifyRate(threads));
        rounds.push(await oneRun(server.target, server.pid, threads, signatures));
        say(
          `fsck ${signatures ? 'with' : 'without'} signatures: ${Math.round(rounds.at(-1)!.rate)} events/s`,
        );
      }
      kinds.push(summary(signatures ? 'with signatures' : 'without signatures', rounds));
    }
    verifyRates.push(await measureVerifyRate(threads));
    const verifyRate = median(verifyRates);
    const found = await findsOneBit(sql, server.target, threads);
    const report = {
      database,
      events: options.events,
      payload_bytes: options.payloadBytes,
      streams: STREAMS,
      threads,
      runs: kinds,
      verify_rate: Math.round(verifyRate),
      share_of_verify_rate: Number((kinds[1]!.events_per_second / verifyRate).toFixed(3)),
      one_bit_found: found,
    };
    return { report, text: formatBench(report) };
  } finally {
    say('fsck: removing the database …');
    await sql.end({ timeout: 1 });
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** Tiles, and commitments over all events: what a database holds that has been in service for a while. */
async function deriveProofs(
  sql: Sql,
  { tenantId, storeIds }: Population,
  events: number,
  say: (line: string) => void,
): Promise<void> {
  const logs = createLogService({ sql, sha256: sha256Into });
  const commitments = createCommitmentService({ sql, sha256: sha256Into });
  for (const storeId of storeIds) {
    const stream = { tenantId, storeId };
    while (!(await logs.integrate({ kind: 'stream', ...stream }, 1000)).done);
    for (let start = 1; start + COMMITMENT_EVENTS - 1 <= events; start += COMMITMENT_EVENTS)
      await commitments.commitVes(stream, BigInt(start), BigInt(start + COMMITMENT_EVENTS - 1));
  }
  await sql`checkpoint`;
  say('fsck: tiles and commitments are made');
}

async function check(target: DatabaseTarget, threads: number, signatures: boolean): Promise<FsckReport> {
  return runFsck({
    target,
    crypto: fsckCrypto(),
    start: (setup) => createFsckPool(setup, threads),
    threads,
    signatures,
    deep: false,
    filter: {},
    findingsMax: 5,
  });
}

async function oneRun(target: DatabaseTarget, postgresPid: number, threads: number, signatures: boolean) {
  const cpu = process.cpuUsage();
  const postgres = familyMicros(postgresPid);
  const { counts, seconds, total, findings } = await check(target, threads, signatures);
  const used = process.cpuUsage(cpu);
  const events = counts.ves_events ?? 0;
  if (total > 0)
    throw new Error(`fsck finds ${total} wrong rows in a good database: ${findings[0]?.message}`);
  return {
    rate: events / seconds,
    node: (used.user + used.system) / events,
    postgres: (familyMicros(postgresPid) - postgres) / events,
  };
}

function summary(name: string, rounds: readonly { rate: number; node: number; postgres: number }[]): Runs {
  const rates = rounds.map(({ rate }) => rate);
  return {
    name,
    events_per_second: Math.round(median(rates)),
    slowest: Math.round(Math.min(...rates)),
    fastest: Math.round(Math.max(...rates)),
    node_us_per_event: Number(median(rounds.map(({ node }) => node)).toFixed(1)),
    postgres_us_per_event: Number(median(rounds.map(({ postgres }) => postgres)).toFixed(1)),
  };
}

/** Changes one bit of one payload, as no trigger can prevent, and looks for it. */
async function findsOneBit(sql: Sql, target: DatabaseTarget, threads: number): Promise<boolean> {
  await sql.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`update ves_events set payload = overlay(payload placing chr(ascii(substr(payload, 12, 1)) # 1) from 12 for 1)
      where ctid = (select ctid from ves_events where sequence_number = 12345 limit 1)`;
  });
  const { total, findings } = await check(target, threads, false);
  return total === 1 && findings[0]?.check === 'payload-hash' && findings[0].row === 'sequence_number 12345';
}

const formatBench = (report: {
  events: number;
  threads: number;
  runs: readonly Runs[];
  verify_rate: number;
  share_of_verify_rate: number;
  one_bit_found: boolean;
}): string =>
  `\nfsck of ${report.events.toLocaleString('en-US')} events, ${report.threads} threads\n${formatTable(
    ['run', 'events/s', 'slowest', 'fastest', 'Node µs/event', 'PostgreSQL µs/event'],
    report.runs.map((run) => [
      run.name,
      run.events_per_second,
      run.slowest,
      run.fastest,
      run.node_us_per_event,
      run.postgres_us_per_event,
    ]),
  )}strict Ed25519 verifications alone: ${report.verify_rate}/s; with signatures fsck reaches ${(report.share_of_verify_rate * 100).toFixed(1)} % of that\none changed bit: ${report.one_bit_found ? 'found' : 'NOT FOUND'}\n`;

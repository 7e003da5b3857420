import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Histogram } from 'hdr-histogram-js';
import { tuneHeap } from '../cli/tune-heap.js';
import { createCommitmentService } from '../engine/commitments/index.js';
import { createNodeHasher, verifyConsistency, verifyInclusion } from '../engine/log/index.js';
import type { DatabaseTarget, Sql } from '../engine/store/connection.js';
import { startEmbeddedPostgres } from '../engine/store/embedded-postgres.js';
import { readVesHead } from '../engine/store/heads.js';
import { migrate } from '../engine/store/migrate.js';
import { createLogService, type LogId, type LogService } from '../engine/transparency/index.js';
import { createRandom } from '../loadtest/event-source.js';
import { sha256Into } from '../workers/native-crypto.js';
import { PROOF_CONNECTIONS } from '../workers/proof-messages.js';
import { openRowHashing } from '../workers/row-hashing.js';
import { openDatabase } from './database.js';
import { fillLog } from './fill-log.js';
import { formatTable } from './table.js';

export interface ProofsOptions {
  /** A directory of the bench's own. */
  readonly dataDir: string;
  /** Length of the stream. */
  readonly events: number;
  say(line: string): void;
}

/** Latencies of one kind of request in milliseconds. */
export interface LatencyReport {
  readonly name: string;
  readonly requests: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly max_ms: number;
}

export interface ProofsReport {
  readonly events: number;
  readonly tiles: number;
  readonly tiles_per_second: number;
  readonly latencies: readonly LatencyReport[];
}

const REQUESTS = 1_000;
/** Requests of each kind before the measured ones. */
const WARMUP = 200;
/** One proof in so many is verified. */
const CHECK_EVERY = 10;
const LEAVES = 10_000;
const COMMITMENTS = 30;
const TILES_PER_STEP = 256;
const SHARED_BUFFERS = 256 * 1024 ** 2;
const TENANT = '00000000-0000-4000-8000-0000000000aa';
const STORE = '00000000-0000-4000-8000-0000000000bb';
const LOG: LogId = { kind: 'stream', tenantId: TENANT, storeId: STORE };
const MIGRATIONS = fileURLToPath(new URL('../../migrations/postgres', import.meta.url));

const hashNode = createNodeHasher(sha256Into);
const hashing = openRowHashing();

export async function runProofs({ dataDir, events, say }: ProofsOptions): Promise<{
  report: ProofsReport;
  text: string;
}> {
  tuneHeap(); // as the service does
  const directory = join(dataDir, 'proofs');
  const open = () =>
    startEmbeddedPostgres({ dataDir: directory, sharedBuffers: SHARED_BUFFERS, log: () => {} });
  let server = await open();
  let sql = openAsWorkers(server.target);
  try {
    await migrate(sql, MIGRATIONS);
    await fillLog(sql, { tenantId: TENANT, storeId: STORE }, events, say);
    say('proofs: writing tiles');
    const tiles = await writeTiles(openLogs(sql));
    say('proofs: one by one');
    await measureLatencies(sql, events, WARMUP);
    // Our code is compiled, but nothing is left in the server's own memory.
    await sql.end({ timeout: 1 });
    await server.stop();
    server = await open();
    sql = openAsWorkers(server.target);
    const latencies = await measureLatencies(sql, events, REQUESTS);
    say('proofs: commitments');
    const commitments = reportOf(`commitment of ${LEAVES} events`, await measureCommitments(sql, events));
    const report = { events, ...tiles, latencies: [...latencies, commitments] };
    return { report, text: formatProofs(report) };
  } finally {
    await sql.end({ timeout: 1 });
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** As proof workers do. */
const openAsWorkers = (target: DatabaseTarget): Sql =>
  openDatabase(target, { max: PROOF_CONNECTIONS, genericPlans: true });

const openLogs = (sql: Sql): LogService => createLogService({ sql, sha256: sha256Into, hashing });

async function writeTiles(logs: LogService): Promise<{ tiles: number; tiles_per_second: number }> {
  const begin = performance.now();
  let tiles = 0;
  for (let done = false; !done; ) {
    const step = await logs.integrate(LOG, TILES_PER_STEP);
    tiles += step.written;
    done = step.done;
  }
  return { tiles, tiles_per_second: Math.round((tiles * 1000) / (performance.now() - begin)) };
}

/**
 * Requests with nothing in memory, a new service for each, and then with one service for all. The kinds take turns, so that what the
 * server has not read yet and slow phases of the machine fall on all of them alike.
 */
async function measureLatencies(
  sql: Sql,
  events: number,
  requests: number,
): Promise<readonly LatencyReport[]> {
  const random = createRandom(requests);
  const below = (limit: number) => Math.floor(random() * limit);
  const { root: head } = await openLogs(sql).head(LOG);

  const inclusion = async (logs: LogService) => {
    const size = 1 + below(events);
    const leaf = below(size);
    const { leafHash, hashes, root } = await logs.inclusion(LOG, leaf, size);
    return () => verifyInclusion(leafHash, leaf, size, hashes, root, hashNode);
  };
  const inclusionAtHead = async (logs: LogService) => {
    const leaf = below(events);
    const { leafHash, hashes } = await logs.inclusion(LOG, leaf, events);
    return () => verifyInclusion(leafHash, leaf, events, hashes, head, hashNode);
  };
  const consistency = async (logs: LogService) => {
    const to = 1 + below(events);
    const from = below(to);
    const { hashes } = await logs.consistency(LOG, from, to);
    return async () => {
      const [older, newer] = [await logs.recordRoot(LOG, from), await logs.recordRoot(LOG, to)];
      return verifyConsistency(from, older, to, newer, hashes, hashNode);
    };
  };
  const kinds: [name: string, request: Request][] = [
    ['one query: the head of the stream', async () => readVesHead(sql, TENANT, STORE).then(() => () => true)],
    ['inclusion, any leaf at any size', inclusion],
    ['inclusion, any leaf at the head', inclusionAtHead],
    ['consistency between any two sizes', consistency],
  ];
  const reports: LatencyReport[] = [];
  for (const temper of ['cold', 'warm'] as const) {
    const shared = openLogs(sql);
    const latencies = kinds.map(newHistogram);
    for (let i = 0; i < requests; i++)
      for (const [k, [, request]] of kinds.entries()) {
        const logs = temper === 'cold' ? openLogs(sql) : shared;
        const begin = performance.now();
        const holds = await request(logs);
        latencies[k]!.recordValue(Math.round((performance.now() - begin) * 1000));
        if (i % CHECK_EVERY === 0 && !(await holds())) throw new Error('a proof does not hold');
      }
    reports.push(...kinds.map(([name], k) => reportOf(`${name}, ${temper}`, latencies[k]!)));
  }
  return reports;
}

/** Makes one proof; the answer tells whether it holds, outside the measurement. */
type Request = (logs: LogService) => Promise<() => boolean | Promise<boolean>>;

async function measureCommitments(sql: Sql, events: number): Promise<Histogram> {
  const latencies = newHistogram();
  const commitments = createCommitmentService({ sql, sha256: sha256Into, hashing });
  const stream = { tenantId: TENANT, storeId: STORE };
  for (let i = 0; i < COMMITMENTS && (i + 1) * LEAVES <= events; i++) {
    const begin = performance.now();
    await commitments.commitVes(stream, BigInt(i * LEAVES + 1), BigInt((i + 1) * LEAVES));
    latencies.recordValue(Math.round((performance.now() - begin) * 1000));
  }
  return latencies;
}

/** Of microseconds. */
const newHistogram = (): Histogram => build({ lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000 });

const round = (ms: number) => Number(ms.toFixed(2));

const reportOf = (name: string, latencies: Histogram): LatencyReport => ({
  name,
  requests: latencies.totalCount,
  p50_ms: round(latencies.getValueAtPercentile(50) / 1000),
  p99_ms: round(latencies.getValueAtPercentile(99) / 1000),
  max_ms: round(latencies.maxValue / 1000),
});

const formatProofs = (report: ProofsReport): string =>
  `\nProofs at a stream of ${report.events.toLocaleString('en-US')} events; ${report.tiles} tiles written before, ${report.tiles_per_second} tiles/s; ` +
  `cold: a new service for every request, and the database was started anew\n${formatTable(
    ['', 'requests', 'p50 ms', 'p99 ms', 'greatest'],
    report.latencies.map((row) => [row.name, row.requests, row.p50_ms, row.p99_ms, row.max_ms]),
  )}`;

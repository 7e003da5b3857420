/**
 * How fast tiles are served from memory: the real gateway over the loopback interface, beside node:http with the same bytes in
 * the same run. One thread serves; another process asks.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pino from 'pino';
import { createCommitmentService } from '../engine/commitments/index.js';
import { loadConfig } from '../engine/config/index.js';
import { createConsumerGroups, createCursorService } from '../engine/consumers/index.js';
import { generateApiKey, hashApiKey, insertApiKey } from '../engine/keys/api-keys.js';
import { publicKeyFromSeed, signEd25519 } from '../engine/protocol/index.js';
import type { Sql } from '../engine/store/connection.js';
import { startEmbeddedPostgres } from '../engine/store/embedded-postgres.js';
import { migrate } from '../engine/store/migrate.js';
import { createSubscriptionHub } from '../engine/subscriptions/index.js';
import { createLogService } from '../engine/transparency/index.js';
import { createTransparency } from '../engine/transparency/transparency.js';
import { createGateway } from '../gateway/index.js';
import { sha256Into } from '../workers/native-crypto.js';
import { openDatabase } from './database.js';
import { fillLog } from './fill-log.js';
import type { GetPlan, GetReport } from './get-load.js';
import { formatTable } from './table.js';

export interface TilesOptions {
  /** A directory of the bench's own. */
  readonly dataDir: string;
  /** Measured seconds of each row. */
  readonly seconds: number;
  say(line: string): void;
}

/** One kind of request. */
export interface ServingReport {
  readonly name: string;
  readonly requests_per_second: number;
  /** CPU time of the serving process, all threads. */
  readonly cpu_us_per_request: number;
  readonly p50_us: number;
  readonly p99_us: number;
}

const EVENTS = 70_000;
const TILES = 250;
const CONNECTIONS = 16;
const WARMUP_MS = 1_000;
const SHARED_BUFFERS = 128 * 1024 ** 2;
const TENANT = '00000000-0000-4000-8000-0000000000aa';
/** The log of this store is public. */
const STORE = '00000000-0000-4000-8000-0000000000bb';
const MIGRATIONS = fileURLToPath(new URL('../../migrations/postgres', import.meta.url));
const LOAD = fileURLToPath(new URL('./get-load.js', import.meta.url));

export async function runTiles({ dataDir, seconds, say }: TilesOptions): Promise<{
  report: { serving: readonly ServingReport[] };
  text: string;
}> {
  const directory = join(dataDir, 'tiles');
  const server = await startEmbeddedPostgres({
    dataDir: directory,
    sharedBuffers: SHARED_BUFFERS,
    log: () => {},
  });
  const sql = openDatabase(server.target);
  try {
    await migrate(sql, MIGRATIONS);
    await fillLog(sql, { tenantId: TENANT, storeId: STORE }, EVENTS, say);
    const serving = await measure(sql, seconds, say);
    return { report: { serving }, text: formatServing(serving) };
  } finally {
    await sql.end({ timeout: 1 });
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measure(
  sql: Sql,
  seconds: number,
  say: (line: string) => void,
): Promise<readonly ServingReport[]> {
  const key = generateApiKey(TENANT);
  await insertApiKey(sql, hashApiKey(key), {
    ...{ tenantId: TENANT, storeIds: [], agentId: null, rateLimit: null },
    ...{ canRead: true, canWrite: false, canAdmin: false },
  });
  const gateway = openGateway(sql);
  const { port } = await gateway.listen();
  const baseline = await serveStatically(randomBytes(8192));
  const load = fork(LOAD, { serialization: 'advanced' });
  const place = (i: number) => String(i % TILES).padStart(3, '0');
  const head = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${more}\r\n`;
  const heads = (kind: string, more = '') =>
    Array.from({ length: TILES }, (_, i) => head(`/log/${TENANT}/${STORE}/tile/${kind}/${place(i)}`, more));
  const rows: [name: string, plan: Pick<GetPlan, 'port' | 'requests' | 'status'>][] = [
    ['node:http, one buffer of 8192 bytes', { port: baseline.port, requests: [head('/')], status: 200 }],
    ['tiles, public log', { port, requests: heads('0'), status: 200 }],
    ['tiles, API key', { port, requests: heads('0', `x-api-key: ${key}\r\n`), status: 200 }],
    ['entry bundles (38,144 bytes)', { port, requests: heads('entries'), status: 200 }],
  ];
  try {
    const reports: ServingReport[] = [];
    for (const [name, plan] of rows) {
      say(`tiles: ${name}`);
      const run = { connections: CONNECTIONS, warmupMs: WARMUP_MS, measureMs: seconds * 1000, ...plan };
      reports.push({ name, ...(await ask(load, run)) });
    }
    return reports;
  } finally {
    load.disconnect();
    baseline.close();
    await gateway.close();
  }
}

function openGateway(sql: Sql) {
  const seed = new Uint8Array(32).fill(9);
  const publicKey = publicKeyFromSeed(seed);
  const identity = {
    id: '00000000-0000-4000-8000-000000000001',
    keyVersion: 1,
    publicKey,
    signAs: (keyVersion: number, message: Uint8Array) => ({
      keyVersion,
      signature: signEd25519(message, seed),
    }),
    sign: (message: Uint8Array) => signEd25519(message, seed),
    keys: [{ keyVersion: 1, publicKey }],
  };
  const config = loadConfig({
    HOST: '127.0.0.1',
    PORT: '0',
    GRPC_ENABLED: 'false',
    PUBLIC_LOGS: `${TENANT}/${STORE}`,
    PUBLIC_LOG_RATE_LIMIT_PER_MINUTE: '0',
  });
  const logs = createLogService({ sql, sha256: sha256Into });
  return createGateway({
    ...{ config, sql, identity, version: '0.0.0', log: pino({ level: 'silent' }) },
    hub: createSubscriptionHub({ post() {}, onAnswer() {} }),
    cursors: createCursorService({ sql }),
    consumerGroups: createConsumerGroups({ sql }),
    ingest: { inflightBytes: 0, inflightRequests: 0, submit: () => 'stopping' },
    commitments: createCommitmentService({ sql, sha256: sha256Into }),
    transparency: createTransparency({
      ...{ sql, sha256: sha256Into, logs, signer: identity, log: () => {} },
      ...config.transparency,
    }),
    readiness: () => ({ ready: true }),
  });
}

/** The least that node:http can do: no routes, no credentials, one header more than it sends by itself. */
async function serveStatically(body: Uint8Array): Promise<{ port: number; close(): void }> {
  const server = createServer((_, response) => {
    response.writeHead(200, {
      'content-type': 'application/octet-stream',
      'content-length': body.length,
    });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

function ask(load: ChildProcess, plan: GetPlan): Promise<Omit<ServingReport, 'name'>> {
  return new Promise((resolve, reject) => {
    const clocks: number[] = [];
    load.removeAllListeners('message');
    load.on('message', (report: GetReport) => {
      if (report.type === 'failed') return reject(new Error(report.message));
      if (report.type !== 'result') {
        const { user, system } = process.cpuUsage();
        return void clocks.push(user + system);
      }
      const { answers, seconds, p50_us, p99_us } = report;
      resolve({
        requests_per_second: Math.round(answers / seconds),
        cpu_us_per_request: Number(((clocks[1]! - clocks[0]!) / answers).toFixed(1)),
        p50_us,
        p99_us,
      });
    });
    load.send(plan);
  });
}

const formatServing = (rows: readonly ServingReport[]): string =>
  `\nTiles from memory, ${CONNECTIONS} connections, one request at a time on each\n${formatTable(
    ['served', 'requests/s', 'CPU µs/request', 'p50 µs', 'p99 µs'],
    rows.map((row) => [row.name, row.requests_per_second, row.cpu_us_per_request, row.p50_us, row.p99_us]),
  )}`;

/**
 * The service as a whole: database, threads, gateway; started in this order and stopped in the opposite one.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { type Config, configWarnings } from '../engine/config/index.js';
import { connectDatabase, type DatabaseTarget, type Sql } from '../engine/store/connection.js';
import { startEmbeddedPostgres } from '../engine/store/embedded-postgres.js';
import { migrate } from '../engine/store/migrate.js';
import { gatePool } from '../engine/store/pool-gate.js';
import { waitForDatabase } from '../engine/store/wait-for-database.js';
import { createGateway, type GatewayStat } from '../gateway/index.js';
import type { PartitionStats } from '../workers/messages.js';
import { createPipeline } from '../workers/pipeline.js';
import { PROOF_CONNECTIONS } from '../workers/proof-messages.js';
import { TAIL_CONNECTIONS } from '../workers/tail-messages.js';
import { watchAgentKeys } from './agent-key-watch.js';
import { keepAdminKey } from './data-dir.js';
import { openKeyRing } from './key-ring.js';
import { startOperations } from './operations.js';
import { BACKGROUND_CONNECTIONS, startProofs } from './proofs.js';
import { startStreams } from './streams.js';
import { openServiceVault, type ServiceVault } from './vault/service-vault.js';
import { VERSION } from './version.js';

/** Connections for checking credentials. */
const AUTH_CONNECTIONS = 2;
/** Connections of each verify worker (workers/verify.ts). */
const VERIFY_CONNECTIONS = 2;
const MIGRATIONS = fileURLToPath(new URL('../../migrations/postgres', import.meta.url));
const HTTP_GUIDE = fileURLToPath(new URL('../../docs/http.md', import.meta.url));

export interface Service {
  readonly port: number;
  /** Undefined when gRPC is switched off. */
  readonly grpcPort: number | undefined;
  readonly sequencerId: string;
  readonly publicKey: Uint8Array;
  /** Whether the administrator's key was made by the service (and is kept in DATA_DIR). */
  readonly ownAdminKey: boolean;
  /** Reads the files of TLS again. @throws ServiceError CONFIGURATION_INVALID, in which case nothing has changed */
  reloadTls(): void;
  /** Takes no more requests, finishes those under way, ends threads and database. */
  stop(): Promise<void>;
}

/** Something of the service ended that it cannot live without. */
export type FatalHandler = (error: Error) => void;

/** Starts everything; resolves when requests are served. */
export async function startService(given: Config, log: Logger, onFatal: FatalHandler): Promise<Service> {
  for (const warning of configWarnings(given)) log.warn(warning);
  const undo: (() => unknown)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const database = await openDatabase(given, log, onFatal, undo);
    const { session, applicationName, acquireTimeoutMs } = given.database;
    const openPool = (max: number, task = '') => {
      const pool = connectDatabase(database, {
        ...session,
        max,
        applicationName: `${applicationName}${task}`,
      });
      undo.push(() => pool.end({ timeout: 2 }));
      return pool;
    };
    const pool = openPool(given.database.connectionsMax);
    await waitForDatabase(pool, {
      retriesMax: given.database.startupRetriesMax,
      retryDelayMs: given.database.startupRetryDelayMs,
      log: (message) => log.info(message),
    });
    if (given.database.migrateOnStartup) {
      const { applied } = await migrate(pool, MIGRATIONS);
      if (applied.length > 0) log.info({ applied }, 'database schema brought up to date');
    }

    const { dataDir } = given.database;
    const ownAdminKey = given.auth.bootstrapAdminApiKey === undefined && given.auth.mode === 'required';
    const config: Config = ownAdminKey
      ? { ...given, auth: { ...given.auth, bootstrapAdminApiKey: keepAdminKey(dataDir) } }
      : given;
    const instanceId = randomUUID();
    const operations = await startOperations({ config, pool, version: VERSION, instanceId });
    undo.push(() => operations.stop());
    const { sql, breakers } = operations;
    const identity = await openKeyRing(config, sql);
    const vault = await openServiceVault(sql, config.encryption, log);
    vault.attach(sql);

    const backgroundSql = openPool(BACKGROUND_CONNECTIONS, ' background');
    const partitions = new Map<number, PartitionStats>();
    let gateway: ReturnType<typeof createGateway> | undefined;
    const pipeline = await createPipeline(
      { config, database, identity: identity.worker, instanceId },
      {
        onStats(partition, stats) {
          partitions.set(partition, stats);
          for (const group of stats.recent) gateway?.metrics.observeGroup(group);
        },
        onVerifyStats: (stats, worker) => gateway?.metrics.observeVerify(stats, worker),
        onLog: (level, message, details) => log[level](details, message),
        onFatal,
      },
    );
    undo.push(() => pipeline.close());
    const watch = watchAgentKeys(sql, pipeline.broadcast, (error) =>
      log.warn({ err: error }, 'cannot listen for changed agent keys'),
    );
    undo.push(() => watch.close());

    const streams = await startStreams({ config, database, sql, instanceId, pipeline, log, onFatal });
    undo.push(() => streams.stop());

    const proofs = startProofs({
      config,
      database,
      sql: backgroundSql,
      identity: identity.gateway,
      breakers,
      log,
      measured: operations.measured,
    });
    undo.push(() => proofs.stop());
    const serving = createGateway({
      config,
      httpGuide: () => (existsSync(HTTP_GUIDE) ? readFileSync(HTTP_GUIDE, 'utf8') : ''),
      sql,
      // Reads may be slow and many; credentials must be known before anything else happens.
      authSql: gatePool(openPool(AUTH_CONNECTIONS, ' auth'), {
        connectionsMax: AUTH_CONNECTIONS,
        acquireTimeoutMs,
      }).sql,
      ingest: pipeline,
      ...streams,
      ...openReplica(config, undo, vault),
      operations: {
        ...operations,
        leaderships: () => [{ name: 'proofs', leader: proofs.leads() }],
      },
      commitments: operations.commitmentsOf(proofs.commitments),
      transparency: proofs.transparency,
      identity: identity.gateway,
      log,
      version: VERSION,
      readiness: () => ({ ready: true }),
      collectStats: () => [...partitionStats([...partitions.values()]), ...streams.lag.collectStats()],
    });
    gateway = serving;
    operations.measureWith(serving.metrics);
    undo.push(() => serving.close());
    const { port, grpcPort } = await serving.listen();
    undo.push(() => serving.drain());
    const { id, publicKey } = identity.gateway;
    return { port, grpcPort, sequencerId: id, publicKey, ownAdminKey, reloadTls: serving.reloadTls, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The pool for reads that may be behind, if there is a replica. */
function openReplica({ database }: Config, undo: (() => unknown)[], vault: ServiceVault): { readSql?: Sql } {
  const { replica } = database;
  if (replica === undefined) return {};
  const { url, connectionsMax: max, applicationName, session } = replica;
  const pool = connectDatabase({ url }, { ...session, max, applicationName });
  undo.push(() => pool.end({ timeout: 2 }));
  const readSql = gatePool(pool, replica).sql;
  vault.attach(readSql);
  return { readSql };
}

async function openDatabase(
  config: Config,
  log: Logger,
  onFatal: FatalHandler,
  undo: (() => unknown)[],
): Promise<DatabaseTarget> {
  if (config.database.url !== undefined) return { url: config.database.url };
  const server = await startEmbeddedPostgres({
    dataDir: config.database.dataDir,
    sharedBuffers: config.database.sharedBuffers,
    connectionsMax: connectionsNeeded(config),
    log: (message) => log.info(message),
    onUnexpectedExit: (reason) => onFatal(new Error(`the embedded PostgreSQL server ended: ${reason}`)),
  });
  undo.push(() => server.stop());
  return server.target;
}

/** Everything this process may open at once, with room for an operator's psql and for Postgres' own reserve. */
function connectionsNeeded({ database, sequencer, transparency }: Config): number {
  const listeners = 3;
  const spare = 15;
  const threads = sequencer.partitions + VERIFY_CONNECTIONS * sequencer.verifyThreads;
  const proofs = PROOF_CONNECTIONS * transparency.threads + BACKGROUND_CONNECTIONS + 1;
  return database.connectionsMax + AUTH_CONNECTIONS + TAIL_CONNECTIONS + listeners + threads + proofs + spare;
}

/** Sums over the partitions, under the names of `/metrics`. */
function partitionStats(all: readonly PartitionStats[]): GatewayStat[] {
  const head = Math.max(0, ...all.map((stats) => stats.head));
  const sum = { groups: 0, failures: 0, fenced: 0, queuedEvents: 0, cpuMicros: 0 };
  for (const stats of all)
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += stats[name];
  return [
    { name: 'groups_committed', help: 'Group commits since the start', value: sum.groups },
    {
      name: 'group_failures',
      help: 'Transactions that were refused, unavailable or lost',
      value: sum.failures,
    },
    {
      name: 'partition_fenced',
      help: 'Groups that found another owner of their partition',
      value: sum.fenced,
    },
    { name: 'sequence_head', help: 'Largest head of a stream that this process has answered', value: head },
    { name: 'head_sequence', help: 'Largest head of a stream that this process has answered', value: head },
    { name: 'partition_queued_events', help: 'Events waiting for a group', value: sum.queuedEvents },
    { name: 'partition_cpu_seconds', help: 'CPU time of the partition threads', value: sum.cpuMicros / 1e6 },
  ];
}

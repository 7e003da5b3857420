/** Which database a command reads, and how it gets there. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '../engine/config/index.js';
import { ServiceError } from '../engine/errors/index.js';
import { connectDatabase, type DatabaseTarget } from '../engine/store/connection.js';
import { startEmbeddedPostgres } from '../engine/store/embedded-postgres.js';
import { clusterPath, EMBEDDED_DATABASE, EMBEDDED_USER } from '../engine/store/embedded-postgres-cluster.js';
import { pendingMigrations } from '../engine/store/migrate.js';
import { waitForDatabase } from '../engine/store/wait-for-database.js';

export const MIGRATIONS = fileURLToPath(new URL('../../migrations/postgres', import.meta.url));
/** Connections of `fsck` besides its threads', with room for an operator's. */
const CONNECTIONS = 10;

export interface OpenedDatabase {
  readonly target: DatabaseTarget;
  /** Whether somebody else runs the server and may need most of its connections. */
  readonly shared: boolean;
  close(): Promise<void>;
}

/**
 * Opens the database: the URL if there is one, else the embedded server of the data directory, which is joined when a service runs
 * it and started when nobody does. Makes sure that the schema is the one this version knows.
 *
 * @param threads connections that will be needed, at most
 * @throws ServiceError when there is no database, or not one that can be checked
 */
export async function openFsckDatabase(
  { database }: Config,
  given: { readonly databaseUrl?: string; readonly dataDir?: string },
  threads: number,
  say: (message: string) => void,
): Promise<OpenedDatabase> {
  const joined = 'checking its database while it runs';
  const opened = await openNamedDatabase({ database }, given, threads, (dataDir) =>
    say(`a service is running on ${dataDir}: ${joined}`),
  );
  try {
    await requireKnownSchema(opened.target);
    return opened;
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/**
 * The same without a look at the schema.
 *
 * @param onJoined called when a service runs on the data directory
 * @throws ServiceError when there is no database
 */
export async function openNamedDatabase(
  { database }: Pick<Config, 'database'>,
  given: { readonly databaseUrl?: string; readonly dataDir?: string },
  threads: number,
  onJoined: (dataDir: string) => void,
): Promise<OpenedDatabase> {
  const url = given.databaseUrl ?? (given.dataDir === undefined ? database.url : undefined);
  return url === undefined
    ? openDataDir(resolve(given.dataDir ?? database.dataDir), database.sharedBuffers, threads, onJoined)
    : { target: { url }, shared: true, close: async () => {} };
}

async function openDataDir(
  dataDir: string,
  sharedBuffers: number,
  threads: number,
  onJoined: (dataDir: string) => void,
): Promise<OpenedDatabase> {
  if (!existsSync(clusterPath(dataDir)))
    throw new ServiceError(
      'CONFIGURATION_INVALID',
      `There is no database in ${dataDir}: name the data directory with --data-dir, or the database with --database-url.`,
    );
  try {
    const server = await startEmbeddedPostgres({
      dataDir,
      sharedBuffers,
      connectionsMax: threads + CONNECTIONS,
      log: () => {},
    });
    return { target: server.target, shared: false, close: () => server.stop() };
  } catch (error) {
    if (!(error instanceof ServiceError) || error.code !== 'DATA_DIRECTORY_IN_USE') throw error;
    onJoined(dataDir);
    return { target: runningServer(dataDir, error), shared: true, close: async () => {} };
  }
}

/** Lines of `postmaster.pid`, counted from 0. */
const LINE_PORT = 3;
const LINE_SOCKET_DIR = 4;
const LINE_STATUS = 7;

/** The server that another process has started in a data directory. */
function runningServer(dataDir: string, inUse: ServiceError): DatabaseTarget {
  const lines = readLines(join(clusterPath(dataDir), 'postmaster.pid'));
  const socketDir = lines[LINE_SOCKET_DIR]?.trim();
  if (!socketDir || lines[LINE_STATUS]?.trim() !== 'ready')
    throw new ServiceError(
      'DATA_DIRECTORY_IN_USE',
      `${inUse.message} Its database does not take connections (yet): try again in a moment, or stop that process.`,
      { cause: inUse },
    );
  return { socketDir, port: Number(lines[LINE_PORT]), user: EMBEDDED_USER, database: EMBEDDED_DATABASE };
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return []; // it is being started or stopped
  }
}

/** Refuses a database that is newer than this version, or that still needs migrations. */
export async function requireKnownSchema(target: DatabaseTarget): Promise<void> {
  const sql = connectDatabase(target, { max: 1, applicationName: 'stateset-sequencer fsck' });
  try {
    await waitForDatabase(sql, { retriesMax: 0, retryDelayMs: 0, log: () => {} });
    const pending = await pendingMigrations(sql, MIGRATIONS);
    if (pending.length > 0)
      throw new ServiceError(
        'MIGRATION_FAILED',
        `The database is older than this version: it lacks ${pending.join(', ')}. Start the service once to bring it up to date, or check it with the version that wrote it.`,
      );
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** The service under load: one of its own that is started for the run, or one that is there. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { findServer, openDatabase, readSettings } from '../bench/database.js';
import type { Sql } from '../engine/store/connection.js';
import { findFreePort, startServiceProcess } from './service-process.js';

export interface TargetOptions {
  /** Base URL of a service that is there; unset: one is started. */
  readonly url: string | undefined;
  /** Of the service that is there; an administrator's, because agents' keys have to be registered. */
  readonly apiKey: string | undefined;
  /** Where the service that is there serves gRPC; unset: the port after that of HTTP. */
  readonly grpcPort: number | undefined;
  /** Where the service that is started keeps its data; removed afterwards. */
  readonly dataDir: string;
  /** Its settings. */
  readonly env: Readonly<Record<string, string>>;
}

export interface Target {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly grpcPort: number;
  readonly apiKey: string;
  /** What is known of a service of our own. */
  readonly local: LocalTarget | undefined;
  close(): Promise<void>;
}

export interface LocalTarget {
  readonly servicePid: number;
  readonly postgresPid: number;
  readonly sql: Sql;
  /** The database's settings that matter. */
  readonly database: Readonly<Record<string, string>>;
}

const ADMIN_KEY = 'loadtest-administrator-key-0123456789abcdef';
/** All connections are of one client, which is more than the service would take from one. */
const ENV = { LOG_LEVEL: 'warn', WS_CONNECTIONS_MAX: '100000', WS_TENANT_CONNECTIONS_MAX: '100000' };

/** @throws Error when the service cannot be started or reached, or its commits would not be durable */
export async function openTarget(options: TargetOptions): Promise<Target> {
  return options.url === undefined ? startOwn(options) : openRemote(options.url, options);
}

async function startOwn({ dataDir, env }: TargetOptions): Promise<Target> {
  const directory = join(dataDir, 'service');
  const port = await findFreePort();
  const grpcPort = await findFreePort();
  const service = await startServiceProcess({
    ...{ port, dataDir: directory, adminKey: ADMIN_KEY },
    logFile: join(dataDir, 'service.log'),
    env: { ...ENV, GRPC_PORT: String(grpcPort), ...env },
  });
  const server = findServer(directory);
  const sql = openDatabase(server.target);
  const close = async () => {
    await sql.end({ timeout: 1 });
    await service.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const database = await readSettings(sql);
    return {
      ...{ url: service.url, host: '127.0.0.1', port, grpcPort, apiKey: ADMIN_KEY, close },
      local: { servicePid: service.pid, postgresPid: server.pid, sql, database },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openRemote(url: string, { apiKey, grpcPort }: TargetOptions): Promise<Target> {
  if (apiKey === undefined) throw new Error('--url needs --api-key, an administrator’s');
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== 'http:') throw new Error(`the load generator speaks plain HTTP only, not ${protocol}`);
  const number = Number(port || 80);
  const response = await fetch(new URL('/ready', url)).catch((error: Error) => {
    throw new Error(`${url} cannot be reached: ${error.message}`);
  });
  await response.arrayBuffer();
  if (response.status !== 200) throw new Error(`${url}/ready answers ${response.status}`);
  const base = url.replace(/\/$/, '');
  return {
    ...{ url: base, host: hostname, port: number, grpcPort: grpcPort ?? number + 1, apiKey },
    local: undefined,
    close: async () => {},
  };
}

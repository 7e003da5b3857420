/** The embedded server of a running service, seen from outside. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ConnectOptions,
  connectDatabase,
  type DatabaseTarget,
  type Sql,
} from '../engine/store/connection.js';
import { clusterPath, EMBEDDED_DATABASE, EMBEDDED_USER } from '../engine/store/embedded-postgres-cluster.js';

/** Lines of `postmaster.pid`, counted from 0. */
const LINE_PID = 0;
const LINE_PORT = 3;
const LINE_SOCKET_DIR = 4;

/** Where the server of a data directory listens, and its process id. */
export function findServer(dataDir: string): { target: DatabaseTarget; pid: number } {
  const lines = readFileSync(join(clusterPath(dataDir), 'postmaster.pid'), 'utf8').split('\n');
  return {
    pid: Number(lines[LINE_PID]),
    target: {
      socketDir: lines[LINE_SOCKET_DIR]!,
      port: Number(lines[LINE_PORT]),
      user: EMBEDDED_USER,
      database: EMBEDDED_DATABASE,
    },
  };
}

const SETTINGS = [
  'server_version',
  'fsync',
  'synchronous_commit',
  'full_page_writes',
  'shared_buffers',
  'max_wal_size',
  'checkpoint_timeout',
] as const;
export type DatabaseSettings = Readonly<Record<(typeof SETTINGS)[number], string>>;

/** The settings that matter. @throws Error when commits would not be durable: such a measurement is worth nothing */
export async function readSettings(sql: Sql): Promise<DatabaseSettings> {
  const rows = await sql<{ name: string; setting: string }[]>`
    select name, current_setting(name) as setting from pg_settings where name = any(${[...SETTINGS]}::text[])`;
  const settings = Object.fromEntries(rows.map(({ name, setting }) => [name, setting])) as DatabaseSettings;
  for (const name of ['fsync', 'synchronous_commit', 'full_page_writes'] as const)
    if (settings[name] !== 'on')
      throw new Error(`${name} is ${settings[name]}: the bench measures durable commits only`);
  return settings;
}

export const openDatabase = (target: DatabaseTarget, options?: Partial<ConnectOptions>): Sql =>
  connectDatabase(target, { max: 2, applicationName: 'bench', ...options });

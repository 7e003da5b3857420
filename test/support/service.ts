import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import type { DatabaseTarget } from '../../engine/store/connection.js';
import { createTestDatabase } from './database.js';

export interface ServiceOptions {
  /** Added to the environment; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Unset: a fresh database of this test run. `embedded`: the server the service starts itself, in its DATA_DIR. */
  readonly database?: DatabaseTarget | 'embedded';
  /** Unset: a fresh directory below the run's. */
  readonly dataDir?: string;
}

/** The service as users run it: a process of its own, reached over HTTP. */
export interface TestService {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  readonly adminKey: string;
  readonly pid: number;
  readonly database: DatabaseTarget | 'embedded';
  readonly dataDir: string;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL; resolves when the process is gone. */
  kill9(): Promise<void>;
  /** Any signal, without waiting. */
  signal(name: NodeJS.Signals): void;
  /** Exit code, `null` after a signal; resolves when the process is gone. */
  readonly exited: Promise<number | null>;
  /** Everything the process wrote so far. */
  logs(): string;
  /** Resident memory in bytes, 0 when the process is gone. */
  residentBytes(): number;
  /** A new process with the same database, directory and environment. Further variables can be given. */
  restart(env?: ServiceOptions['env']): Promise<TestService>;
}

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const READY_TIMEOUT_MS = 30_000;
const LOG_UNITS_MAX = 1 << 20;

const running = new Set<ChildProcess>();
const undo: (() => Promise<unknown>)[] = [];

// Importing this file is enough: whatever a test leaves running ends with its file, however the test ended.
afterAll(async () => {
  await Promise.all([...running].map(kill));
  for (const step of undo.splice(0).reverse()) await step();
});
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts the compiled service (`dist`) and waits until it answers. */
export async function startTestService(options: ServiceOptions = {}): Promise<TestService> {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: run npm run build`);
  const database = options.database ?? (await freshDatabase());
  const dataDir = options.dataDir ?? join(mkdtempSync(join(tmpdir(), 'service-')), 'data');
  const env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    TMPDIR: process.env.TMPDIR,
    HOST: '127.0.0.1',
    PORT: '0',
    LOG_FORMAT: 'json',
    DATA_DIR: dataDir,
    ...(database === 'embedded' ? {} : { DATABASE_URL: urlOf(database) }),
    ...options.env,
  };
  const child = spawn(process.execPath, [MAIN, 'serve'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let logs = '';
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => {
      running.delete(child);
      resolve(code);
    });
  });

  const port = await new Promise<number>((resolve, reject) => {
    const timer = setTimeout(() => reject(notReady('is not ready in time')), READY_TIMEOUT_MS);
    const notReady = (what: string) => new Error(`the service ${what}:\n${logs}`);
    let unread = '';
    const read = (chunk: Buffer) => {
      const text = chunk.toString();
      logs = (logs + text).slice(-LOG_UNITS_MAX);
      unread += text;
      const lines = unread.split('\n');
      unread = lines.pop()!;
      const ready = lines.find((line) => line.includes('"msg":"ready"'));
      if (ready === undefined) return;
      clearTimeout(timer);
      resolve(JSON.parse(ready).port);
    };
    child.stdout!.on('data', read);
    child.stderr!.on('data', read);
    void exited.then((code) => {
      clearTimeout(timer);
      reject(notReady(`ended with code ${code}`));
    });
  }).catch(async (error) => {
    await kill(child);
    throw error;
  });

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    adminKey: env.BOOTSTRAP_ADMIN_API_KEY ?? readFileSync(join(dataDir, 'admin.key'), 'utf8').trim(),
    pid: child.pid!,
    database,
    dataDir,
    exited,
    stop() {
      child.kill('SIGTERM');
      return exited;
    },
    kill9: () => kill(child),
    signal: (name) => void child.kill(name),
    logs: () => logs,
    residentBytes: () => residentBytes(child.pid!),
    restart: (more) => startTestService({ database, dataDir, env: { ...options.env, ...more } }),
  };
}

async function freshDatabase(): Promise<DatabaseTarget> {
  const database = await createTestDatabase();
  undo.push(database.drop);
  return database.target;
}

/** A target as the value of DATABASE_URL. */
export const urlOf = (target: DatabaseTarget): string =>
  'url' in target
    ? target.url
    : `postgres://${target.user}@/${target.database}?host=${encodeURIComponent(target.socketDir)}&port=${target.port}`;

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

function residentBytes(pid: number): number {
  try {
    const [, pages] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ');
    return Number(pages) * 4096;
  } catch {
    return 0;
  }
}

import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import type { DatabaseTarget } from '../../engine/store/connection.js';
import { startEmbeddedPostgres } from '../../engine/store/embedded-postgres.js';
import { buildWasm } from '../../scripts/build-wasm.mjs';
import { patchDriver } from '../../scripts/patch-driver.mjs';
import { isAlive } from './processes.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The database server of this test run, as superuser. */
    postgresServer: DatabaseTarget;
  }
}

const MIB = 1024 ** 2;
const QUIT_TIMEOUT_MS = 5000;

/**
 * One PostgreSQL server for the whole run, and one directory for all temporary files of all tests. Both are gone
 * afterwards, whatever happens: when the run is interrupted, tests have no chance to tidy up themselves.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  patchDriver();
  await buildWasm(); // the sources under test load the compiled engine from beside them
  const directory = mkdtempSync(join(tmpdir(), 'sseq-test-'));
  chmodSync(directory, 0o711); // root's tests run servers of other users below it
  process.env.TMPDIR = directory; // the test processes inherit it

  const onExit = () => {
    endServersBelow(directory);
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  // The runner's own handlers for SIGINT and SIGTERM end the process without waiting for the teardown below.
  process.once('exit', onExit);

  const server = await startEmbeddedPostgres({
    dataDir: join(directory, 'server'),
    sharedBuffers: 128 * MIB,
    walSizeMax: 512 * MIB,
    connectionsMax: 200,
    log: () => {},
  });
  project.provide('postgresServer', server.target);

  return async () => {
    await server.stop();
    process.removeListener('exit', onExit);
    onExit();
  };
}

/** In an exit handler nothing asynchronous happens any more: ask for the immediate shutdown and wait on the spot. */
function endServersBelow(directory: string): void {
  const pids = findServers(directory).filter((pid) => pid > 1 && pid !== process.pid && isAlive(pid));
  const deadline = Date.now() + QUIT_TIMEOUT_MS;
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (const pid of pids) signal(pid, 'SIGQUIT');
  while (pids.some(isAlive) && Date.now() < deadline) Atomics.wait(pause, 0, 0, 20);
  for (const pid of pids.filter(isAlive)) signal(pid, 'SIGKILL');
}

/** Servers write their process id into their cluster; clusters lie at most four levels below the run's directory. */
function findServers(directory: string, depth = 0): number[] {
  const pidFile = join(directory, 'postmaster.pid');
  if (existsSync(pidFile)) return [Number.parseInt(readFileSync(pidFile, 'utf8'), 10)];
  if (depth === 4) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => findServers(join(directory, entry.name), depth + 1));
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it has ended already
  }
}

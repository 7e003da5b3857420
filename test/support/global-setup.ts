import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import type { DatabaseTarget } from '../../engine/store/connection.js';
import { startEmbeddedPostgres } from '../../engine/store/embedded-postgres.js';
import { isAlive } from './processes.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The database server of this test run, as superuser. */
    postgresServer: DatabaseTarget;
  }
}

const MIB = 1024 ** 2;
const QUIT_TIMEOUT_MS = 5000;

/** One PostgreSQL server for the whole run, in a temporary directory that is gone afterwards, whatever happens. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = mkdtempSync(join(tmpdir(), 'sseq-test-'));
  const remove = () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  let pid: number | undefined;
  const onExit = () => {
    if (pid !== undefined) endNow(pid);
    remove();
  };
  // The runner's own handlers for SIGINT and SIGTERM end the process without waiting for the teardown below.
  process.once('exit', onExit);

  const server = await startEmbeddedPostgres({
    dataDir: directory,
    sharedBuffers: 128 * MIB,
    walSizeMax: 512 * MIB,
    connectionsMax: 200,
    log: () => {},
  });
  pid = server.pid;
  project.provide('postgresServer', server.target);

  return async () => {
    await server.stop();
    pid = undefined;
    process.removeListener('exit', onExit);
    remove();
  };
}

/** In an exit handler nothing asynchronous happens any more: ask for the immediate shutdown and wait on the spot. */
function endNow(pid: number): void {
  const deadline = Date.now() + QUIT_TIMEOUT_MS;
  const pause = new Int32Array(new SharedArrayBuffer(4));
  try {
    process.kill(pid, 'SIGQUIT');
    while (isAlive(pid) && Date.now() < deadline) Atomics.wait(pause, 0, 0, 20);
    if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended already
  }
}

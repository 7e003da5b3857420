/** A real service as a child process: started, awaited, killed, started again on the same data. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const SERVE = fileURLToPath(new URL('../cli/main.js', import.meta.url));
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 40_000;
const POLL_MS = 50;
const PROBE_TIMEOUT_MS = 2_000;

export interface ServiceProcessOptions {
  readonly port: number;
  readonly dataDir: string;
  /** The administrator's API key to configure. */
  readonly adminKey: string;
  /** Standard output and error go here. */
  readonly logFile: string;
  /** Further environment variables, such as `VERIFY_THREADS`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Options for node itself, such as `--cpu-prof`. */
  readonly nodeOptions?: readonly string[];
}

export interface ServiceProcess {
  readonly url: string;
  readonly pid: number;
  /** Resolves with the reason when the process has ended, however it ended. */
  readonly ended: Promise<string>;
  /** SIGTERM and a wait; after a long wait SIGKILL. */
  stop(): Promise<void>;
}

/** Starts `serve` and resolves when it is ready. @throws Error naming the log when it does not get there */
export async function startServiceProcess(options: ServiceProcessOptions): Promise<ServiceProcess> {
  const url = `http://127.0.0.1:${options.port}`;
  const child = spawnServe(options);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ? `signal ${signal}` : `exit code ${code}`));
  });
  let reason: string | undefined;
  void ended.then((why) => {
    reason = why;
  });
  // A parent that is gone must not leave its service behind.
  const abandon = () => child.kill('SIGTERM');
  process.once('exit', abandon);
  void ended.then(() => process.removeListener('exit', abandon));

  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await isReady(url))) {
    if (reason !== undefined || performance.now() > deadline) {
      child.kill('SIGTERM');
      throw new Error(`the service did not start (${reason ?? 'no answer'}); its log is ${options.logFile}`);
    }
    await sleep(POLL_MS);
  }
  return {
    url,
    pid: child.pid!,
    ended,
    async stop() {
      child.kill('SIGTERM');
      const late = sleep(STOP_TIMEOUT_MS, undefined, { ref: false }).then(() => child.kill('SIGKILL'));
      await Promise.race([ended, late]);
      await ended;
    },
  };
}

function spawnServe(options: ServiceProcessOptions): ChildProcess {
  const log = openSync(options.logFile, 'a');
  try {
    return spawn(process.execPath, [...(options.nodeOptions ?? []), SERVE, 'serve'], {
      env: {
        ...process.env,
        HOST: '127.0.0.1',
        PORT: String(options.port),
        DATA_DIR: options.dataDir,
        DATABASE_URL: '',
        BOOTSTRAP_ADMIN_API_KEY: options.adminKey,
        ...options.env,
      },
      stdio: ['ignore', log, log],
      // Ctrl-C in a terminal goes to the whole group; the parent decides when its service ends.
      detached: true,
    });
  } finally {
    closeSync(log);
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}

/** Below the ports that systems give to outgoing connections. */
const PORT_MIN = 20_000;
const PORT_MAX = 32_000;
const PORT_TRIES = 50;

/**
 * A port of the loopback address that was free a moment ago, and that no client will be given: one that tries to reach a service that
 * is down, from the service's very port, connects with itself and keeps the port from the service.
 */
export async function findFreePort(): Promise<number> {
  for (let attempt = 0; attempt < PORT_TRIES; attempt++) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port was found between ${PORT_MIN} and ${PORT_MAX}`);
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

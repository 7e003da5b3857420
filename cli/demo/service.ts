/** The service the demo talks to: one that runs already, or one of its own. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort, type ServiceProcess, startServiceProcess } from '../../loadtest/service-process.js';
import { ADMIN_KEY_FILE } from '../data-dir.js';

export const DEFAULT_URL = 'http://localhost:8080';
const SERVICE_NAME = 'stateset-sequencer';
const PROBE_TIMEOUT_MS = 2_000;
const NO_TENANT = '00000000-0000-4000-8000-000000000000';

export interface DemoService {
  readonly url: string;
  readonly apiKey: string;
  /** Of an own service. */
  readonly grpcAddress: string;
  /** Whether the demo started it, and so may kill it. */
  readonly own: boolean;
  /** Where an own service keeps its data. */
  readonly dataDir: string | undefined;
  /** Kills an own service without warning; it comes back on the same data. */
  crash(): void;
  /** Stops an own service; its data stay until `close`. */
  stop(): Promise<void>;
  /** Stops an own service and removes its data. */
  close(): Promise<void>;
}

export interface ServiceWish {
  /** Undefined: {@link DEFAULT_URL} if a service with a known key answers there, else an own one. */
  readonly url: string | undefined;
  /** Undefined: BOOTSTRAP_ADMIN_API_KEY, else the key file in DATA_DIR. */
  readonly apiKey: string | undefined;
  /** Start an own service in any case. */
  readonly own: boolean;
  say(line: string): void;
}

/** @throws Error when a service was asked for that cannot be used */
export async function findOrStartService(wish: ServiceWish): Promise<DemoService> {
  const url = wish.url ?? DEFAULT_URL;
  if (!wish.own) {
    const running = await answersAt(url);
    if (running) {
      const apiKey = wish.apiKey ?? knownKey();
      const problem = apiKey === undefined ? 'no key is known for it' : await keyProblem(url, apiKey);
      if (problem === undefined) {
        wish.say(`using the service that runs at ${url}`);
        const nothing = async () => {};
        return {
          url,
          apiKey: apiKey!,
          grpcAddress: '',
          own: false,
          dataDir: undefined,
          crash() {},
          stop: nothing,
          close: nothing,
        };
      }
      const advice = 'give an administrator’s key with --key or BOOTSTRAP_ADMIN_API_KEY';
      if (wish.url !== undefined)
        throw new Error(`the service at ${url} cannot be used: ${problem}; ${advice}`);
      wish.say(`a service runs at ${url}, but ${problem}; starting another one`);
    } else if (wish.url !== undefined) throw new Error(`no service answers at ${url}`);
  }
  return startOwn(wish.say);
}

async function answersAt(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    return ((await response.json()) as { service?: string }).service === SERVICE_NAME;
  } catch {
    return false;
  }
}

function knownKey(): string | undefined {
  if (process.env.BOOTSTRAP_ADMIN_API_KEY) return process.env.BOOTSTRAP_ADMIN_API_KEY;
  try {
    return readFileSync(join(process.env.DATA_DIR || './data', ADMIN_KEY_FILE), 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Why the key does not do, or undefined. The demo needs a tenant of its own, which only the administrator may choose. */
async function keyProblem(url: string, apiKey: string): Promise<string | undefined> {
  const stream = `tenant_id=${NO_TENANT}&store_id=${NO_TENANT}`;
  const response = await fetch(`${url}/api/v1/ves/head?${stream}`, {
    headers: { 'x-api-key': apiKey },
    signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
  });
  await response.arrayBuffer();
  if (response.status === 200) return undefined;
  return response.status === 503
    ? 'it is not ready'
    : `it does not accept the key (status ${response.status})`;
}

async function startOwn(say: (line: string) => void): Promise<DemoService> {
  const dataDir = mkdtempSync(join(tmpdir(), 'sseq-demo-'));
  const apiKey = `ss_${randomBytes(32).toString('base64url')}`;
  const port = await findFreePort();
  const grpcPort = await findFreePort();
  const options = {
    port,
    dataDir,
    adminKey: apiKey,
    logFile: join(dataDir, 'service.log'),
    env: { GRPC_PORT: String(grpcPort) },
  };
  let closing = false;
  let running: ServiceProcess;
  let again: Promise<void> = Promise.resolve();

  const watch = (service: ServiceProcess) => {
    running = service;
    void service.ended.then((reason) => {
      if (closing) return;
      say(`the service ended (${reason}); starting it again on the same data`);
      again = startServiceProcess(options).then(watch, (error: Error) => say(error.message));
    });
  };
  try {
    const startedAt = performance.now();
    watch(await startServiceProcess(options));
    say(`started a service of its own in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  } catch (error) {
    const log = readFileSync(options.logFile, 'utf8').trim().split('\n').slice(-10).join('\n');
    rmSync(dataDir, { recursive: true, force: true });
    throw new Error(`${(error as Error).message}:\n${log}`);
  }
  const stop = async () => {
    if (closing) return;
    closing = true;
    await again;
    await running.stop();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    grpcAddress: `127.0.0.1:${grpcPort}`,
    apiKey,
    own: true,
    dataDir,
    crash: () => process.kill(running.pid, 'SIGKILL'),
    stop,
    async close() {
      await stop();
      rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

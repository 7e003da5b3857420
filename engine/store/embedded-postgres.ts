/**
 * A real PostgreSQL server, from npm, as part of the service: no installation, no port, no password. Only processes of
 * the same user can reach it, through a Unix socket in a private directory.
 *
 * Life: lock the data directory -> end a server that an earlier, killed service left behind -> make the cluster if there
 * is none -> start and wait until it takes connections -> `stop()` ends it in an orderly way. A server or a machine that
 * dies at any moment loses nothing acknowledged: the next start recovers from the write-ahead log.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chownSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServiceError } from '../errors/index.js';
import type { DatabaseTarget } from './connection.js';
import { findBinaries, type PostgresBinaries } from './embedded-postgres-binaries.js';
import {
  accessDirectory,
  clusterOwner,
  clusterPath,
  EMBEDDED_DATABASE,
  EMBEDDED_USER,
  ensureCluster,
  ensurePrivateDirectory,
  stdioFor,
} from './embedded-postgres-cluster.js';
import { lockDataDirectory } from './embedded-postgres-lock.js';
import { endServer, isServerOf } from './embedded-postgres-processes.js';
import { type ServerSettings, settingArguments } from './embedded-postgres-settings.js';
import { canWriteDirectory, chooseServerUser, type ServerUser } from './embedded-postgres-user.js';

export type EmbeddedPostgresOptions = ServerSettings & {
  /** The service's data directory; the cluster lies in `<dataDir>/postgres`, its log in `<dataDir>/postgres.log`. */
  readonly dataDir: string;
  /** Told what happens, in sentences. */
  readonly log: (message: string) => void;
  /** The server ended although nobody asked it to; the reason is a signal or an exit code. */
  readonly onUnexpectedExit?: (reason: string) => void;
  /** How long the start may take; recovery after a crash is part of it. Unset: 2 minutes. */
  readonly startTimeoutMs?: number;
  /** How long `stop()` waits for the orderly end before it uses force. Unset: 15 s. */
  readonly stopTimeoutMs?: number;
};

export type EmbeddedPostgres = {
  readonly target: DatabaseTarget;
  /** Process id of the server. */
  readonly pid: number;
  /** Ends the server, removes its socket and gives the data directory back. Safe to call more than once. */
  stop(): Promise<void>;
};

const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 15_000;
const ORPHAN_TIMEOUT_MS = 30_000;
const POLL_MS = 5;
const LINGER_TIMEOUT_MS = 15_000;
const LINGER_POLL_MS = 200;
const LOG_BYTES_MAX = 16 * 1024 * 1024;
const SOCKET_PORT = 5432;
const SOCKET_PREFIX = 'sseq-';
/** Longest path of a Unix socket: 104 bytes on macOS with the final zero, 108 on Linux. */
const SOCKET_PATH_MAX = 103;

/**
 * Starts the server.
 *
 * @throws ServiceError DATA_DIRECTORY_IN_USE, DATABASE_START_FAILED
 */
export const startEmbeddedPostgres = async (options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> => {
  const dataDir = resolve(options.dataDir);
  ensurePrivateDirectory(dataDir);
  const unlock = lockDataDirectory(dataDir);
  try {
    const user = chooseServerUser(clusterOwner(dataDir));
    const binaries = findBinaries(user);
    await endOrphan(clusterPath(dataDir), options.log);
    ensureCluster(dataDir, user, binaries);
    for (const deadline = performance.now() + LINGER_TIMEOUT_MS; ; await sleep(LINGER_POLL_MS)) {
      try {
        return await launch(dataDir, user, binaries, options, unlock);
      } catch (error) {
        // Sessions of a server that was killed end by themselves as soon as they notice.
        const lingering = error instanceof ServiceError && error.message.includes('shared memory block');
        if (!lingering || performance.now() > deadline) throw error;
      }
    }
  } catch (error) {
    unlock();
    throw error;
  }
};

async function launch(
  dataDir: string,
  user: ServerUser,
  binaries: PostgresBinaries,
  options: EmbeddedPostgresOptions,
  unlock: () => void,
): Promise<EmbeddedPostgres> {
  const cluster = clusterPath(dataDir);
  const socketDir = makeSocketDirectory(user);
  const logFile = join(dataDir, 'postgres.log');
  const logStart = rotateLog(logFile);
  let child: ChildProcess;
  try {
    child = spawnServer(cluster, logFile, socketDir, user, binaries, options);
  } catch (error) {
    rmSync(socketDir, { recursive: true, force: true });
    throw error;
  }

  let stopping = false;
  const ended = new Promise<string>((settle) => {
    child.once('error', (error) => settle(error.message));
    child.once('exit', (code, signal) => settle(signal ? `signal ${signal}` : `exit code ${code}`));
  });
  const cleanUp = () => {
    process.removeListener('exit', abandon);
    rmSync(socketDir, { recursive: true, force: true });
  };
  // A service that ends without stop() still sends its server home; only SIGKILL leaves an orphan to the next start.
  const abandon = () => {
    child.kill('SIGINT');
    cleanUp();
    unlock();
  };
  process.once('exit', abandon);

  const ready = await waitUntilReady(cluster, child, ended, options.startTimeoutMs ?? START_TIMEOUT_MS);
  if (ready !== true) {
    if (child.pid !== undefined) await endServer(child.pid, STOP_TIMEOUT_MS);
    cleanUp();
    const tail = readFileSync(logFile).subarray(logStart).toString('utf8').trim().split('\n').slice(-12);
    throw new ServiceError(
      'DATABASE_START_FAILED',
      `The embedded PostgreSQL server did not start (${ready}). Its log, ${logFile}, ends with:\n${tail.join('\n')}`,
    );
  }

  const pid = child.pid!;
  child.unref();
  options.log(`embedded PostgreSQL runs as process ${pid} in ${cluster}`);
  void ended.then((reason) => {
    if (!stopping) options.onUnexpectedExit?.(reason);
  });

  let stopped: Promise<void> | undefined;
  const stop = async () => {
    stopping = true;
    child.ref(); // what is awaited below must keep the process alive
    await endServer(pid, options.stopTimeoutMs ?? STOP_TIMEOUT_MS);
    await ended;
    cleanUp();
    unlock();
    options.log('embedded PostgreSQL has stopped');
  };
  return {
    target: { socketDir, port: SOCKET_PORT, user: EMBEDDED_USER, database: EMBEDDED_DATABASE },
    pid,
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

/**
 * `detached` puts the server into a session of its own: Ctrl-C in a terminal goes to the whole foreground group, and
 * the server must outlive the service's draining.
 */
function spawnServer(
  cluster: string,
  logFile: string,
  socketDir: string,
  user: ServerUser,
  binaries: PostgresBinaries,
  settings: ServerSettings,
): ChildProcess {
  const access = accessDirectory(cluster, user);
  const logFd = openSync(logFile, 'a', 0o600);
  try {
    return spawn(
      binaries.postgres,
      ['-D', access.path, '-p', String(SOCKET_PORT), ...settingArguments(settings, socketDir)],
      {
        ...user.spawn,
        cwd: '/',
        env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' },
        detached: true,
        stdio: stdioFor(access, logFd),
      },
    );
  } finally {
    closeSync(logFd);
    if (access.fd !== undefined) closeSync(access.fd);
  }
}

/** `true`, or why not. The server writes its state into line 8 of `postmaster.pid`. */
async function waitUntilReady(
  cluster: string,
  child: ChildProcess,
  ended: Promise<string>,
  timeoutMs: number,
): Promise<true | string> {
  let reason: string | undefined;
  void ended.then((why) => {
    reason = why;
  });
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    if (reason !== undefined) return reason;
    const state = readPidFile(cluster);
    if (state?.pid === child.pid && state?.status === 'ready') return true;
    await sleep(POLL_MS);
  }
  return `not ready after ${timeoutMs} ms`;
}

type PidFile = {
  readonly pid: number;
  readonly socketDir: string | undefined;
  readonly status: string | undefined;
};

function readPidFile(cluster: string): PidFile | undefined {
  try {
    const lines = readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n');
    return { pid: Number(lines[0]), socketDir: lines[4], status: lines[7]?.trim() };
  } catch {
    return undefined;
  }
}

/** A service that was killed leaves its server running; the lock says that nobody else owns it. */
async function endOrphan(cluster: string, log: (message: string) => void): Promise<void> {
  const left = readPidFile(cluster);
  if (!left) return;
  if (isServerOf(Math.abs(left.pid), cluster)) {
    log(`ending the PostgreSQL server (process ${left.pid}) that an earlier run left behind`);
    await endServer(Math.abs(left.pid), ORPHAN_TIMEOUT_MS);
  }
  disownPidFile(cluster);
  if (left.socketDir && basename(left.socketDir).startsWith(SOCKET_PREFIX))
    rmSync(left.socketDir, { recursive: true, force: true });
}

/**
 * The file of a server that is gone keeps the next one from starting when its number has been given to another process,
 * or when nobody collects the dead process. Removing the file would also remove the protection against sessions of the
 * old server that still run (it names their shared memory); under the number of the new server's parent, us, the server
 * takes the file for stale and still looks at the shared memory.
 */
function disownPidFile(cluster: string): void {
  const path = join(cluster, 'postmaster.pid');
  if (!existsSync(path)) return;
  const [, ...rest] = readFileSync(path, 'utf8').split('\n');
  writeFileSync(path, [process.pid, ...rest].join('\n'));
}

/** A fresh directory (mode 0700) of the server's user, short enough for a socket and reachable for that user. */
function makeSocketDirectory(user: ServerUser): string {
  for (const parent of new Set([tmpdir(), '/tmp', '/var/tmp'])) {
    const path = join(parent, `${SOCKET_PREFIX}XXXXXX`, `.s.PGSQL.${SOCKET_PORT}.lock`);
    if (Buffer.byteLength(path) > SOCKET_PATH_MAX) continue;
    try {
      const directory = mkdtempSync(join(parent, SOCKET_PREFIX));
      if (user.spawn.uid === undefined) return directory;
      chownSync(directory, user.uid, user.gid);
      if (canWriteDirectory(user, directory)) return directory;
      rmSync(directory, { recursive: true });
    } catch {
      // not writable: the next one
    }
  }
  throw new ServiceError(
    'DATABASE_START_FAILED',
    'There is no directory for the database socket: set TMPDIR to a short path that the service can write to.',
  );
}

/** Keeps one old log beside the present one; answers where in the file this run begins. */
function rotateLog(logFile: string): number {
  try {
    const { size } = statSync(logFile);
    if (size < LOG_BYTES_MAX) return size;
    renameSync(logFile, `${logFile}.1`);
  } catch {
    // there is none yet
  }
  return 0;
}

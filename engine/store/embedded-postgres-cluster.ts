import { spawnSync } from 'node:child_process';
import {
  accessSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { ServiceError } from '../errors/index.js';
import type { PostgresBinaries } from './embedded-postgres-binaries.js';
import { canWriteDirectory, type ServerUser } from './embedded-postgres-user.js';

/** Name of the database and of its owner in the embedded cluster. */
export const EMBEDDED_DATABASE = 'sequencer';
export const EMBEDDED_USER = 'sequencer';

const DRAFT_PREFIX = 'postgres.init-';

/** Where the cluster of a data directory lies. */
export const clusterPath = (dataDir: string): string => join(dataDir, 'postgres');

/** Owner of the existing cluster. */
export const clusterOwner = (dataDir: string): { uid: number; gid: number } | undefined => {
  const cluster = clusterPath(dataDir);
  return existsSync(cluster) ? statSync(cluster) : undefined;
};

/**
 * How the server's programs name a directory that their user may own but not reach by its path, because a parent is
 * closed to them (a clone under /root): the service opens it, the program inherits the descriptor and enters through
 * `/proc/self/fd`, which asks for no permission on the parents.
 */
export type DirectoryAccess = {
  /** For `-D`. */
  readonly path: string;
  /** Descriptor to be inherited as number 3; `undefined` when the path can be used as it is. */
  readonly fd: number | undefined;
};

const INHERITED_FD = 3;

/**
 * Opens a directory for the server's user. The caller closes `fd`.
 *
 * @throws ServiceError DATABASE_START_FAILED when there is no way in
 */
export const accessDirectory = (directory: string, user: ServerUser): DirectoryAccess => {
  if (user.spawn.uid === undefined || canWriteDirectory(user, directory))
    return { path: directory, fd: undefined };
  const inherited = `/proc/self/fd/${INHERITED_FD}`;
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  const probe = spawnSync('/bin/sh', ['-c', `cd ${inherited} && test -w .`], {
    ...user.spawn,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'ignore', fd],
  });
  if (probe.status === 0) return { path: inherited, fd };
  closeSync(fd);
  throw new ServiceError(
    'DATABASE_START_FAILED',
    `PostgreSQL runs as user ${user.uid}, who cannot reach ${directory}: set DATA_DIR to a directory whose parents that user may enter, start the service as an ordinary user, or set DATABASE_URL.`,
  );
};

/** `stdio` for a program that gets the directory; its output goes to `output`. */
export const stdioFor = (access: DirectoryAccess, output: number | 'pipe') => [
  'ignore' as const,
  output,
  output,
  ...(access.fd === undefined ? [] : [access.fd]),
];

/**
 * Makes the cluster unless it is there: UTF-8, collation C (byte order: the same on every machine), one database. It is
 * made beside its place and renamed when complete, so that an interrupted first start leaves nothing that looks usable.
 *
 * @throws ServiceError DATABASE_START_FAILED with what `initdb` said
 */
export const ensureCluster = (dataDir: string, user: ServerUser, binaries: PostgresBinaries): void => {
  removeDrafts(dataDir);
  const cluster = clusterPath(dataDir);
  if (existsSync(cluster)) return;
  const draft = mkdtempSync(join(dataDir, DRAFT_PREFIX)); // mode 0700
  if (user.spawn.uid !== undefined) chownSync(draft, user.uid, user.gid);
  const access = accessDirectory(draft, user);
  try {
    const locale = ['--encoding=UTF8', '--locale=C', '--no-instructions'];
    run(user, access, binaries.initdb, [
      `--username=${EMBEDDED_USER}`,
      '--auth=trust',
      ...locale,
      '-D',
      access.path,
    ]);
    // Single-user mode: the database exists before the cluster is ever seen.
    const settings = ['-c', 'log_min_messages=warning', '-c', 'log_checkpoints=off'];
    const statement = `create database ${EMBEDDED_DATABASE}\n`;
    run(user, access, binaries.postgres, ['--single', '-D', access.path, ...settings, 'postgres'], statement);
    renameSync(draft, cluster);
    syncDirectory(dataDir);
  } finally {
    if (access.fd !== undefined) closeSync(access.fd);
    rmSync(draft, { recursive: true, force: true });
  }
};

/**
 * Creates a private directory, parents as needed.
 *
 * @throws ServiceError DATABASE_START_FAILED when it cannot be made or written to
 */
export const ensurePrivateDirectory = (directory: string): void => {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new ServiceError(
      'DATABASE_START_FAILED',
      `The data directory ${directory} cannot be used (${(cause as Error).message}): make it writable for user ${process.getuid?.()}, or set DATA_DIR.`,
      { cause },
    );
  }
};

function removeDrafts(dataDir: string): void {
  for (const name of readdirSync(dataDir))
    if (name.startsWith(DRAFT_PREFIX)) rmSync(join(dataDir, name), { recursive: true, force: true });
}

function run(
  user: ServerUser,
  access: DirectoryAccess,
  program: string,
  args: string[],
  input?: string,
): void {
  const [, ...outputs] = stdioFor(access, 'pipe');
  const result = spawnSync(program, args, {
    ...user.spawn,
    cwd: '/',
    encoding: 'utf8',
    env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' },
    stdio: ['pipe', ...outputs],
    input: input ?? '',
  });
  if (result.status === 0) return;
  const said = `${result.stderr ?? ''}${result.stdout ?? ''}`.trim() || result.error?.message;
  throw new ServiceError('DATABASE_START_FAILED', `${program} failed: ${said}`, { cause: result.error });
}

/** Makes a rename durable. */
function syncDirectory(directory: string): void {
  const fd = openSync(directory, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

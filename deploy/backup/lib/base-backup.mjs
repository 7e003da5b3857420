import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { readArchiver, waitForArchive } from './archiving.mjs';
import { clusterOf } from './join-server.mjs';

/** Their content is made anew by the server, or belongs to the one that runs. */
const EMPTIED = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
]);
const LEFT_OUT = new Set([
  'postmaster.pid',
  'postmaster.opts',
  'backup_label',
  'backup_label.old',
  'tablespace_map',
]);
const isTemporary = (name) => name.startsWith('pgsql_tmp') || name.startsWith('pg_internal.init');
const KEY_FILES = ['sequencer.key', 'sequencer-retired.keys', 'sequencer.id', 'admin.key'];
const CHUNK_BYTES = 1024 * 1024;
const SYNCS_MAX = 16;

/**
 * Copies the cluster while the service runs. The result is a directory: `cluster/`, `manifest.json` with the SHA-256 of
 * every file, `backup.json`, and `keys/` if they are wanted. It is complete when it has its name, and of use only with
 * the WAL of the archive from its first file on.
 *
 * @returns {Promise<{backup: string, firstWal: string, lastWal: string, files: number, bytes: number, seconds: number}>}
 */
export async function takeBaseBackup(sql, { dataDir, output, withKeys }) {
  const began = performance.now();
  const target = resolve(output);
  if (existsSync(target)) throw new Error(`${target} exists already`);
  if ((await readArchiver(sql)).mode !== 'on')
    throw new Error(
      'archiving is off, and a backup without its WAL is of no use: run enable and restart the service',
    );
  const cluster = clusterOf(dataDir);
  if (readdirSync(join(cluster, 'pg_tblspc')).length > 0)
    throw new Error('clusters with tablespaces are not supported');

  const draft = `${target}.partial`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(join(draft, 'cluster'), { recursive: true, mode: 0o700 });
  try {
    const session = await sql.reserve(); // start and stop must come from one session
    let stopped;
    let firstWal;
    const files = {};
    try {
      [{ firstWal }] =
        await session`select pg_walfile_name(pg_backup_start('stateset-sequencer', true)) as "firstWal"`;
      copyTree(cluster, join(draft, 'cluster'), '', files);
      [stopped] = await session`
        select pg_walfile_name(lsn) as "lastWal", labelfile as label from pg_backup_stop(wait_for_archive => false)`;
    } finally {
      session.release();
    }
    await waitForArchive(sql, stopped.lastWal);
    // The label, not the control file, says from where the WAL must be replayed.
    write(join(draft, 'cluster', 'backup_label'), stopped.label);
    files.backup_label = describe(join(draft, 'cluster', 'backup_label'));
    const [{ version }] = await sql`select current_setting('server_version') as version`;
    const { lastWal } = stopped;
    write(join(draft, 'manifest.json'), JSON.stringify(files, null, 1));
    write(
      join(draft, 'backup.json'),
      JSON.stringify({ format: 1, version, firstWal, lastWal, finished: new Date().toISOString() }),
    );
    if (withKeys) copyKeys(resolve(dataDir), join(draft, 'keys'));
    await syncFiles(Object.keys(files).map((path) => join(draft, 'cluster', path)));
    syncPath(draft);
    renameSync(draft, target);
    syncPath(dirname(target));
    const sizes = Object.values(files).map(({ bytes }) => bytes);
    return {
      backup: target,
      firstWal,
      lastWal,
      files: sizes.length,
      bytes: sizes.reduce((sum, bytes) => sum + bytes, 0),
      seconds: (performance.now() - began) / 1000,
    };
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw error;
  }
}

/** Files may grow, shrink and vanish meanwhile: the WAL puts that right. */
function copyTree(from, to, below, files) {
  for (const entry of readdirSync(join(from, below), { withFileTypes: true })) {
    const path = join(below, entry.name);
    if (isTemporary(entry.name) || (below === '' && LEFT_OUT.has(entry.name))) continue;
    if (entry.isDirectory()) {
      mkdirSync(join(to, path), { mode: 0o700 });
      if (below === '' && EMPTIED.has(entry.name)) {
        if (entry.name === 'pg_wal') mkdirSync(join(to, path, 'archive_status'), { mode: 0o700 });
      } else copyTree(from, to, path, files);
    } else if (entry.isFile()) {
      try {
        copyFileSync(join(from, path), join(to, path));
      } catch (error) {
        if (error.code === 'ENOENT') continue; // dropped since
        throw error;
      }
      chmodSync(join(to, path), 0o600);
      files[path] = describe(join(to, path));
    }
  }
}

/** Size and SHA-256 of a file. */
export function describe(path) {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  const fd = openSync(path, 'r');
  let bytes = 0;
  try {
    for (let read = readSync(fd, chunk); read > 0; read = readSync(fd, chunk)) {
      hash.update(chunk.subarray(0, read));
      bytes += read;
    }
  } finally {
    closeSync(fd);
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** Several at once: a disk that has many to write needs hardly longer than for one. */
async function syncFiles(paths) {
  const left = [...paths];
  const work = async () => {
    for (let path = left.pop(); path !== undefined; path = left.pop()) {
      const file = await open(path, 'r');
      try {
        await file.sync();
      } finally {
        await file.close();
      }
    }
  };
  await Promise.all(Array.from({ length: SYNCS_MAX }, work));
}

function copyKeys(dataDir, to) {
  mkdirSync(to, { mode: 0o700 });
  for (const file of KEY_FILES)
    if (existsSync(join(dataDir, file))) write(join(to, file), readFileSync(join(dataDir, file)));
}

function write(path, content) {
  writeFileSync(path, content, { mode: 0o600, flush: true });
}

function syncPath(path) {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

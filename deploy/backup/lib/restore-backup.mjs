import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { startEmbeddedPostgres } from '../../../dist/engine/store/embedded-postgres.js';
import { chooseServerUser } from '../../../dist/engine/store/embedded-postgres-user.js';
import { describe } from './base-backup.mjs';
import { clusterOf, joinServer } from './join-server.mjs';

/** Replaying the WAL of a day may take hours; the service's own start would give up. */
const RECOVERY_TIMEOUT_MS = 24 * 3600 * 1000;
const WAL_COPY = 'restored-wal';
/** What recovery needed, and archiving, which the new cluster must not do into the old one's archive. */
const RECOVERY_SETTINGS = [
  'restore_command',
  'recovery_target_action',
  'recovery_target_timeline',
  'recovery_target_time',
  'hot_standby',
  'archive_mode',
  'archive_command',
  'archive_timeout',
];

/**
 * Puts a backup into a data directory without a cluster and replays the archive, up to a time or to its end. When this
 * resolves, the server has taken the last transaction it shall have, is on a timeline of its own, and has stopped; start
 * the service on it. Archiving is off there: give the new cluster an archive directory of its own.
 *
 * @returns {Promise<{dataDir: string, recoveredTo: string | null, timeline: number, seconds: number}>} `recoveredTo`:
 *   when the last group of events was committed, if there is any
 */
export async function restoreBaseBackup({ backup, archive, dataDir, targetTime }) {
  const began = performance.now();
  if (targetTime !== undefined && Number.isNaN(Date.parse(targetTime)))
    throw new Error(`${targetTime} is no time: write it as 2026-01-31T12:00:00.000Z`);
  const directory = resolve(dataDir);
  const cluster = clusterOf(directory);
  if (existsSync(cluster)) throw new Error(`${cluster} exists: move it away first, nothing is overwritten`);
  const { firstWal } = JSON.parse(readFileSync(join(backup, 'backup.json'), 'utf8'));
  if (!existsSync(join(archive, firstWal)))
    throw new Error(`the archive ${archive} lacks ${firstWal}, with which the backup begins`);
  checkManifest(backup);

  mkdirSync(directory, { recursive: true, mode: 0o700 });
  try {
    cpSync(join(backup, 'cluster'), cluster, { recursive: true });
    copyArchive(archive, join(cluster, WAL_COPY));
    configureRecovery(cluster, targetTime);
    giveToServer(cluster);
    const { recoveredTo, timeline } = await recover(directory);
    rmSync(join(cluster, WAL_COPY), { recursive: true, force: true });
    if (existsSync(join(backup, 'keys'))) restoreKeys(join(backup, 'keys'), directory);
    return { dataDir: directory, recoveredTo, timeline, seconds: (performance.now() - began) / 1000 };
  } catch (error) {
    // Half a restore must not look like a cluster.
    rmSync(cluster, { recursive: true, force: true });
    throw error;
  }
}

function checkManifest(backup) {
  const files = JSON.parse(readFileSync(join(backup, 'manifest.json'), 'utf8'));
  for (const [path, { bytes, sha256 }] of Object.entries(files)) {
    const found = existsSync(join(backup, 'cluster', path)) && describe(join(backup, 'cluster', path));
    if (!found || found.bytes !== bytes || found.sha256 !== sha256)
      throw new Error(`the backup is damaged: ${path} is not what was written`);
  }
}

/** The server's user may not be able to reach the archive, so it gets a copy inside of its cluster. */
function copyArchive(archive, copy) {
  mkdirSync(copy, { mode: 0o700 });
  for (const name of readdirSync(archive))
    if (/^[0-9A-F]{8}(\.history|[0-9A-F]{16})$/.test(name))
      copyFileSync(join(archive, name), join(copy, name));
}

/** `hot_standby=off` keeps everybody out until recovery is through: nobody sees a state that is not the final one. */
function configureRecovery(cluster, targetTime) {
  const settings = {
    restore_command: `cp ${WAL_COPY}/%f "%p"`, // the server's working directory is its cluster
    recovery_target_action: 'promote',
    recovery_target_timeline: 'latest',
    hot_standby: 'off',
    archive_mode: 'off',
    ...(targetTime === undefined ? {} : { recovery_target_time: asTimestamp(targetTime) }),
  };
  const lines = Object.entries(settings).map(
    ([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`,
  );
  appendFileSync(join(cluster, 'postgresql.auto.conf'), lines.join(''));
  writeFileSync(join(cluster, 'recovery.signal'), '', { mode: 0o600 });
}

/** The setting knows offsets only, not `Z`. */
const asTimestamp = (time) => new Date(time).toISOString().replace('T', ' ').replace('Z', '+00');

/** Started by root, PostgreSQL runs as another user, to whom the files must belong. */
function giveToServer(cluster) {
  const { spawn, uid, gid } = chooseServerUser(undefined);
  if (spawn.uid === undefined) return;
  chownSync(cluster, uid, gid);
  for (const entry of readdirSync(cluster, { recursive: true })) chownSync(join(cluster, entry), uid, gid);
}

async function recover(directory) {
  const server = await startEmbeddedPostgres({
    dataDir: directory,
    startTimeoutMs: RECOVERY_TIMEOUT_MS,
    log: () => {},
  });
  try {
    const sql = joinServer(directory);
    try {
      const [{ unfinished }] = await sql`select pg_is_in_recovery() as unfinished`;
      if (unfinished) throw new Error('the server is still in recovery');
      const [state] = await sql`
        select (select max(sequenced_at) from ves_sequencer_receipts) as "recoveredTo",
               (select timeline_id from pg_control_checkpoint()) as timeline`;
      for (const name of RECOVERY_SETTINGS) await sql.unsafe(`alter system reset ${name}`);
      return state;
    } finally {
      await sql.end({ timeout: 5 });
    }
  } finally {
    await server.stop();
  }
}

/** Keys that are there already stay: they may be newer than the backup. */
function restoreKeys(from, to) {
  for (const file of readdirSync(from)) {
    if (existsSync(join(to, file))) continue;
    copyFileSync(join(from, file), join(to, file));
    chmodSync(join(to, file), 0o600);
  }
}

import { chownSync, mkdirSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { canWriteDirectory, chooseServerUser } from '../../../dist/engine/store/embedded-postgres-user.js';
import { clusterOf } from './join-server.mjs';

const ARCHIVE_TIMEOUT_MS = 60_000;
const POLL_MS = 50;

/** A path inside single quotes of a shell; `%` means something to PostgreSQL, so it is doubled. */
const quoted = (path) => `'${path.replaceAll("'", `'\\''`).replaceAll('%', '%%')}'`;

/**
 * Has finished WAL files copied to a directory. `archive_mode` needs a restart of the server, so it counts from the
 * service's next start. A file is complete and on disk before it has its name, and is never replaced by another one.
 *
 * @returns {Promise<{archive: string, restartNeeded: boolean}>}
 */
export async function enableArchiving(sql, { dataDir, archive, timeoutSecs }) {
  const directory = resolve(archive);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const owner = statSync(clusterOf(dataDir));
  // The server writes it, not the service.
  if (owner.uid !== statSync(directory).uid) chownSync(directory, owner.uid, owner.gid);
  if (!canWriteDirectory(chooseServerUser(owner), directory))
    throw new Error(
      `user ${owner.uid}, who runs PostgreSQL, cannot write to ${directory}: open its parents for that user`,
    );
  const d = quoted(directory);
  const command =
    `if [ -f ${d}/%f ]; then cmp -s "%p" ${d}/%f; ` +
    `else cp "%p" ${d}/.%f.part && sync ${d}/.%f.part && mv ${d}/.%f.part ${d}/%f && sync ${d}; fi`;
  await setSystem(sql, 'archive_mode', 'on');
  await setSystem(sql, 'archive_command', command);
  await setSystem(sql, 'archive_timeout', `${timeoutSecs}s`);
  await sql`select pg_reload_conf()`;
  const [{ mode }] = await sql`select current_setting('archive_mode') as mode`;
  return { archive: directory, restartNeeded: mode !== 'on' };
}

/** `alter system` takes no parameters. */
export const setSystem = (sql, name, value) =>
  sql.unsafe(`alter system set ${name} = '${value.replaceAll("'", "''")}'`);

/** What the archiver has done and where the log is now. */
export async function readArchiver(sql) {
  const [row] = await sql`
    select current_setting('archive_mode') as mode, archived_count::int as archived,
           last_archived_wal as last_archived, last_archived_time, failed_count::int as failed,
           last_failed_wal as last_failed, pg_walfile_name(pg_current_wal_lsn()) as current
      from pg_stat_archiver`;
  return row;
}

/**
 * Ends the present WAL file and waits until it is in the archive: everything committed before the call is safe after it.
 *
 * @returns {Promise<{archivedUpTo: string}>} name of the file
 */
export async function switchWal(sql) {
  const { mode } = await readArchiver(sql);
  if (mode !== 'on') throw new Error('archiving is off: run enable and restart the service');
  const [{ file }] = await sql`select pg_walfile_name(pg_switch_wal()) as file`;
  await waitForArchive(sql, file);
  return { archivedUpTo: file };
}

/** @throws when the file is not archived within a minute */
export async function waitForArchive(sql, file) {
  for (const deadline = Date.now() + ARCHIVE_TIMEOUT_MS; Date.now() < deadline; await sleep(POLL_MS)) {
    const { last_archived: last } = await readArchiver(sql);
    if (last !== null && /^[0-9A-F]{24}$/.test(last.slice(0, 24)) && last.slice(0, 24) >= file) return;
  }
  const { last_failed: failed } = await readArchiver(sql);
  throw new Error(
    `${file} is not archived after a minute${failed === null ? '' : ` (failed: ${failed})`}; see postgres.log`,
  );
}

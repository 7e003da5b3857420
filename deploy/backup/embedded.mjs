#!/usr/bin/env node
// Base backups, WAL archiving and point-in-time recovery for the embedded PostgreSQL server. Its package ships no
// pg_basebackup, so this speaks the low-level interface of PostgreSQL (chapter "Continuous Archiving and PITR"):
// pg_backup_start, a copy of the files, pg_backup_stop. For a server of your own use backup.sh and restore.sh.
//
//   node deploy/backup/embedded.mjs enable  --data-dir data --archive /backup/wal [--timeout-secs 60]
//   node deploy/backup/embedded.mjs backup  --data-dir data --output /backup/base-1 [--with-keys]
//   node deploy/backup/embedded.mjs switch  --data-dir data
//   node deploy/backup/embedded.mjs status  --data-dir data
//   node deploy/backup/embedded.mjs restore --backup /backup/base-1 --archive /backup/wal --data-dir new
//                                           [--target-time 2026-01-31T12:00:00.000Z]
//
// Needs a compiled clone (npm run build). All but `restore` join the server of a running service; run them as its user.
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { enableArchiving, readArchiver, switchWal } from './lib/archiving.mjs';
import { takeBaseBackup } from './lib/base-backup.mjs';
import { joinServer } from './lib/join-server.mjs';
import { restoreBaseBackup } from './lib/restore-backup.mjs';

const text = { type: 'string' };
const OPTIONS = {
  'data-dir': text,
  archive: text,
  output: text,
  backup: text,
  'target-time': text,
  'timeout-secs': text,
  'with-keys': { type: 'boolean' },
};

/** Command -> what it needs, and what it does with it. */
const COMMANDS = {
  enable: {
    needs: ['data-dir', 'archive'],
    run: (given) =>
      onServer(given, (sql) =>
        enableArchiving(sql, {
          dataDir: given['data-dir'],
          archive: given.archive,
          timeoutSecs: wholeNumber(given['timeout-secs'] ?? '60'),
        }),
      ),
  },
  backup: {
    needs: ['data-dir', 'output'],
    run: (given) =>
      onServer(given, (sql) =>
        takeBaseBackup(sql, {
          dataDir: given['data-dir'],
          output: given.output,
          withKeys: given['with-keys'] === true,
        }),
      ),
  },
  switch: { needs: ['data-dir'], run: (given) => onServer(given, switchWal) },
  status: { needs: ['data-dir'], run: (given) => onServer(given, readArchiver) },
  restore: {
    needs: ['backup', 'archive', 'data-dir'],
    run: (given) =>
      restoreBaseBackup({
        backup: given.backup,
        archive: given.archive,
        dataDir: given['data-dir'],
        targetTime: given['target-time'],
      }),
  },
};

async function onServer(given, work) {
  const sql = joinServer(given['data-dir']);
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

function wholeNumber(given) {
  if (!/^[1-9][0-9]{0,4}$/.test(given)) throw new Error(`${given} is no number of seconds from 1 to 99999`);
  return Number(given);
}

function usage(problem) {
  console.error(`failed: ${problem}`);
  console.error(
    `usage: node deploy/backup/embedded.mjs <${Object.keys(COMMANDS).join('|')}> [options]; see its first lines`,
  );
  process.exit(2);
}

let given;
let name;
try {
  const parsed = parseArgs({ options: OPTIONS, allowPositionals: true });
  given = parsed.values;
  [name = ''] = parsed.positionals;
} catch (error) {
  usage(error.message);
}
if (!Object.hasOwn(COMMANDS, name)) usage(name === '' ? 'no command' : `unknown command ${name}`);
const command = COMMANDS[name];
const missing = command.needs.filter((option) => given[option] === undefined);
if (missing.length > 0) usage(`${name} needs ${missing.map((option) => `--${option}`).join(', ')}`);
if (name !== 'restore' && !existsSync(given['data-dir'])) usage(`there is no directory ${given['data-dir']}`);

try {
  console.log(JSON.stringify({ ok: true, ...(await command.run(given)) }));
} catch (error) {
  console.error(`failed: ${error.message}`);
  process.exit(1);
}

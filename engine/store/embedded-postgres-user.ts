import { spawnSync } from 'node:child_process';
import { ServiceError } from '../errors/index.js';

/** The operating system user as whom PostgreSQL runs. */
export type ServerUser = {
  readonly uid: number;
  readonly gid: number;
  /** `uid` and `gid` for `child_process`; empty when the server runs as the service's own user. */
  readonly spawn: { readonly uid?: number; readonly gid?: number };
};

/**
 * PostgreSQL refuses to run as root. A service started by root therefore runs it as the owner of the existing cluster,
 * else as the user behind `sudo`, else as `postgres`, else as `nobody`. Everyone else runs it as themselves.
 *
 * @param owner uid and gid of the existing cluster's directory, if there is one
 */
export const chooseServerUser = (owner: { uid: number; gid: number } | undefined): ServerUser => {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  if (uid !== 0) {
    if (owner && owner.uid !== uid)
      throw new ServiceError(
        'DATABASE_START_FAILED',
        `The database cluster belongs to user ${owner.uid}, but the service runs as user ${uid}: start it as that user, or change the owner of DATA_DIR.`,
      );
    return { uid, gid, spawn: {} };
  }
  if (owner && owner.uid !== 0) return asOther(owner.uid, owner.gid);
  const sudoUid = Number(process.env.SUDO_UID);
  const sudoGid = Number(process.env.SUDO_GID);
  if (sudoUid > 0 && sudoGid > 0) return asOther(sudoUid, sudoGid);
  for (const name of ['postgres', 'nobody']) {
    const found = lookUp(name);
    if (found) return asOther(found.uid, found.gid);
  }
  throw new ServiceError(
    'DATABASE_START_FAILED',
    'PostgreSQL does not run as root, and this system has neither a user "postgres" nor "nobody": start the service as an ordinary user, or set DATABASE_URL.',
  );
};

const asOther = (uid: number, gid: number): ServerUser => ({ uid, gid, spawn: { uid, gid } });

function lookUp(name: string): { uid: number; gid: number } | undefined {
  const ask = (flag: '-u' | '-g') => {
    const answer = spawnSync('id', [flag, name], { encoding: 'utf8' });
    return answer.status === 0 ? Number(answer.stdout.trim()) : Number.NaN;
  };
  const uid = ask('-u');
  const gid = ask('-g');
  return Number.isInteger(uid) && Number.isInteger(gid) && uid !== 0 ? { uid, gid } : undefined;
}

/** Whether that user can enter a directory by its path and write in it. */
export const canWriteDirectory = (user: ServerUser, directory: string): boolean =>
  spawnSync('/bin/sh', ['-c', 'cd -P -- "$1" && test -w .', 'sh', directory], {
    ...user.spawn,
    cwd: '/',
    stdio: 'ignore',
  }).status === 0;

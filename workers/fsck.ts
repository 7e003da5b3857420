/** A worker of `fsck` (a Piscina worker file): one database session on the check's snapshot, one task after the other. */
import { workerData } from 'piscina';
import { type FsckSetup, openFsckWorker, type Task, type TaskResult } from '../engine/fsck/index.js';
import { openVault } from '../engine/vault/index.js';
import { fsckCrypto } from './fsck-crypto.js';
import { nameThread } from './thread-name.js';

nameThread('fsck');
const setup = workerData as FsckSetup;
const worker = await openFsckWorker(setup, fsckCrypto(), (sql) =>
  setup.encryption ? openVault(sql, setup.encryption)?.opener : undefined,
);

export default (task: Task): Promise<TaskResult> => worker.run(task);

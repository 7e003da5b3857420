/** A worker of `fsck` (a Piscina worker file): one database session on the check's snapshot, one task after the other. */
import { workerData } from 'piscina';
import { type FsckSetup, openFsckWorker, type Task, type TaskResult } from '../engine/fsck/index.js';
import { surviveLostSessions } from '../engine/store/lost-session.js';
import { fsckCrypto } from './fsck-crypto.js';
import { nameThread } from './thread-name.js';

nameThread('fsck');
surviveLostSessions();
const worker = await openFsckWorker(workerData as FsckSetup, fsckCrypto());

export default (task: Task): Promise<TaskResult> => worker.run(task);

/** A worker's half of a check: one database session, one task after the other. */
import { createLegacyCheck } from './check-legacy.js';
import { createVesCheck } from './check-ves.js';
import type { Counts } from './counts.js';
import type { FsckCrypto } from './crypto.js';
import { createFindingList } from './finding.js';
import { openSession } from './session.js';
import type { FsckSetup, LogPart, Task, TaskResult } from './task.js';

export interface FsckWorker {
  /** Does the tasks in the order in which they are given, one after the other: they share a session. */
  run(task: Task): Promise<TaskResult>;
  close(): Promise<void>;
}

export async function openFsckWorker(setup: FsckSetup, crypto: FsckCrypto): Promise<FsckWorker> {
  const session = await openSession(setup.target, setup.snapshot, 'worker');
  const checkVes = createVesCheck(session, setup, crypto);
  const checkLegacy = createLegacyCheck(session, setup, crypto);
  let last: Promise<unknown> = Promise.resolve();

  async function work(task: Task): Promise<TaskResult> {
    const findings = createFindingList(setup.findingsMax);
    const counts: Counts = {};
    let parts: LogPart[] = [];
    switch (task.kind) {
      case 'ves':
        parts = await checkVes(task.ranges, findings, counts);
        break;
      case 'legacy':
        parts = await checkLegacy(task.ranges, findings, counts);
        break;
      default:
        throw new Error(`no such task: ${task.kind}`);
    }
    return { findings: findings.first, total: findings.total, counts, parts };
  }

  return {
    run(task) {
      const result = last.then(() => work(task));
      last = result.catch(() => {});
      return result;
    },
    close: () => session.close(),
  };
}

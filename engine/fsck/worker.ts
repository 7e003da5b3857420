/** A worker's half of a check: one database session, one task after the other. */
import { checkAgentKeyTable } from './agent-key-table.js';
import { createLegacyCheck } from './check-legacy.js';
import { createNotaryCheck } from './check-notary.js';
import { createVesCheck } from './check-ves.js';
import { checkCosignatures } from './cosignatures.js';
import type { Counts } from './counts.js';
import type { FsckCrypto } from './crypto.js';
import { compareRowCounts, findDuplicates } from './deep.js';
import { checkEntityVersions } from './entity-versions.js';
import { createFindingList, type FindingList, type StreamId } from './finding.js';
import { checkLegacyStates } from './legacy-states.js';
import type { OpenKeyHolder } from './payloads.js';
import { openSession } from './session.js';
import { TABLES } from './streams.js';
import type { FsckSetup, LogPart, Task, TaskResult } from './task.js';
import { orUnreadable } from './unreadable.js';

export interface FsckWorker {
  /** Does the tasks in the order in which they are given, one after the other: they share a session. */
  run(task: Task): Promise<TaskResult>;
  close(): Promise<void>;
}

type OtherTask = Exclude<Task, { kind: 'ves' | 'legacy' | 'notary' }>;

/** What a task is about, for a finding that says that it cannot be done. */
function rowOf(task: OtherTask): { table: string; stream: StreamId | null; row: string; position: number } {
  const all = { stream: null, row: 'all rows', position: 0 };
  switch (task.kind) {
    case 'entity-versions':
      return { ...all, table: 'entity_versions', stream: task.stream };
    case 'legacy-states':
      return { ...all, table: 'commitments', stream: task.stream };
    case 'agent-keys':
      return { ...all, table: 'agent_signing_keys' };
    case 'cosignatures':
      return { ...all, table: 'notary_cosignatures' };
    default:
      return { ...all, table: TABLES[task.log].events };
  }
}

/** @param openKeys who opens sealed payloads; unset: nobody, they are counted */
export async function openFsckWorker(
  setup: FsckSetup,
  crypto: FsckCrypto,
  openKeys?: OpenKeyHolder,
): Promise<FsckWorker> {
  const session = await openSession(setup.target, setup.snapshot, 'worker');
  const checkVes = createVesCheck(session, setup, crypto, openKeys);
  const checkLegacy = createLegacyCheck(session, setup, crypto, openKeys);
  const checkNotary = createNotaryCheck(session, crypto);
  let last: Promise<unknown> = Promise.resolve();

  async function work(task: Task): Promise<TaskResult> {
    const findings = createFindingList(setup.findingsMax);
    const counts: Counts = {};
    const parts = await doTask(task, findings, counts);
    return { findings: findings.first, total: findings.total, counts, parts };
  }

  async function doTask(task: Task, findings: FindingList, counts: Counts): Promise<LogPart[]> {
    switch (task.kind) {
      case 'ves':
        return checkVes(task.ranges, findings, counts);
      case 'legacy':
        return checkLegacy(task.ranges, findings, counts);
      case 'notary':
        return [await checkNotary(task, findings, counts)];
      default:
        // What is not read range by range cannot go on behind a bad page.
        await orUnreadable(rowOf(task), findings, undefined, () => doOther(task, findings, counts));
        return [];
    }
  }

  async function doOther(task: OtherTask, findings: FindingList, counts: Counts): Promise<void> {
    const { filter } = setup;
    switch (task.kind) {
      case 'entity-versions':
        return checkEntityVersions(session, task.stream, findings, counts);
      case 'legacy-states':
        return checkLegacyStates(session, task.stream, findings, counts);
      case 'agent-keys':
        return checkAgentKeyTable(session, crypto, filter, findings, counts);
      case 'cosignatures':
        return checkCosignatures(session, crypto, findings, counts);
      case 'duplicates':
        return findDuplicates(session, task.log, task.column, filter, findings);
      case 'row-counts':
        return compareRowCounts(session, task.log, filter, findings);
    }
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

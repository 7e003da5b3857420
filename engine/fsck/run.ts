/**
 * The coordinator of a check. It lists the streams, hands ranges of their events to workers, puts what they answer together in the
 * order of the streams, and looks at what belongs to no range. All of it reads one snapshot.
 */
import type { Config } from '../config/index.js';
import type { DatabaseTarget } from '../store/connection.js';
import { checkAuditLog } from './audit-log.js';
import type { FsckCrypto } from './crypto.js';
import { createFindingList } from './finding.js';
import { checkSequencerKeys } from './global-rows.js';
import { type Crew, doInOrder, type Job } from './jobs.js';
import { notaryJobs } from './notary-jobs.js';
import { findOutsiders } from './outsiders.js';
import type { FsckReport } from './report.js';
import { createResults, type Results } from './results.js';
import { exportSnapshot, openSession, type Session } from './session.js';
import { streamJobs } from './stream-jobs.js';
import { countStreams, type StreamFilter, type StreamKind, storesOf } from './streams.js';
import type { FsckSetup, Task } from './task.js';
import { allRows, isUnreadable, orUnreadable } from './unreadable.js';

export interface FsckProgress {
  readonly events: number;
  readonly eventsTotal: number;
  readonly findings: number;
}

export interface FsckOptions {
  readonly target: DatabaseTarget;
  readonly crypto: FsckCrypto;
  /** Starts those who do the tasks. */
  readonly start: (setup: FsckSetup) => Promise<Crew>;
  /** Tasks they can do at the same time. */
  readonly threads: number;
  readonly signatures: boolean;
  /** Settings with the keys of sealed payloads; unset: they are not opened. */
  readonly encryption?: Config['encryption'] | undefined;
  /** Also sorts all ids and counts all rows, to find what a broken index hides. */
  readonly deep: boolean;
  readonly filter: StreamFilter;
  /** Findings that are told. */
  readonly findingsMax: number;
  readonly onProgress?: (progress: FsckProgress) => void;
  /** Ends the check early; the report says so. */
  readonly signal?: AbortSignal;
}

/** Findings of one task that are told to the coordinator, which needs more than a person reads, to know the first of each stream. */
const TASK_FINDINGS_MAX = 1000;
/** Tasks that are handed out before the first of them is answered, for each worker. */
const TASKS_PER_WORKER = 3;

/** @throws when the check cannot be made at all */
export async function runFsck(options: FsckOptions): Promise<FsckReport> {
  const begin = performance.now();
  const holder = await exportSnapshot(options.target);
  let session: Session | undefined;
  let crew: Crew | undefined;
  try {
    session = await openSession(options.target, holder.snapshot, 'coordinator');
    const setup: FsckSetup = {
      target: options.target,
      snapshot: holder.snapshot,
      signatures: options.signatures,
      findingsMax: TASK_FINDINGS_MAX,
      keyVersions: await readKeyVersions(session),
      filter: options.filter,
      oldRows: await mayHaveOldRows(session),
      encryption: options.encryption,
    };
    crew = await options.start(setup);
    const results = createResults();
    const complete = await checkAll(options, setup, session, crew, results);
    return {
      complete,
      ...results.collector.finish(options.findingsMax),
      consequences: results.consequences,
      counts: results.counts,
      seconds: (performance.now() - begin) / 1000,
      signatures: options.signatures,
    };
  } finally {
    await crew?.close();
    await session?.close();
    await holder.close();
  }
}

/** Answers false when it was interrupted. */
async function checkAll(
  options: FsckOptions,
  setup: FsckSetup,
  session: Session,
  crew: Crew,
  results: Results,
): Promise<boolean> {
  const { filter, signal, crypto } = options;
  let events = 0;
  let eventsTotal = 0;
  const advance = (by: number) => {
    events += by;
    options.onProgress?.({ events, eventsTotal, findings: results.collector.total });
  };
  const stop = () => void crew.close();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    for (const kind of ['ves', 'legacy'] as const) eventsTotal += await countEvents(session, kind, filter);
    advance(0);
    const jobs = allJobs({ session, setup, crypto, results, deep: options.deep });
    await doInOrder(jobs, crew, TASKS_PER_WORKER * options.threads, (job) => advance(job.events), signal);
    const findings = createFindingList(TASK_FINDINGS_MAX);
    await findOutsiders(session, filter, results.wrongCounters, findings);
    await orUnreadable(allRows('sequencer_keys'), findings, undefined, () =>
      checkSequencerKeys(session, crypto, findings, results.counts),
    );
    // Acts on all tenants are in one chain.
    if (filter.tenant === undefined && filter.store === undefined)
      await orUnreadable(allRows('audit_log'), findings, undefined, () =>
        checkAuditLog(session, findings, results.counts),
      );
    results.add({ findings: findings.first, total: findings.total, counts: {} });
    return true;
  } catch (error) {
    if (signal?.aborted) return false;
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

async function* allJobs(deps: {
  session: Session;
  setup: FsckSetup;
  crypto: FsckCrypto;
  results: Results;
  deep: boolean;
}): AsyncGenerator<Job> {
  const { session, setup, results } = deps;
  yield* streamJobs('ves', deps);
  yield* streamJobs('legacy', deps);
  const job = (task: Task): Job => ({ task, events: 0, take: (result) => results.add(result) });
  for (const stream of await storesOf(session, ['entity_versions'], setup.filter, results.findings))
    yield job({ kind: 'entity-versions', stream });
  for (const stream of await storesOf(session, LEGACY_STATE_TABLES, setup.filter, results.findings))
    yield job({ kind: 'legacy-states', stream });
  yield job({ kind: 'agent-keys' });
  // The notary log is one for all streams.
  if (setup.filter.tenant === undefined && setup.filter.store === undefined) {
    yield* notaryJobs(deps);
    yield job({ kind: 'cosignatures' });
  }
  if (!deps.deep) return;
  for (const log of ['ves', 'legacy'] as const) {
    yield job({ kind: 'row-counts', log });
    for (const column of ['event_id', 'command_id'] as const) yield job({ kind: 'duplicates', log, column });
  }
}

const LEGACY_STATE_TABLES = ['commitments', 'commitment_entity_heads', 'commitment_entity_versions'];

/** None when they cannot be read, which is told later. */
async function readKeyVersions(session: Session): Promise<number[]> {
  const rows = await session
    .run(
      (sql) =>
        sql<{ version: number }[]>`select key_version as version from sequencer_keys order by key_version`,
    )
    .catch((error) => {
      if (isUnreadable(error)) return [];
      throw error;
    });
  return rows.map(({ version }) => version);
}

/** For the progress only. */
async function countEvents(session: Session, kind: StreamKind, filter: StreamFilter): Promise<number> {
  const counted = countStreams(session, kind, filter).catch((error) => {
    if (isUnreadable(error)) return { events: 0 };
    throw error;
  });
  return (await counted).events;
}

/** Check values came with the second migration. A database that got it together with the first one has no rows without. */
async function mayHaveOldRows(session: Session): Promise<boolean> {
  const [row] = await session.run(
    (sql) => sql<{ old: boolean }[]>`
      select b.applied_at - a.applied_at > interval '1 minute' as old
      from schema_migrations a, schema_migrations b where a.version = 1 and b.version = 2`,
  );
  return row?.old ?? true;
}

/**
 * The coordinator of a check. It lists the streams, hands ranges of their events to workers, puts what they answer together in the
 * order of the streams, and looks at what belongs to no range. All of it reads one snapshot.
 *
 * Few tasks are under way at a time and their answers are taken in order, so memory does not grow with the database.
 */
import type { Sha256Into } from '../log/index.js';
import type { DatabaseTarget } from '../store/connection.js';
import { type Bundle, bundle, type Extent } from './bundles.js';
import {
  type CommitmentAudit,
  createCommitmentAudit,
  legacyCommitmentRules,
  vesCommitmentRules,
} from './commitment-audit.js';
import { add, type Counts } from './counts.js';
import type { FsckCrypto } from './crypto.js';
import { createFindingList, type FindingList, findingOf } from './finding.js';
import { createLogAudit, type LogAudit } from './log-audit.js';
import { createCollector, type FsckReport } from './report.js';
import { exportSnapshot, openSession, type Session } from './session.js';
import {
  countStreams,
  extentOf,
  findOutsiders,
  readStreams,
  type StreamFilter,
  type StreamKind,
  TABLES,
} from './streams.js';
import type { FsckSetup, Task, TaskResult } from './task.js';

/** Those who do the tasks. */
export interface Crew {
  run(task: Task): Promise<TaskResult>;
  /** Ends them, whatever they are doing. */
  close(): Promise<void>;
}

export interface FsckProgress {
  readonly events: number;
  readonly eventsTotal: number;
  readonly findings: number;
}

export interface FsckOptions {
  readonly target: DatabaseTarget;
  readonly crypto: FsckCrypto;
  /** Starts the crew. */
  readonly start: (setup: FsckSetup) => Promise<Crew>;
  /** Tasks the crew can do at the same time. */
  readonly threads: number;
  readonly signatures: boolean;
  /** Also sorts all ids, to find what a broken index hides. */
  readonly deep: boolean;
  readonly filter: StreamFilter;
  /** Findings that are told. */
  readonly findingsMax: number;
  readonly onProgress?: (progress: FsckProgress) => void;
  /** Ends the check early; the report says so. */
  readonly signal?: AbortSignal;
}

/** Findings of one task that are told; a coordinator keeps more than a person reads, to know the first one of each stream. */
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
    const keyVersions = await readKeyVersions(session);
    crew = await options.start({
      target: options.target,
      snapshot: holder.snapshot,
      signatures: options.signatures,
      findingsMax: TASK_FINDINGS_MAX,
      keyVersions,
      oldRows: await mayHaveOldRows(session),
    });
    const audit = createAudit(options, session, crew);
    const complete = await audit.run();
    return {
      complete,
      ...audit.collector.finish(options.findingsMax),
      consequences: audit.consequences(),
      counts: audit.counts,
      seconds: (performance.now() - begin) / 1000,
      signatures: options.signatures,
    };
  } finally {
    await crew?.close();
    await session?.close();
    await holder.close();
  }
}

/** A stream whose parts are coming in. */
interface OpenStream {
  readonly extent: Extent;
  readonly log: LogAudit | undefined;
  readonly commitments: CommitmentAudit;
  readonly findings: FindingList;
  groupsEnd: number;
}

function createAudit(options: FsckOptions, session: Session, crew: Crew) {
  const { crypto, filter, signal } = options;
  const sha256: Sha256Into = crypto.sha256;
  const collector = createCollector();
  const counts: Counts = {};
  const rules = { ves: vesCommitmentRules(sha256), legacy: legacyCommitmentRules(sha256) };
  let open: OpenStream | undefined;
  let consequences = 0;
  let eventsTotal = 0;
  let events = 0;

  function tell(list: FindingList): void {
    for (const finding of list.first) collector.add(finding);
    collector.addUntold(list.total - list.first.length);
  }

  function openStream(extent: Extent): OpenStream {
    const { kind, tenant, store } = extent.stream;
    const stream = { tenant, store };
    const findings = createFindingList(TASK_FINDINGS_MAX);
    const names = { leaf: 'event', tiles: 'ves_log_tiles' };
    return {
      extent,
      findings,
      log: kind === 'ves' ? createLogAudit(sha256, stream, names, findings) : undefined,
      commitments: createCommitmentAudit(rules[kind], stream, findings),
      groupsEnd: 0,
    };
  }

  function closeStream({ extent, log, commitments, findings, groupsEnd }: OpenStream): void {
    const { stream, n } = extent;
    const { kind, tenant, store } = stream;
    commitments.finish(n);
    const row = { stream: { tenant, store }, position: n };
    if (log !== undefined) {
      if (groupsEnd !== n) {
        const message = `groups end at ${groupsEnd}, the stream at ${n}`;
        findings.add(
          findingOf({ ...row, table: 'ves_sequencer_receipts', row: `last_sequence ${groupsEnd}` }, [
            { check: 'group-range', column: 'last_sequence', message },
          ]),
        );
      }
      const fault = log.checkEdge(stream.frontier);
      if (fault)
        findings.add(findingOf({ ...row, table: TABLES[kind].counters, row: 'the stream' }, [fault]));
      consequences += log.consequences;
    }
    tell(findings);
    add(counts, TABLES[kind].counters, 1);
  }

  function takeParts({ extents }: Bundle, { findings, total, counts: counted, parts }: TaskResult): void {
    for (const finding of findings) collector.add(finding);
    collector.addUntold(total - findings.length);
    for (const [name, rows] of Object.entries(counted)) add(counts, name, rows);
    parts.forEach((part, i) => {
      const extent = extents[i]!;
      if (open?.extent !== extent) open = openStream(extent);
      open.log?.add(part);
      open.commitments.add(part);
      open.groupsEnd = part.groupsEnd || open.groupsEnd;
      if (part.to < extent.n) return;
      closeStream(open);
      open = undefined;
    });
  }

  async function* extents(kind: StreamKind): AsyncGenerator<Extent> {
    for await (const stream of readStreams(session, kind, filter)) {
      const { n, finding } = await extentOf(session, stream);
      if (finding) collector.add(finding);
      yield { stream, n };
    }
  }

  function advance(by: number): void {
    events += by;
    options.onProgress?.({ events, eventsTotal, findings: collector.total });
  }

  /** Hands out the tasks of a kind of streams and takes the answers in their order. */
  async function checkStreams(kind: StreamKind): Promise<void> {
    const underWay: { bundle: Bundle; result: Promise<TaskResult> }[] = [];
    const takeFirst = async () => {
      const { bundle, result } = underWay.shift()!;
      takeParts(bundle, await result);
    };
    for await (const next of bundle(extents(kind))) {
      signal?.throwIfAborted();
      const result = crew.run({ kind, ranges: next.ranges });
      result.then(
        () => advance(next.events),
        () => {},
      ); // a failure is told to whoever waits for it
      underWay.push({ bundle: next, result });
      if (underWay.length >= TASKS_PER_WORKER * options.threads) await takeFirst();
    }
    while (underWay.length > 0) await takeFirst();
  }

  return {
    collector,
    counts,
    consequences: () => consequences,
    /** False when it was interrupted. */
    async run(): Promise<boolean> {
      const stop = () => void crew.close();
      signal?.addEventListener('abort', stop, { once: true });
      try {
        for (const kind of ['ves', 'legacy'] as const)
          eventsTotal += (await countStreams(session, kind, filter)).events;
        advance(0);
        for (const kind of ['ves', 'legacy'] as const) await checkStreams(kind);
        const outsiders = createFindingList(TASK_FINDINGS_MAX);
        await findOutsiders(session, filter, outsiders);
        tell(outsiders);
        return true;
      } catch (error) {
        if (signal?.aborted) return false;
        throw error;
      } finally {
        signal?.removeEventListener('abort', stop);
      }
    },
  };
}

async function readKeyVersions(session: Session): Promise<number[]> {
  const rows = await session.run(
    (sql) =>
      sql<{ version: number }[]>`select key_version as version from sequencer_keys order by key_version`,
  );
  return rows.map(({ version }) => version);
}

/** Check values came with the second migration. A database that got it with the first one has no rows without. */
async function mayHaveOldRows(session: Session): Promise<boolean> {
  const [row] = await session.run(
    (sql) => sql<{ old: boolean }[]>`
      select b.applied_at - a.applied_at > interval '1 minute' as old
      from schema_migrations a, schema_migrations b where a.version = 1 and b.version = 2`,
  );
  return row?.old ?? true;
}

/** The jobs of all streams of a kind: ranges of events for the workers, and the view of each stream as a whole. */
import { bundle, type Extent } from './bundles.js';
import {
  type CommitmentAudit,
  type CommitmentRules,
  createCommitmentAudit,
  legacyCommitmentRules,
  vesCommitmentRules,
} from './commitment-audit.js';
import type { FsckCrypto } from './crypto.js';
import { createFindingList, type FindingList, findingOf } from './finding.js';
import type { Job } from './jobs.js';
import { createLogAudit, type LogAudit } from './log-audit.js';
import type { Results } from './results.js';
import type { Session } from './session.js';
import { extentOf } from './stream-extent.js';
import { readStreams, type StreamFilter, type StreamKind, streamLabel, TABLES } from './streams.js';
import type { FsckSetup, LogPart } from './task.js';
import { allRows, isUnreadable, unreadableFault } from './unreadable.js';

/** A stream whose parts are coming in. */
interface OpenStream {
  readonly extent: Extent;
  readonly log: LogAudit | undefined;
  readonly commitments: CommitmentAudit;
  readonly findings: FindingList;
  /** Undefined once groups could not be read. */
  groupsEnd: number | undefined;
}

export async function* streamJobs(
  kind: StreamKind,
  deps: {
    session: Session;
    setup: Pick<FsckSetup, 'findingsMax' | 'filter'>;
    crypto: Pick<FsckCrypto, 'sha256'>;
    results: Results;
  },
): AsyncGenerator<Job> {
  const { session, setup, crypto, results } = deps;
  const rules = kind === 'ves' ? vesCommitmentRules(crypto.sha256) : legacyCommitmentRules(crypto.sha256);
  let open: OpenStream | undefined;

  function takePart(extent: Extent, part: LogPart): void {
    if (open?.extent !== extent) open = openStream(extent, rules, crypto, setup.findingsMax);
    open.log?.add(part);
    open.commitments.add(part);
    if (part.groupsEnd === undefined) open.groupsEnd = undefined;
    else if (open.groupsEnd !== undefined) open.groupsEnd = part.groupsEnd || open.groupsEnd;
    if (part.to < extent.n) return;
    closeStream(open, results);
    open = undefined;
  }

  for await (const { ranges, extents, events } of bundle(readExtents(session, kind, setup.filter, results)))
    yield {
      task: { kind, ranges },
      events,
      take(result) {
        results.add(result);
        result.parts.forEach((part, i) => {
          takePart(extents[i]!, part);
        });
      },
    };
}

async function* readExtents(
  session: Session,
  kind: StreamKind,
  filter: StreamFilter,
  results: Results,
): AsyncGenerator<Extent> {
  try {
    for await (const stream of readStreams(session, kind, filter)) {
      const { n, findings, wrongCounter } = await extentOf(session, stream);
      if (wrongCounter) results.wrongCounters.add(streamLabel(stream));
      for (const finding of findings) results.findings.add(finding);
      yield { stream, n };
    }
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    results.findings.add(findingOf(allRows(TABLES[kind].counters), [unreadableFault(error)]));
  }
}

function openStream(
  extent: Extent,
  rules: CommitmentRules,
  { sha256 }: Pick<FsckCrypto, 'sha256'>,
  findingsMax: number,
): OpenStream {
  const { kind, tenant, store } = extent.stream;
  const stream = { tenant, store };
  const findings = createFindingList(findingsMax);
  const names = { leaf: 'event', tiles: 'ves_log_tiles' };
  return {
    extent,
    findings,
    log: kind === 'ves' ? createLogAudit(sha256, stream, names, findings) : undefined,
    commitments: createCommitmentAudit(rules, stream, findings),
    groupsEnd: 0,
  };
}

function closeStream({ extent, log, commitments, findings, groupsEnd }: OpenStream, results: Results): void {
  const { stream, n } = extent;
  const { kind, tenant, store } = stream;
  const { counters } = TABLES[kind];
  commitments.finish(n);
  if (log !== undefined) {
    const row = { stream: { tenant, store }, position: n };
    if (groupsEnd !== undefined && groupsEnd !== n) {
      const message = `groups end at ${groupsEnd}, the stream at ${n}`;
      findings.add(
        findingOf({ ...row, table: 'ves_sequencer_receipts', row: `last_sequence ${groupsEnd}` }, [
          { check: 'group-range', column: 'last_sequence', message },
        ]),
      );
    }
    const fault = log.checkEdge(stream.frontier);
    if (fault) findings.add(findingOf({ ...row, table: counters, row: 'the stream' }, [fault]));
    results.addConsequences(log.consequences);
  }
  results.add({ findings: findings.first, total: findings.total, counts: { [counters]: 1 } });
}

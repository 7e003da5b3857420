/**
 * Commits streams without being asked: as soon as enough events wait, or one has waited long enough. Any number of processes may
 * do it at once, since the rules of commitments let one of them win each range and the others find it done.
 */
import type { CommitmentStream } from '../store/commitment-rows.js';
import type { Sql } from '../store/connection.js';
import { lastLegacyCommitment } from '../store/legacy-commitments.js';
import { type CommitmentKind, type DueStream, findDueStreams } from '../store/uncommitted-streams.js';
import { lastVesCommitment } from '../store/ves-commitments.js';
import type { CommitmentService } from './commitment-service.js';

/** Streams that one tick looks at, of each kind. */
const STREAMS_PER_TICK = 2000;
/** Streams that one tick commits, of each kind. */
const DUE_PER_TICK = 100;
/** Commitments that a stream with a backlog gets in one tick. */
const RANGES_PER_STREAM = 8;
/** A stream that cannot be committed is left alone for this long, then for twice as long up to the greatest pause. */
const FAILED_PAUSE_MS = 5_000;
const FAILED_PAUSE_MS_MAX = 300_000;
/** Streams whose failures are remembered. */
const FAILED_MAX = 10_000;

const KINDS: readonly CommitmentKind[] = ['ves', 'legacy'];

/** What a tick has done. */
export type BackgroundRound = {
  readonly commitments: number;
  readonly events: number;
  /** Whether the next tick would find work without waiting: streams not looked at, or a backlog. */
  readonly more: boolean;
  /** Streams that could not be committed, and why; they are tried again after a pause. */
  readonly failures: readonly { kind: CommitmentKind; stream: CommitmentStream; error: unknown }[];
};

export interface BackgroundCommitter {
  /**
   * Commits what is due, within bounds. A tick that is still running is not started again: its promise is answered.
   *
   * @throws the driver's error when the due streams cannot be found
   */
  tick(): Promise<BackgroundRound>;
}

export function createBackgroundCommitter(deps: {
  readonly sql: Sql;
  readonly commitments: Pick<CommitmentService, 'commitVes' | 'commitLegacy'>;
  /** Most events of one commitment; as many waiting ones are committed at once. 0: nothing is committed. */
  readonly eventsMax: number;
  /** How long an event waits at most. */
  readonly intervalMs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}): BackgroundCommitter {
  const { sql, commitments, eventsMax, intervalMs, now } = deps;
  /** Where the walk over all streams goes on. */
  const position: Record<CommitmentKind, CommitmentStream | undefined> = {
    ves: undefined,
    legacy: undefined,
  };
  /** By kind and stream: when to try again, and how long that was put off. */
  const failed = new Map<string, { readonly until: number; readonly pauseMs: number }>();
  let running: Promise<BackgroundRound> | undefined;

  function putOff(key: string): void {
    const pauseMs = Math.min(FAILED_PAUSE_MS_MAX, 2 * (failed.get(key)?.pauseMs ?? FAILED_PAUSE_MS / 2));
    if (failed.size >= FAILED_MAX) failed.clear();
    failed.set(key, { until: now() + pauseMs, pauseMs });
  }

  async function round(): Promise<BackgroundRound> {
    const result = {
      commitments: 0,
      events: 0,
      more: false,
      failures: [] as BackgroundRound['failures'][number][],
    };
    const cutoff = new Date(now() - intervalMs).toISOString();
    for (const kind of KINDS) {
      const limits = { eventsMax, cutoff, streamsMax: STREAMS_PER_TICK, dueMax: DUE_PER_TICK };
      const { due, next } = await findDueStreams(sql, kind, position[kind], limits);
      position[kind] = next;
      if (next !== undefined) result.more = true;
      for (const { tenantId, storeId, ...state } of due) {
        const stream = { tenantId, storeId };
        const key = `${kind} ${tenantId}/${storeId}`;
        if ((failed.get(key)?.until ?? 0) > now()) continue;
        try {
          const done = await commitStream(kind, stream, state);
          result.commitments += done.commitments;
          result.events += done.events;
          if (done.more) result.more = true;
          failed.delete(key);
        } catch (error) {
          putOff(key);
          result.failures.push({ kind, stream, error });
        }
      }
    }
    return result;
  }

  async function commitStream(
    kind: CommitmentKind,
    stream: CommitmentStream,
    state: Omit<DueStream, keyof CommitmentStream>,
  ) {
    const done = { commitments: 0, events: 0, more: false };
    const size = BigInt(eventsMax);
    let { committed, old } = state;
    while (state.head - committed >= size || (old && state.head > committed)) {
      if (done.commitments === RANGES_PER_STREAM) return { ...done, more: true };
      const end = state.head - committed < size ? state.head : committed + size;
      if (!(await commitRange(kind, stream, committed + 1n, end))) return done;
      done.commitments++;
      done.events += Number(end - committed);
      committed = end;
      old = false; // only the oldest event was looked at
    }
    return done;
  }

  /** False when somebody else has committed meanwhile: then the range is not ours to choose any more. */
  async function commitRange(kind: CommitmentKind, stream: CommitmentStream, start: bigint, end: bigint) {
    try {
      await (kind === 'ves'
        ? commitments.commitVes(stream, start, end)
        : commitments.commitLegacy(stream, start, end));
      return true;
    } catch (error) {
      const last = await (kind === 'ves' ? lastVesCommitment : lastLegacyCommitment)(sql, stream);
      if (last !== undefined && last.sequenceEnd >= start) return false;
      throw error;
    }
  }

  return {
    tick() {
      if (eventsMax === 0) return Promise.resolve({ commitments: 0, events: 0, more: false, failures: [] });
      running ??= round().finally(() => {
        running = undefined;
      });
      return running;
    },
  };
}

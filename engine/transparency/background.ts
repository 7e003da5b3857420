/** The background work of transparency: notarising, witnessing, and writing tiles. Nothing that is acknowledged waits for it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ServiceError } from '../errors/index.js';
import type { Leadership } from '../store/leadership.js';
import type { LogId } from './log-id.js';
import type { LogService } from './log-service.js';
import type { Notary } from './notary.js';
import type { TransparencyLog, Witnessing } from './witnessing.js';

export interface TransparencyLoop {
  start(): void;
  /** Waits for the steps under way and gives the lead up; witnesses are not waited for. */
  stop(): Promise<void>;
}

/** Entries of one append. */
const ENTRIES_PER_STEP = 500;
/** Streams whose tiles are written in one step, and tiles of each log. */
const STREAMS_PER_STEP = 32;
const TILES_PER_LOG = 64;
/** A log whose tiles cannot be written is left alone for this long. */
const FAILED_LOG_PAUSE_MS = 300_000;
/** Witnesses are looked after this often; their own pauses are longer. */
const WITNESS_INTERVAL_MS = 1000;
const TILE_INTERVAL_MS = 1000;
/** Longest pause after failures. */
const PAUSE_MAX_MS = 60_000;
/** Problems that are remembered as reported, and logs as failed. */
const REPORTED_MAX = 10_000;

const NOTARY: LogId = { kind: 'notary' };
const nameOf = (id: LogId) => (id.kind === 'notary' ? 'notary' : `${id.tenantId}/${id.storeId}`);

/**
 * Runs until stopped. A step that fails is logged and tried again after a pause that grows; nothing is thrown. Several processes may
 * run it on one database; with `leadership` only one of them works at a time, without it they do some work twice.
 */
export function createTransparencyLoop(deps: {
  notary: Notary;
  logs: LogService;
  witnessing: Witnessing;
  log: TransparencyLog;
  /** Pause between two checkpoints of the notary. */
  intervalMs: number;
  tileIntervalMs?: number;
  leadership?: Leadership;
}): TransparencyLoop {
  const { notary, logs, witnessing, log, intervalMs, tileIntervalMs = TILE_INTERVAL_MS, leadership } = deps;
  const stopping = new AbortController();
  const { signal } = stopping;
  const reported = new Set<string>();
  /** Logs whose tiles could not be written -> when to try again. */
  const failedLogs = new Map<string, number>();
  let loops: Promise<void>[] = [];

  /** One look at all streams, with a checkpoint at its end, and in between when it takes long. */
  async function notarise(): Promise<void> {
    let issuedAt = performance.now();
    for (let done = false; !done && !signal.aborted; ) {
      const step = await notary.notarise(ENTRIES_PER_STEP);
      for (const { tenantId, storeId, problem } of step.refused)
        reportOnce('a damaged stream is not notarised', { tenantId, storeId, problem });
      done = step.done;
      if (!done && performance.now() - issuedAt < intervalMs) continue;
      await notary.issueCheckpoint();
      issuedAt = performance.now();
    }
  }

  /** Every log in turn gets some tiles, so that a long one does not keep the others waiting. */
  async function writeTiles(): Promise<void> {
    for (let written = 1; written > 0 && !signal.aborted; ) {
      // Logs that failed are still asked for by the database: they must not take the places of others.
      const behind = await logs.streamsToIntegrate(STREAMS_PER_STEP + failedLogs.size);
      written = 0;
      for (const each of [NOTARY, ...behind]) {
        if (signal.aborted) return;
        if ((failedLogs.get(nameOf(each)) ?? 0) > performance.now()) continue;
        written += await writeTilesOf(each);
      }
    }
  }

  async function writeTilesOf(id: LogId): Promise<number> {
    const name = nameOf(id);
    try {
      const { written } = await logs.integrate(id, TILES_PER_LOG);
      failedLogs.delete(name);
      return written;
    } catch (error) {
      // Anything else than a verdict on this log, such as a lost connection, ends the step.
      if (!(error instanceof ServiceError)) throw error;
      if (failedLogs.size >= REPORTED_MAX) failedLogs.clear();
      failedLogs.set(name, performance.now() + FAILED_LOG_PAUSE_MS);
      reportOnce('tiles of a log cannot be written', { log: name, problem: error.message });
      return 0;
    }
  }

  function reportOnce(message: string, details: object): void {
    const text = `${message} ${JSON.stringify(details)}`;
    if (reported.has(text)) return;
    if (reported.size >= REPORTED_MAX) reported.clear();
    reported.add(text);
    log('error', message, details);
  }

  /** Never rejects. */
  async function repeat(name: string, everyMs: number, step: () => Promise<void>): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      try {
        if (!leadership || (await leadership.holds())) await step();
        failures = 0;
      } catch (error) {
        failures++;
        if (!signal.aborted) log('error', `${name} failed`, { cause: reasonOf(error), failures });
      }
      const pauseMs =
        failures === 0 ? everyMs : Math.min(PAUSE_MAX_MS, Math.max(everyMs, 100) * 2 ** failures);
      await sleep(pauseMs, undefined, { signal }).catch(() => {}); // woken by stop
    }
  }

  return {
    start() {
      if (loops.length > 0) return;
      loops = [
        repeat('notarising', intervalMs, notarise),
        repeat('witnessing', Math.min(intervalMs, WITNESS_INTERVAL_MS), () => witnessing.advance()),
        repeat('writing tiles', tileIntervalMs, writeTiles),
      ];
    },
    async stop() {
      stopping.abort();
      await Promise.all([...loops, witnessing.stop()]);
      await leadership?.release();
    },
  };
}

/** For the log: an error, and what was underneath it, which other threads send as the text of its stack. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause === undefined) return String(error);
  const [underneath] = String(cause).split('\n', 1);
  return `${error} (${underneath})`;
}

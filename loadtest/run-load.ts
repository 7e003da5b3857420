/**
 * Sends prepared requests over many connections and measures.
 *
 * closed loop  every connection sends its next request when it has its answer: finds the greatest rate.
 * open loop    requests are due at fixed instants whether or not earlier ones were answered, and their latency counts from
 *              the instant they were due: a service that stalls is charged for everyone who would have waited
 *              (no coordinated omission).
 */
import { build, type Histogram } from 'hdr-histogram-js';
import { openRawConnection, type RawConnection } from './connection.js';
import { type RequestBlock, requestAt } from './requests.js';

export interface LoadPlan {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  /** Events per request. */
  readonly batch: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  /** Requests per second in open loop; undefined: closed loop. */
  readonly ratePerSec?: number;
  /** One answer in so many is kept for verification. */
  readonly sampleEvery: number;
  /** Start over when the requests are used up: for services that do not look at them. */
  readonly repeat?: boolean;
}

/** An answer that was kept. */
export interface LoadSample {
  readonly block: number;
  readonly request: number;
  readonly text: string;
}

export interface LoadResult {
  /** Of the whole run, warm-up included: everything the service must have stored. */
  readonly acknowledgedRequests: number;
  readonly acknowledgedEvents: number;
  /** Requests answered otherwise than with 200 and all events accepted, and the first such answers. */
  readonly failures: number;
  readonly failureTexts: readonly string[];
  /** Of the measured time. */
  readonly measuredMs: number;
  readonly measuredEvents: number;
  /** Events per second of each full second. */
  readonly eventsPerSecond: readonly number[];
  readonly cpuMicros: number;
  readonly latency: LatencySummary;
  readonly samples: readonly LoadSample[];
  /** The prepared requests ran out before the time was over. */
  readonly ranOut: boolean;
}

/** Microseconds. */
export interface LatencySummary {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly mean: number;
}

/** Where a reply's `eventsAccepted` begins: `{"batchId":"…36…","eventsAccepted":`. */
const ACCEPTED_AT = 67;
const ZERO = 0x30;
const LATENCY_MAX_US = 600_000_000;
const FAILURE_TEXTS_MAX = 5;
const TICK_MS = 1;
const DRAIN_TIMEOUT_MS = 60_000;

const nowMicros = (): number => performance.now() * 1000;

/** @param onPhase told when the measured time begins and when it ends, so that others can read their clocks */
export async function runLoad(
  plan: LoadPlan,
  blocks: readonly RequestBlock[],
  onPhase: (phase: 'begin' | 'end') => void = () => {},
): Promise<LoadResult> {
  const run = createRun(plan, blocks);
  const slots = await Promise.all(Array.from({ length: plan.connections }, () => openSlot(plan, run)));
  const result = plan.ratePerSec === undefined ? closedLoop(plan, run, slots) : openLoop(plan, run, slots);
  const measured = measureWindow(plan, run, onPhase);
  await result;
  const window = await measured;
  for (const slot of slots) slot.connection.close();
  return { ...run.totals(), ...window };
}

/** One connection and what it waits for. */
interface Slot {
  connection: RawConnection;
  block: number;
  request: number;
  /** When its request was sent (closed loop) or due (open loop), in microseconds; -1: idle. */
  sinceMicros: number;
  onIdle: () => void;
}

type Run = ReturnType<typeof createRun>;

function createRun(plan: LoadPlan, blocks: readonly RequestBlock[]) {
  const total = blocks.reduce((sum, block) => sum + block.ends.length, 0);
  const histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: LATENCY_MAX_US,
    numberOfSignificantValueDigits: 3,
  });
  const failureTexts: string[] = [];
  const samples: LoadSample[] = [];
  let taken = 0;
  let acknowledged = 0;
  let failures = 0;
  const run = {
    measuring: false,
    stopped: false,
    ranOut: false,
    /** Told when the prepared requests are used up. */
    onRanOut: () => {},
    measuredEvents: 0,
    histogram,
    /** Sends the next request over `slot`; false when there is none left or the time is up. */
    sendNext(slot: Slot, sinceMicros: number): boolean {
      if (run.stopped) return false;
      if (taken === total && plan.repeat) taken = 0;
      if (taken === total) {
        run.ranOut = true;
        run.onRanOut();
        return false;
      }
      // Blocks are of one length: they take turns.
      slot.block = taken % blocks.length;
      slot.request = Math.floor(taken / blocks.length);
      taken++;
      slot.sinceMicros = sinceMicros;
      slot.connection.send(requestAt(blocks[slot.block]!, slot.request));
      return true;
    },
    answered(slot: Slot, status: number, body: Buffer): void {
      const micros = nowMicros() - slot.sinceMicros;
      slot.sinceMicros = -1;
      if (status === 200 && acceptedIn(body) === plan.batch) acknowledged++;
      else run.failed(`${status} ${body.toString('utf8', 0, 300)}`);
      if (run.measuring) {
        run.measuredEvents += plan.batch;
        histogram.recordValue(Math.max(1, Math.round(micros)));
      }
      if (acknowledged % plan.sampleEvery === 0)
        samples.push({ block: slot.block, request: slot.request, text: body.toString('utf8') });
      slot.onIdle();
    },
    failed(text: string): void {
      failures++;
      if (failureTexts.length < FAILURE_TEXTS_MAX) failureTexts.push(text);
    },
    totals: () => ({
      acknowledgedRequests: acknowledged,
      acknowledgedEvents: acknowledged * plan.batch,
      failures,
      failureTexts,
      samples,
      ranOut: run.ranOut,
    }),
  };
  return run;
}

/** The reply's `eventsAccepted`, read without parsing the reply. */
function acceptedIn(body: Buffer): number {
  let value = 0;
  for (let at = ACCEPTED_AT; ; at++) {
    const digit = (body[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return value;
    value = value * 10 + digit;
  }
}

async function openSlot(plan: LoadPlan, run: Run): Promise<Slot> {
  const slot: Slot = {
    connection: undefined as never,
    block: 0,
    request: 0,
    sinceMicros: -1,
    onIdle: () => {},
  };
  slot.connection = await openRawConnection({
    host: plan.host,
    port: plan.port,
    onAnswer: (status, body) => run.answered(slot, status, body),
    onBroken(reason) {
      // The request under way has an unknown outcome, which the correctness pass allows for.
      run.failed(reason);
      run.stopped = true;
      slot.sinceMicros = -1;
      slot.onIdle();
    },
  });
  return slot;
}

function closedLoop(plan: LoadPlan, run: Run, slots: readonly Slot[]): Promise<void> {
  return new Promise((resolve) => {
    let active = slots.length;
    const finish = watchdog(run, resolve);
    for (const slot of slots) {
      slot.onIdle = () => {
        if (!run.sendNext(slot, nowMicros()) && --active === 0) finish();
      };
    }
    setTimeout(() => {
      run.stopped = true;
    }, plan.warmupMs + plan.measureMs);
    for (const slot of slots) slot.onIdle();
  });
}

function openLoop(plan: LoadPlan, run: Run, slots: readonly Slot[]): Promise<void> {
  return new Promise((resolve) => {
    const gapMicros = 1e6 / plan.ratePerSec!;
    const startMicros = nowMicros();
    const endMicros = startMicros + (plan.warmupMs + plan.measureMs) * 1000;
    const idle: Slot[] = [...slots];
    let dueMicros = startMicros;
    let over = false;
    const finish = watchdog(run, resolve);
    /** Sends everything that is due, as far as there are free connections. */
    const pump = () => {
      const now = nowMicros();
      while (dueMicros <= now && dueMicros < endMicros && idle.length > 0) {
        // Taking turns keeps every connection in use: servers close idle ones.
        const slot = idle.shift()!;
        if (!run.sendNext(slot, dueMicros)) {
          idle.push(slot);
          over = true;
          break;
        }
        dueMicros += gapMicros;
      }
      if ((over || dueMicros >= endMicros) && idle.length === slots.length) {
        clearInterval(timer);
        run.stopped = true;
        finish();
      }
    };
    for (const slot of slots) {
      slot.onIdle = () => {
        idle.push(slot);
        pump();
      };
    }
    const timer = setInterval(pump, TICK_MS);
  });
}

/** Answers that never come must not hold up the test for ever. */
function watchdog(run: Run, resolve: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const poll = setInterval(() => {
    if (!run.stopped || timer) return;
    timer = setTimeout(() => {
      run.failed(`requests without an answer after ${DRAIN_TIMEOUT_MS} ms`);
      finish();
    }, DRAIN_TIMEOUT_MS);
  }, 1000);
  const finish = () => {
    clearInterval(poll);
    clearTimeout(timer);
    resolve();
  };
  return finish;
}

async function measureWindow(plan: LoadPlan, run: Run, onPhase: (phase: 'begin' | 'end') => void) {
  await new Promise((resolve) => setTimeout(resolve, plan.warmupMs));
  run.measuring = true;
  onPhase('begin');
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  const eventsPerSecond: number[] = [];
  let lastAt = startedAt;
  let lastEvents = 0;
  const ticking = setInterval(() => {
    const at = performance.now();
    eventsPerSecond.push(((run.measuredEvents - lastEvents) * 1000) / (at - lastAt));
    lastAt = at;
    lastEvents = run.measuredEvents;
  }, 1000);
  await new Promise<void>((resolve) => {
    run.onRanOut = resolve;
    setTimeout(resolve, plan.measureMs);
  });
  clearInterval(ticking);
  run.measuring = false;
  const used = process.cpuUsage(cpu);
  onPhase('end');
  return {
    measuredMs: performance.now() - startedAt,
    measuredEvents: run.measuredEvents,
    eventsPerSecond,
    cpuMicros: used.user + used.system,
    latency: summarize(run.histogram),
  };
}

function summarize(histogram: Histogram): LatencySummary {
  const at = (percent: number) => histogram.getValueAtPercentile(percent);
  return {
    count: histogram.totalCount,
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p999: at(99.9),
    max: histogram.maxValue,
    mean: histogram.mean,
  };
}

/**
 * Sends prepared requests over many connections and measures.
 *
 * closed loop  every connection sends its next request when it has its answer: finds the greatest rate.
 * open loop    requests are due at fixed instants whether or not earlier ones were answered, and their latency counts from
 *              the instant they were due: a service that stalls is charged for everyone who would have waited
 *              (no coordinated omission).
 */
import { LINES } from './lines.js';
import type { LoadPlan, LoadResult } from './load-plan.js';
import { createLoadRun, type LoadRun, type Slot } from './load-run.js';
import { closedLoop, openLoop } from './loops.js';
import type { RequestBlock } from './requests.js';

export type { LatencySummary } from './latency.js';
export type { LoadPlan, LoadResult, LoadSample } from './load-plan.js';

const WINDOW_MS = 1_000;

/** @param onPhase told when the measured time begins and when it ends, so that others can read their clocks */
export async function runLoad(
  plan: LoadPlan,
  blocks: readonly RequestBlock[],
  onPhase: (phase: 'begin' | 'end') => void = () => {},
): Promise<LoadResult> {
  const run = createLoadRun(plan, blocks);
  const opened = await Promise.all(Array.from({ length: plan.connections }, () => openSlots(plan, run)));
  // Round by round, so that requests that follow each other go over different lines.
  const slots = Array.from({ length: plan.window ?? 1 }, (_, i) => opened.map((places) => places[i]!)).flat();
  const result = plan.ratePerSec === undefined ? closedLoop(plan, run, slots) : openLoop(plan, run, slots);
  const measured = measureWindow(plan, run, onPhase);
  await result;
  const window = await measured;
  for (const places of opened) places[0]!.line.close();
  return { ...run.totals(), ...window };
}

/** Opens a line; the answer has as many slots as it takes requests at once. */
async function openSlots(plan: LoadPlan, run: LoadRun): Promise<Slot[]> {
  const slots: Slot[] = Array.from({ length: plan.window ?? 1 }, () => ({
    line: undefined as never,
    ...{ block: 0, request: 0, sinceMicros: -1, broken: false },
    onIdle: () => {},
  }));
  const line = await LINES[plan.protocol ?? 'http']<Slot>({
    ...{ host: plan.host, port: plan.port, apiKey: plan.apiKey ?? '' },
    onAnswer: (slot, answer) => run.answered(slot, answer),
    onBroken(reason) {
      for (const slot of slots) slot.broken = true;
      for (const slot of slots) {
        if (slot.sinceMicros === -1) continue;
        // The request under way has an unknown outcome, which the correctness pass allows for.
        run.failed('connection', reason);
        slot.sinceMicros = -1;
        slot.onIdle();
      }
    },
  });
  for (const slot of slots) slot.line = line;
  return slots;
}

async function measureWindow(plan: LoadPlan, run: LoadRun, onPhase: (phase: 'begin' | 'end') => void) {
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
  }, WINDOW_MS);
  await new Promise<void>((resolve) => {
    run.onRanOut = resolve;
    if (run.ranOut) resolve();
    setTimeout(resolve, plan.measureMs);
  });
  clearInterval(ticking);
  run.measuring = false;
  const used = process.cpuUsage(cpu);
  onPhase('end');
  return {
    measuredMs: performance.now() - startedAt,
    measuredRequests: run.measuredRequests,
    measuredEvents: run.measuredEvents,
    eventsPerSecond,
    cpuMicros: used.user + used.system,
    latency: run.recorder.summary(),
    latencies: run.recorder.encode(),
  };
}

/** When the next request is sent. */
import type { LoadPlan } from './load-plan.js';
import { type LoadRun, nowMicros, type Slot } from './load-run.js';

const TICK_MS = 1;
const DRAIN_TIMEOUT_MS = 60_000;
const WATCH_INTERVAL_MS = 1_000;

/** Every slot sends its next request when it has its answer. Resolves when the time is up and nothing is under way. */
export function closedLoop(plan: LoadPlan, run: LoadRun, slots: readonly Slot[]): Promise<void> {
  return new Promise((resolve) => {
    let active = slots.length;
    const finish = watchdog(run, resolve);
    for (const slot of slots) {
      slot.onIdle = () => {
        if (!run.sendNext(slot, nowMicros()) && --active === 0) {
          run.stopped = true;
          finish();
        }
      };
    }
    setTimeout(() => {
      run.stopped = true;
    }, plan.warmupMs + plan.measureMs);
    for (const slot of slots) slot.onIdle();
  });
}

/** Requests are due at fixed instants. Resolves when all that were due are sent, and nothing is under way. */
export function openLoop(plan: LoadPlan, run: LoadRun, slots: readonly Slot[]): Promise<void> {
  return new Promise((resolve) => {
    const gapMicros = 1e6 / plan.ratePerSec!;
    const startMicros = nowMicros();
    const endMicros = startMicros + (plan.warmupMs + plan.measureMs) * 1000;
    let idle: Slot[] = [...slots];
    let dueMicros = startMicros;
    let over = false;
    const finish = watchdog(run, resolve);
    const underWay = () => slots.some((slot) => slot.sinceMicros !== -1);
    /** Sends everything that is due, as far as there is room. */
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
      if ((over || dueMicros >= endMicros || slots.every((slot) => slot.broken)) && !underWay()) {
        clearInterval(timer);
        run.stopped = true;
        finish();
      }
    };
    for (const slot of slots) {
      slot.onIdle = () => {
        if (slot.broken) idle = idle.filter((other) => other !== slot);
        else idle.push(slot);
        pump();
      };
    }
    const timer = setInterval(pump, TICK_MS);
  });
}

/** Answers that never come must not hold up the test for ever. */
function watchdog(run: LoadRun, resolve: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const poll = setInterval(() => {
    if (!run.stopped || timer) return;
    timer = setTimeout(() => {
      run.failed('no answer', `requests without an answer after ${DRAIN_TIMEOUT_MS} ms`);
      finish();
    }, DRAIN_TIMEOUT_MS);
  }, WATCH_INTERVAL_MS);
  const finish = () => {
    clearInterval(poll);
    clearTimeout(timer);
    resolve();
  };
  return finish;
}

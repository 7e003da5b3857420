import { LRUCache } from 'lru-cache';

/** What a limit is counted over, unless said otherwise. */
export const RATE_WINDOW_SECS = 60;
/** Most callers counted at once, unless said otherwise; the one that was quiet for longest is forgotten first. */
const CALLERS_MAX = 10_000;
/** A window moves on in at most so many steps: longer ones in steps of several seconds. */
const STEPS_MAX = 60;

/** What became of one request under a limit. */
export interface RateVerdict {
  readonly allowed: boolean;
  /** Requests that are left at this moment. */
  readonly remaining: number;
  /** Seconds, at least 1, until one more request fits than fits now. */
  readonly waitSecs: number;
}

/** Requests of one caller by the step. */
interface Window {
  /** Requests in step `s` at index `s % counts.length`. */
  readonly counts: Uint32Array;
  /** The last step the window covers. */
  step: number;
  total: number;
}

/** Counts requests per caller, in this process. */
export interface RateLimiter {
  /**
   * Counts a request, unless it is refused.
   *
   * @param limit most requests in the window
   */
  take(caller: string, limit: number): RateVerdict;
  /** Takes back the last request, which was refused for another reason. */
  giveBack(caller: string): void;
  /** How a caller stands; nothing is counted. */
  look(caller: string, limit: number): RateVerdict;
  readonly windowSecs: number;
}

export interface RateLimiterOptions {
  /** Length of the window in whole seconds. */
  readonly windowSecs?: number;
  readonly callersMax?: number;
}

/**
 * A sliding window in steps of a second, or of a sixtieth of the window where that is longer: a request stops counting up to one
 * step before the window's length is over.
 *
 * @param nowMs milliseconds on a clock that never goes back
 */
export function createRateLimiter(nowMs: () => number, options: RateLimiterOptions = {}): RateLimiter {
  const { windowSecs = RATE_WINDOW_SECS, callersMax = CALLERS_MAX } = options;
  const stepSecs = Math.ceil(windowSecs / STEPS_MAX);
  const steps = Math.ceil(windowSecs / stepSecs);
  const windows = new LRUCache<string, Window>({ max: callersMax });

  /** The caller's window, moved on to now. */
  function find(caller: string): Window {
    const now = Math.floor(nowMs() / 1000 / stepSecs);
    let window = windows.get(caller);
    if (window === undefined) {
      window = { counts: new Uint32Array(steps), step: now, total: 0 };
      windows.set(caller, window);
    }
    advance(window, now);
    return window;
  }

  function verdict(window: Window, limit: number, allowed: boolean): RateVerdict {
    const remaining = Math.max(0, limit - window.total);
    return { allowed, remaining, waitSecs: stepsUntilBelow(window, limit - remaining) * stepSecs };
  }

  return {
    windowSecs,
    take(caller, limit) {
      const window = find(caller);
      const allowed = window.total < limit;
      if (allowed) {
        window.counts[window.step % steps]!++;
        window.total++;
      }
      return verdict(window, limit, allowed);
    },
    giveBack(caller) {
      const window = find(caller);
      const slot = window.step % steps;
      if (window.counts[slot] === 0) return; // counted in the step before: it stays counted
      window.counts[slot]!--;
      window.total--;
    },
    look(caller, limit) {
      const window = find(caller);
      return verdict(window, limit, window.total < limit);
    },
  };
}

/** Moves the window on to a step; what falls out of it no longer counts. */
function advance(window: Window, now: number): void {
  const { counts } = window;
  const passed = Math.min(now - window.step, counts.length);
  for (let i = 0; i < passed; i++) {
    const slot = (now - i) % counts.length;
    window.total -= counts[slot]!;
    counts[slot] = 0;
  }
  window.step = now;
}

/** Steps until fewer than `count` requests are in the window, if no more come. */
function stepsUntilBelow({ counts, step, total }: Window, count: number): number {
  let left = total;
  for (let wait = 1; wait < counts.length; wait++) {
    left -= counts[(step + wait) % counts.length]!; // the step that falls out then
    if (left < count) return wait;
  }
  return counts.length;
}

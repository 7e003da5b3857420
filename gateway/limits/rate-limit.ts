import { LRUCache } from 'lru-cache';

/** What a limit is counted over. */
export const RATE_WINDOW_SECS = 60;
/** Most callers counted at once; the one that was quiet for longest is forgotten first. */
const CALLERS_MAX = 100_000;

/** What became of one request under a limit. */
export interface RateVerdict {
  readonly allowed: boolean;
  /** Requests that are left at this moment. */
  readonly remaining: number;
  /** Seconds, at least 1, until one more request fits than fits now. */
  readonly waitSecs: number;
}

/** Requests of one caller by the second. */
interface Window {
  /** Requests in second `s` at index `s % RATE_WINDOW_SECS`. */
  readonly counts: Uint32Array;
  /** The last second the window covers. */
  second: number;
  total: number;
}

/** Counts requests per caller, in this process. */
export interface RateLimiter {
  /**
   * Counts a request, unless it is refused.
   *
   * @param perMinute most requests in {@link RATE_WINDOW_SECS} seconds
   */
  take(caller: string, perMinute: number): RateVerdict;
}

/**
 * A sliding window in steps of a second: a request stops counting 59 to 60 s after it came.
 *
 * @param nowMs milliseconds on a clock that never goes back
 */
export function createRateLimiter(nowMs: () => number): RateLimiter {
  const windows = new LRUCache<string, Window>({ max: CALLERS_MAX });
  return {
    take(caller, perMinute) {
      const now = Math.floor(nowMs() / 1000);
      let window = windows.get(caller);
      if (window === undefined) {
        window = { counts: new Uint32Array(RATE_WINDOW_SECS), second: now, total: 0 };
        windows.set(caller, window);
      }
      advance(window, now);
      const allowed = window.total < perMinute;
      if (allowed) {
        window.counts[now % RATE_WINDOW_SECS]!++;
        window.total++;
      }
      const remaining = Math.max(0, perMinute - window.total);
      return { allowed, remaining, waitSecs: secondsUntilBelow(window, perMinute - remaining) };
    },
  };
}

/** Moves the window on to a second; what falls out of it no longer counts. */
function advance(window: Window, now: number): void {
  const steps = Math.min(now - window.second, RATE_WINDOW_SECS);
  for (let i = 0; i < steps; i++) {
    const slot = (now - i) % RATE_WINDOW_SECS;
    window.total -= window.counts[slot]!;
    window.counts[slot] = 0;
  }
  window.second = now;
}

/** Seconds until fewer than `count` requests are in the window, if no more come. */
function secondsUntilBelow(window: Window, count: number): number {
  let left = window.total;
  for (let wait = 1; wait < RATE_WINDOW_SECS; wait++) {
    left -= window.counts[(window.second + wait) % RATE_WINDOW_SECS]!; // the second that falls out then
    if (left < count) return wait;
  }
  return RATE_WINDOW_SECS;
}

import { setImmediate } from 'node:timers/promises';

/** Longest piece of work between two pauses. */
const WORK_MS_MAX = 2;

/** Lets the other tasks of a thread run during long computations. */
export interface Breather {
  /** Whether it is time for a pause. */
  due(): boolean;
  /** Lets everything else run that is waiting. */
  pause(): Promise<void>;
}

export function createBreather(): Breather {
  let since = performance.now();
  return {
    due: () => performance.now() - since >= WORK_MS_MAX,
    async pause() {
      await setImmediate();
      since = performance.now();
    },
  };
}

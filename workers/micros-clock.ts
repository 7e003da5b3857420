import type { Clock } from '../engine/sequencer/index.js';

/** The wall clock. `nowMicros` strictly increases, so groups of one partition never share an instant or go back in time. */
export function createMicrosClock(): Clock {
  let last = 0;
  return {
    nowMs: () => Date.now(),
    nowMicros() {
      last = Math.max(last + 1, Date.now() * 1000);
      return last;
    },
  };
}

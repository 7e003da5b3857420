import { setImmediate as nextTurn } from 'node:timers/promises';

/** Longest piece of work between two looks at what else waits. */
const SLICE_MS = 2;

/** Called between the steps of a long loop: something to await when it is time to give way, otherwise undefined. */
export type Breather = () => Promise<void> | undefined;

/** Lets the other tasks of a thread run during long computations. One serves all loops of a task that take turns. */
export function createBreather(): Breather {
  let since = performance.now();
  return () =>
    performance.now() - since < SLICE_MS
      ? undefined
      : nextTurn().then(() => {
          since = performance.now();
        });
}

/**
 * Time and order of a simulated world. Everything that happens is an entry here, and entries run one at a time: the one
 * that is due first, ties broken by the seed. Promises of the code under test are resolved by entries only, so a run is a
 * function of its seed.
 */
import type { Random } from './random.js';

/** Milliseconds since the epoch when a simulated world begins. */
const BEGIN_MS = Date.UTC(2026, 0, 1);

export interface Scheduler {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Entries run so far. */
  readonly steps: number;
  after(ms: number, action: () => void): void;
  sleep(ms: number): Promise<void>;
  /** Runs the next entry and whatever follows from it at once; false when there is none. */
  step(): Promise<boolean>;
}

interface Entry {
  readonly at: number;
  readonly tie: number;
  readonly action: () => void;
}

const isBefore = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.tie < b.tie);

export function createScheduler(random: Random): Scheduler {
  /** Binary heap. */
  const entries: Entry[] = [];
  let now = BEGIN_MS;
  let steps = 0;

  function push(entry: Entry): void {
    let at = entries.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, entries[parent]!)) break;
      entries[at] = entries[parent]!;
      at = parent;
    }
    entries[at] = entry;
  }

  function pop(): Entry | undefined {
    const top = entries[0];
    const last = entries.pop();
    if (!top || !last || entries.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= entries.length) break;
      if (child + 1 < entries.length && isBefore(entries[child + 1]!, entries[child]!)) child++;
      if (!isBefore(entries[child]!, last)) break;
      entries[at] = entries[child]!;
      at = child;
    }
    entries[at] = last;
    return top;
  }

  const after = (ms: number, action: () => void) => push({ at: now + ms, tie: random.next(), action });
  return {
    now: () => now,
    get steps() {
      return steps;
    },
    after,
    sleep: (ms) => new Promise((resolve) => after(ms, resolve)),
    async step() {
      const entry = pop();
      if (!entry) return false;
      steps++;
      now = entry.at;
      entry.action();
      // Not a timer: lets every promise that this entry settled run dry.
      await new Promise(setImmediate);
      return true;
    },
  };
}

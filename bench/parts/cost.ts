import { Bench } from 'tinybench';

/** One part's cost. */
export interface PartCost {
  readonly name: string;
  /** CPU microseconds, median. */
  readonly us_per_event: number;
  /** Half the distance of the quartiles, in percent of the median. */
  readonly spread_percent: number;
  /** Whether it is a term of the ceiling's sum; the others are shares of such terms, or baselines. */
  readonly counts: boolean;
}

/** A part that runs on its own, synchronously. */
export interface Part {
  readonly name: string;
  /** Events one call of `run` handles. */
  readonly events: number;
  readonly counts: boolean;
  run(): void;
  /** Called before each `run`, outside the measurement. */
  before?(): void;
}

const ROUNDS = 6;
const TIME_MS = 250;
const WARMUP_MS = 400;

/** CPU time of this process in milliseconds, garbage collection included: what others do on the machine does not count. */
function cpuNow(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Measures the parts in turns, so that a slow phase of the machine falls on all of them alike. */
export function measureParts(parts: readonly Part[]): PartCost[] {
  const samples = new Map<string, number[]>(parts.map((part) => [part.name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    const bench = new Bench({
      now: cpuNow,
      time: TIME_MS,
      warmup: round === 0,
      warmupTime: WARMUP_MS,
      retainSamples: true,
    });
    for (const { name, run, before } of parts) bench.add(name, run, before ? { beforeEach: before } : {});
    for (const { name, result } of bench.runSync()) {
      if (!('latency' in result)) throw new Error(`part ${name} failed: ${JSON.stringify(result)}`);
      samples.get(name)!.push(...((result.latency as { samples?: number[] }).samples ?? []));
    }
  }
  return parts.map(({ name, events, counts }) =>
    costOf(
      name,
      samples.get(name)!.map((ms) => (ms * 1000) / events),
      counts,
    ),
  );
}

/** A cost measured by other means: CPU microseconds per event of some rounds. */
export function costOf(name: string, rounds: readonly number[], counts: boolean): PartCost {
  const sorted = [...rounds].sort((a, b) => a - b);
  const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
  const middle = at(0.5);
  return {
    name,
    us_per_event: Number(middle.toFixed(2)),
    spread_percent: Math.round((100 * (at(0.75) - at(0.25))) / 2 / Math.max(middle, 1e-9)),
    counts,
  };
}

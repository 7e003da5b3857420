/** Several load generator threads as one: the work is divided among them, their results are added up. */
import { availableParallelism } from 'node:os';
import type { Acknowledgements } from './acknowledgements.js';
import type { SampledEvents } from './generator-messages.js';
import { type Generator, startGeneratorThread } from './generator-process.js';
import { type LatencySummary, mergeLatencies } from './latency.js';
import type { RequestPlan } from './requests.js';
import type { LoadPlan, LoadResult } from './run-load.js';

/** What all generators did together; the fields are those of {@link LoadResult}. */
export interface GroupResult
  extends Pick<
    LoadResult,
    | 'acknowledgedRequests'
    | 'acknowledgedEvents'
    | 'failures'
    | 'failureTexts'
    | 'errors'
    | 'measuredMs'
    | 'measuredRequests'
    | 'measuredEvents'
    | 'ranOut'
  > {
  readonly latency: LatencySummary;
  readonly acknowledgements: readonly Acknowledgements[];
  readonly samples: readonly SampledEvents[];
}

export interface GeneratorGroup {
  /** Builds `plan.requests` requests in all, on all processors. */
  prepare(plan: RequestPlan): Promise<void>;
  /** Every generator takes all of these requests. */
  take(requests: readonly Uint8Array[]): Promise<void>;
  /** Connections and rate are those of all together. */
  run(plan: LoadPlan, onPhase: (phase: 'begin' | 'end') => void): Promise<GroupResult>;
  close(): void;
}

export function startGenerators(count: number): GeneratorGroup {
  const generators = Array.from({ length: count }, startGeneratorThread);
  /** One after the other where both would want all processors. */
  async function eachInTurn(work: (generator: Generator, index: number) => Promise<void>): Promise<void> {
    for (const [index, generator] of generators.entries()) await work(generator, index);
  }
  return {
    prepare: (plan) =>
      eachInTurn((generator, index) =>
        generator.prepare(
          {
            ...plan,
            requests: Math.ceil(plan.requests / count),
            mix: { ...plan.mix, seed: plan.mix.seed * count + index },
          },
          availableParallelism(),
        ),
      ),
    take: (requests) => eachInTurn((generator) => generator.take(requests)),
    async run(plan, onPhase) {
      const share = { ...plan, ...(plan.ratePerSec ? { ratePerSec: plan.ratePerSec / count } : {}) };
      const all = await Promise.all(
        generators.map((generator, i) =>
          // The first one's phases stand for all: they begin within a millisecond or two.
          generator.run(
            { ...share, connections: Math.max(1, Math.floor((plan.connections + i) / count)) },
            i === 0 ? onPhase : () => {},
          ),
        ),
      );
      return addUp(
        all.map(({ result }) => result),
        all.flatMap(({ sampledEvents }) => sampledEvents),
      );
    },
    close() {
      for (const generator of generators) generator.close();
    },
  };
}

function addUp(results: readonly LoadResult[], samples: readonly SampledEvents[]): GroupResult {
  const sum = (of: (result: LoadResult) => number) =>
    results.reduce((total, result) => total + of(result), 0);
  const errors: Record<string, number> = {};
  for (const result of results)
    for (const [code, count] of Object.entries(result.errors)) errors[code] = (errors[code] ?? 0) + count;
  return {
    acknowledgedRequests: sum((result) => result.acknowledgedRequests),
    acknowledgedEvents: sum((result) => result.acknowledgedEvents),
    failures: sum((result) => result.failures),
    failureTexts: results.flatMap((result) => result.failureTexts),
    errors,
    measuredMs: Math.max(...results.map((result) => result.measuredMs)),
    measuredRequests: sum((result) => result.measuredRequests),
    measuredEvents: sum((result) => result.measuredEvents),
    ranOut: results.some((result) => result.ranOut),
    latency: mergeLatencies(results.map((result) => result.latencies)),
    acknowledgements: results.flatMap(({ acknowledgements }) => acknowledgements ?? []),
    samples,
  };
}

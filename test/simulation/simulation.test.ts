import { describe, expect, test, vi } from 'vitest';
import { outcome } from '../../engine/sequencer/index.js';
import { MUTATIONS, simulate } from '../../engine/simulation/index.js';

/** Another beginning every day, so that the suite keeps looking for new worlds; printed, so that any of them can be replayed. */
const FIRST_SEED = Number(process.env.SIMULATION_SEED ?? Math.floor(Date.now() / 86_400_000) * 1_000);
const SEEDS = 200;
const STEPS = 500;
/** Every planted fault must show within this many seeds of this many steps. */
const MUTATION_SEEDS = 80;
const MUTATION_STEPS = 3_000;

/** Everything an event can be told. */
const OUTCOMES = [
  'ACCEPTED',
  'REPLAYED',
  'REPEATED_EVENT_ID',
  'EVENT_ID_TAKEN',
  'EVENT_ID_DIFFERS',
  'REPEATED_COMMAND_ID',
  'COMMAND_ID_TAKEN',
  'VERSION_CONFLICT',
  'REFUSED_BY_STORE',
  'NOT_STORED',
  'OUTCOME_UNKNOWN',
  'QUEUE_FULL',
  'SHARE_FULL',
  'VERDICT_BASE',
] as const;

async function firstFailure(first: number, seeds: number, steps: number, mutation?: string) {
  for (let seed = first; seed < first + seeds; seed++) {
    const result = await simulate({ seed, steps, mutation });
    if (result.failure) return result;
  }
  return undefined;
}

/** Seconds on an idle machine; a busy one may take its time. */
vi.setConfig({ testTimeout: 120_000 });

describe('simulated worlds', () => {
  test(`keep every law: seeds ${FIRST_SEED}..${FIRST_SEED + SEEDS - 1}`, async () => {
    console.log(`simulated seeds ${FIRST_SEED}..${FIRST_SEED + SEEDS - 1}, ${STEPS} steps each`);
    const failed = await firstFailure(FIRST_SEED, SEEDS, STEPS);
    const replay = `npm run simulate -- --seed ${failed?.seed} --steps ${STEPS}`;
    expect(
      failed?.failure && [replay, failed.failure.message, ...failed.failure.actions].join('\n'),
    ).toBeUndefined();
  });

  test('are functions of their seeds', async () => {
    for (const seed of [3, 4, 5]) {
      const [one, again, other] = [
        await simulate({ seed, steps: 1_500 }),
        await simulate({ seed, steps: 1_500 }),
        await simulate({ seed: seed + 100, steps: 1_500 }),
      ];
      expect(again).toEqual(one);
      expect(other.fingerprint).not.toBe(one.fingerprint);
    }
  });

  test('are worth living in: events are stored, connections break, commits get lost, processes crash', async () => {
    const seen = new Set<number>();
    const totals = {
      commits: 0,
      stored: 0,
      acknowledged: 0,
      answers: 0,
      crashes: 0,
      stops: 0,
      breaks: 0,
      losses: 0,
    };
    for (let seed = 1; seed <= 40; seed++) {
      const { counts, outcomes } = await simulate({ seed, steps: 3_000 });
      for (const result of Object.keys(outcomes)) seen.add(Number(result));
      for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += counts[name];
    }
    const missing = OUTCOMES.filter((name) => !seen.has(outcome[name]));
    expect(missing).toEqual([]);
    expect(totals.stored).toBeGreaterThan(1_000);
    for (const [name, total] of Object.entries(totals)) expect([name, total > 5]).toEqual([name, true]);
  });

  test.each(Object.keys(MUTATIONS))('show the planted fault "%s"', async (mutation) => {
    const failed = await firstFailure(1, MUTATION_SEEDS, MUTATION_STEPS, mutation);
    expect(failed?.failure?.message).toBeDefined();
  });

  test('know no fault that is not planted', async () => {
    await expect(simulate({ seed: 1, steps: 10, mutation: 'no such fault' })).rejects.toThrow(RangeError);
  });
});

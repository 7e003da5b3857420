import { expect, test } from 'vitest';
import { loadEd25519Module } from '../../engine/ed25519/load-module.js';
import { CASE_KINDS } from './cases.js';
import { runDifferential } from './differential.js';

/** Another beginning every day; printed, so that any run can be repeated: `npm run fuzz:ed25519 -- --seed …`. */
const SEED = Number(process.env.ED25519_SEED ?? Math.floor(Date.now() / 86_400_000) * 1000);
const CASES = 20_000;

test(`the engine decides as OpenSSL and noble under the rule: ${CASES} cases of seed ${SEED}`, () => {
  console.log(`Ed25519 cases of seed ${SEED}`);
  const result = runDifferential({ module: loadEd25519Module(), seed: SEED, cases: CASES });
  expect(result.disagreements).toEqual([]);
  expect(result.cases).toBe(CASES);

  // The run is worth something only if every kind occurred and every path was taken.
  for (const kind of CASE_KINDS) expect(result.kinds[kind]![0], kind).toBeGreaterThan(0);
  const valid = Object.values(result.kinds).reduce((sum, [, ofThemValid]) => sum + ofThemValid, 0);
  expect(valid / CASES).toBeGreaterThan(0.3);
  expect(valid / CASES).toBeLessThan(0.7);
  for (const [name, stats] of Object.entries(result.stats)) {
    if (name.startsWith('cold')) expect(stats, name).toMatchObject({ warmChecks: 0, builds: 0, tables: 0 });
    if (name.startsWith('warm')) expect(stats, name).toMatchObject({ coldChecks: 0, evictions: 0 });
    if (name.startsWith('evicted')) expect(stats.evictions, name).toBeGreaterThan(10);
  }
}, 300_000);

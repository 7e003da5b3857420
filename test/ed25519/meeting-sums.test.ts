import { Point } from '@noble/ed25519';
import { beforeAll, describe, expect, test } from 'vitest';
import { createEd25519Engine } from '../../engine/ed25519/index.js';
import { loadEd25519Module } from '../../engine/ed25519/load-module.js';
import { createRandom } from '../../engine/simulation/random.js';
import { L, modL } from './curve.js';
import {
  compileInternals,
  createInternals,
  type Internals,
  type TableShape,
  tableShape,
} from './internals.js';
import { keyFromSeed, randomScalar, SPECIAL_SCALARS } from './material.js';
import { firstRows, meetingSignature, meetings } from './meeting-sums.js';
import { type ChosenCheck, decideChosen, rightR } from './records.js';

let engine: Internals;
let shape: TableShape;

beforeAll(async () => {
  engine = createInternals(await compileInternals());
  shape = tableShape(engine);
}, 60_000);

const NEUTRAL = '0100000000000000000000000000000000000000000000000000000000000000';

/** Right, with the sign of x changed, and with another point; R of small order is refused even when it is right. */
function variants(check: ChosenCheck): { check: ChosenCheck; expected: boolean }[] {
  const r = rightR(check);
  const isNeutral = Buffer.from(r).toString('hex') === NEUTRAL;
  const negated = r.slice();
  negated[31]! ^= 0x80;
  return [
    { check, expected: !isNeutral },
    { check: { ...check, r: negated }, expected: false },
    { check: { ...check, r: Point.BASE.toBytes() }, expected: modL(check.s - check.k * check.a) === 1n },
  ];
}

function expectDecided(cases: readonly { check: ChosenCheck; expected: boolean }[], warm: boolean): void {
  for (let from = 0; from < cases.length; from += 100) {
    const some = cases.slice(from, from + 100);
    const verdicts = decideChosen(
      engine,
      some.map(({ check }) => check),
      warm,
    );
    for (const [i, { check, expected }] of some.entries()) {
      const shown = `a ${check.a}, k ${check.k}, S ${check.s}, ${check.r ? 'another R' : 'the right R'}`;
      expect(verdicts[i], shown).toBe(expected);
    }
  }
}

describe('k and S that hashing never gives', () => {
  const scalars = [0n, 1n, 2n, 3n, 8n, 16n, L - 1n, L - 2n, L - 8n, 2n ** 252n, 2n ** 128n, (L + 1n) / 2n];
  const checks = [1n, 2n, L - 1n, 0x1234567890abcdefn].flatMap((a) =>
    scalars.flatMap((k) => scalars.map((s) => ({ a, k, s }))),
  );
  const more = SPECIAL_SCALARS.flatMap((k, i) => [
    { a: 1n, k, s: SPECIAL_SCALARS.at(-i)! },
    { a: SPECIAL_SCALARS.at(-i)!, k, s: k },
  ]);

  test(
    'are decided rightly with tables',
    () => expectDecided([...checks, ...more].flatMap(variants), true),
    60_000,
  );
  test(
    'are decided rightly without tables',
    () => expectDecided([...checks, ...more].flatMap(variants), false),
    60_000,
  );
});

describe('points that meet', () => {
  test('in any addition, equal or opposite, leave all verdicts right', () => {
    const random = createRandom(8032);
    const cases: { check: ChosenCheck; expected: boolean }[] = [];
    const levels = new Set<number>();
    const k = randomScalar(random);
    const s = randomScalar(random);
    const rows = firstRows(k, s, shape);
    for (const { level, a } of meetings(rows)) {
      levels.add(level);
      cases.push(...variants({ a, k, s }));
      // An honest neighbour in the same group.
      if (cases.length % 4 === 0) cases.push(...variants({ a: randomScalar(random), k, s }).slice(0, 2));
    }
    expect(levels.size).toBe(Math.ceil(Math.log2(rows.length)));
    expectDecided(cases, true);
    expectDecided(cases, false);
  }, 60_000);

  test('as digits of the same point, through the interface, whichever key used the place before', () => {
    const host = createEd25519Engine(loadEd25519Module(), { warmAfter: 0 });
    const otherKey = host.importKey(keyFromSeed(new Uint8Array(32).fill(1)).publicKey)!;
    let met = 0;
    for (let row = 0; row < shape.keyWindows; row += 2) {
      const meeting = meetingSignature(row, shape);
      if (!meeting) continue;
      met++;
      const { key, message, signature } = meeting;
      const handle = host.importKey(key.publicKey)!;
      const changed = signature.slice();
      changed[31]! ^= 0x80;
      // The places are used by another key first, then by this one.
      for (let n = 0; n < 5; n++) host.add(otherKey, message, signature);
      host.run();
      host.verify(otherKey, message, signature);
      expect(host.verify(handle, message, signature)).toBe(true);
      expect(host.verify(handle, message, changed)).toBe(false);
      for (const each of [signature, changed, signature, changed]) host.add(handle, message, each);
      host.add(otherKey, message, signature);
      expect([...host.run()]).toEqual([1, 0, 1, 0, 0]);
    }
    expect(met).toBeGreaterThan(5);
    expect(host.stats()).toMatchObject({ coldChecks: 0 });
  }, 60_000);
});

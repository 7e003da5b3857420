import { Point } from '@noble/ed25519';
import { beforeAll, describe, expect, test } from 'vitest';
import { createEd25519Engine, type Ed25519Engine } from '../../engine/ed25519/index.js';
import { loadEd25519Module } from '../../engine/ed25519/load-module.js';
import {
  checkPublicKey,
  checkSignatureShape,
  publicKeyFromSeed,
  signEd25519,
  verifyStrict,
} from '../../engine/protocol/index.js';
import { challenge, fromLittleEndian, TORSION, times } from './curve.js';
import {
  honestCases,
  mixedKeyCases,
  mixedRCases,
  NON_CANONICAL_ENCODINGS,
  REFUSED_ENCODINGS,
  refusedKeyCases,
  refusedRCases,
  smallOrderPairCases,
} from './edge-cases.js';
import { createJudge } from './oracles.js';
import {
  type DecidedCase,
  rfc8032Cases,
  SPECCHECK_REASONS,
  speccheckCases,
  wycheproofCases,
} from './published-cases.js';

let cold: Ed25519Engine;
let warm: Ed25519Engine;
const judge = createJudge();
const honest = rfc8032Cases()[0]!;

beforeAll(() => {
  const module = loadEd25519Module();
  cold = createEd25519Engine(module, { warmAfter: 1_000_000_000 });
  warm = createEd25519Engine(module, { warmAfter: 0 });
});

/** The verdicts of all ways through the engine and of the other implementations. */
function verdicts({ publicKey, message, signature }: DecidedCase): Record<string, boolean> {
  const oracle = judge(publicKey);
  return {
    coldOne: verifyOne(cold, publicKey, message, signature),
    coldArray: verifyBetweenOthers(cold, publicKey, message, signature),
    warmOne: verifyOne(warm, publicKey, message, signature),
    warmArray: verifyBetweenOthers(warm, publicKey, message, signature),
    native: oracle.native(message, signature),
    portable: oracle.portable(message, signature),
  };
}

function verifyOne(engine: Ed25519Engine, publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) {
  const key = engine.importKey(publicKey);
  return key !== undefined && engine.verify(key, message, signature);
}

/** In an array between a good and a bad signature, which must keep their verdicts. */
function verifyBetweenOthers(
  engine: Ed25519Engine,
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const key = engine.importKey(publicKey);
  if (key === undefined || signature.length !== 64) return verifyOne(engine, publicKey, message, signature);
  const other = engine.importKey(honest.publicKey)!;
  engine.add(other, honest.message, honest.signature);
  const index = engine.add(key, message, signature);
  engine.add(other, Uint8Array.of(1), honest.signature);
  const decided = engine.run();
  expect([index, decided.length, decided[0], decided[2]]).toEqual([1, 3, 1, 0]);
  return decided[1] === 1;
}

function expectDecided(one: DecidedCase): void {
  const { expected } = one;
  expect(verdicts(one), one.name).toEqual({
    coldOne: expected,
    coldArray: expected,
    warmOne: expected,
    warmArray: expected,
    native: expected,
    portable: expected,
  });
}

describe('RFC 8032 section 7.1', () => {
  test.each(rfc8032Cases())('$name verifies', (one) => {
    expect(publicKeyFromSeed(one.seed)).toEqual(one.publicKey);
    expect(signEd25519(one.message, one.seed)).toEqual(one.signature);
    expectDecided(one);
  });

  test('the messages have the lengths of the RFC', () => {
    expect(rfc8032Cases().map(({ message }) => message.length)).toEqual([0, 1, 2, 1023, 64]);
  });

  test.each(rfc8032Cases())('$name fails with any other signature of the section', (one) => {
    for (const other of rfc8032Cases())
      if (other.name !== one.name) expectDecided({ ...one, signature: other.signature, expected: false });
  });

  test.each(rfc8032Cases())('$name fails when any one bit of the signature differs', (one) => {
    const keys = [cold, warm].map((engine) => engine.importKey(one.publicKey)!);
    for (let bit = 0; bit < 512; bit++) {
      const signature = one.signature.slice();
      signature[bit >> 3]! ^= 1 << (bit & 7);
      expect(cold.verify(keys[0]!, one.message, signature), `bit ${bit}`).toBe(false);
      expect(warm.verify(keys[1]!, one.message, signature), `bit ${bit}`).toBe(false);
    }
  });
});

test('Wycheproof: every verdict is the published one', () => {
  const cases = wycheproofCases();
  expect(cases.filter(({ expected }) => expected).length).toBeGreaterThan(50);
  for (const one of cases) {
    if (one.signature.length === 64) expectDecided(one);
    else {
      expect(one.expected).toBe(false);
      expect(verifyOne(cold, one.publicKey, one.message, one.signature), one.name).toBe(false);
      expect(verifyOne(warm, one.publicKey, one.message, one.signature), one.name).toBe(false);
    }
  }
});

describe('ed25519-speccheck', () => {
  test.each(speccheckCases())('$name is refused', expectDecided);

  test.each(speccheckCases())('$name is refused for the reason stated', ({ name, ...one }) => {
    const { key, shape, equation } = SPECCHECK_REASONS[Number(name.slice('case '.length))]!;
    expect(checkPublicKey(one.publicKey)).toBe(key);
    expect(checkSignatureShape(one.signature)).toBe(shape);
    const r = one.signature.subarray(0, 32);
    const k = challenge(r, one.publicKey, one.message);
    const [aPoint, rPoint] = [Point.fromBytes(one.publicKey, true), Point.fromBytes(r, true)];
    const s = fromLittleEndian(one.signature.subarray(32));
    const difference = times(s, Point.BASE).subtract(rPoint).subtract(times(k, aPoint));
    expect(difference.is0()).toBe(equation === 'exact');
    expect(difference.clearCofactor().is0()).toBe(equation !== 'neither');
    expect(key !== 'ok' || !shape || equation !== 'exact').toBe(true);
  });
});

describe('points at the edge', () => {
  test('there are 14 encodings of small order and 34 others that are not canonical', () => {
    // Four of the encodings with y >= p are of small order: y = p and y = p + 1, both signs.
    expect(REFUSED_ENCODINGS).toHaveLength(14 + NON_CANONICAL_ENCODINGS.length - 4);
    expect(TORSION).toHaveLength(8);
    expect(new Set(TORSION.map((point) => point.toHex())).size).toBe(8);
  });

  test('honest constructions verify', () => honestCases().forEach(expectDecided));
  test('R of small order or not canonical is refused', () => refusedRCases().forEach(expectDecided));
  test('a key of small order or not canonical is refused', () => refusedKeyCases().forEach(expectDecided));
  test('small order in key and R is refused', () => smallOrderPairCases().forEach(expectDecided));
  test('R of mixed order is refused though the cofactored equation holds', () => {
    for (const one of mixedRCases()) expectDecided(one);
  });
  test('a key of mixed order is refused whatever the equation says', () => {
    for (const one of mixedKeyCases()) expectDecided(one);
  });

  test('no key is admitted that the rule does not admit', () => {
    const keys = [
      ...REFUSED_ENCODINGS,
      ...mixedKeyCases().map(({ publicKey }) => publicKey),
      ...Array.from({ length: 64 }, (_, i) => new Uint8Array(32).fill(i * 4)),
      ...Array.from({ length: 32 }, (_, i) => Uint8Array.from({ length: 32 }, (__, j) => (j === 0 ? i : 0))),
    ];
    for (const publicKey of keys) {
      const { usable } = judge(publicKey);
      expect(cold.importKey(publicKey) !== undefined).toBe(usable);
      expect(warm.importKey(publicKey) !== undefined).toBe(usable);
    }
  });

  test('a key of any length but 32 is refused', () => {
    const bytes = new Uint8Array(64);
    bytes.set(honest.publicKey);
    expect(cold.importKey(bytes.subarray(0, 32))).toBeDefined();
    for (const length of [0, 1, 31, 33, 64]) expect(cold.importKey(bytes.slice(0, length))).toBeUndefined();
  });
});

test('signatures of any length but 64 are refused', () => {
  const message = honest.message;
  for (const length of [0, 1, 31, 32, 33, 63, 65, 96, 128]) {
    const signature = new Uint8Array(length);
    signature.set(honest.signature.subarray(0, length));
    expect(verifyStrict(signature, message, honest.publicKey)).toBe(false);
    expect(verifyOne(cold, honest.publicKey, message, signature), `${length} bytes`).toBe(false);
    expect(verifyOne(warm, honest.publicKey, message, signature), `${length} bytes`).toBe(false);
  }
});

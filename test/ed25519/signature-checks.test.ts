import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createEd25519Engine, type Ed25519Engine } from '../../engine/ed25519/index.js';
import { loadEd25519Module } from '../../engine/ed25519/load-module.js';
import type { UsableKey } from '../../workers/agent-key-cache.js';
import { createSignatureChecks, type SignatureChecks } from '../../workers/signature-checks.js';

const engine = () => createEd25519Engine(loadEd25519Module());

interface Signer {
  readonly key: UsableKey;
  readonly secret: KeyObject;
}

function signer(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const bytes = Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url');
  return { key: { publicKey: bytes, row: {} as UsableKey['row'] }, secret: privateKey };
}

interface Case {
  readonly key: UsableKey;
  readonly message: Buffer;
  readonly signature: Buffer;
  readonly good: boolean;
}

/** Good and bad ones in turn, of keys in turn. */
function cases(count: number, signers = [signer(), signer(), signer()]): Case[] {
  return Array.from({ length: count }, (_, i) => {
    const { key, secret } = signers[i % signers.length]!;
    const message = randomBytes(32);
    const signature = sign(null, message, secret);
    const good = i % 4 !== 3;
    if (!good) signature[i % 64]! ^= 1 << (i % 8);
    return { key, message, signature, good };
  });
}

/** Verdicts of a whole batch, written to other places than those it was added in. */
function decideAll(checks: SignatureChecks, all: readonly Case[]): boolean[] {
  const verdicts = new Uint8Array(all.length).fill(9);
  all.forEach(({ key, message, signature }, i) => {
    const padded = Buffer.concat([randomBytes(5), signature, randomBytes(3)]);
    checks.add(key, message, padded, 5, verdicts, all.length - 1 - i);
  });
  checks.decide();
  return [...verdicts].reverse().map((verdict) => verdict === 1);
}

const goods = (all: readonly Case[]) => all.map(({ good }) => good);

/** The real engine, with something wrong. */
const faulty = (fault: Partial<Ed25519Engine>): Ed25519Engine => ({ ...engine(), ...fault });

describe('signature checks', () => {
  test.each([
    ['libsodium', () => createSignatureChecks()],
    ['the engine', () => createSignatureChecks({ engine: engine() })],
    [
      'the engine, every check made twice',
      () => createSignatureChecks({ engine: engine(), crossCheckEvery: 1 }),
    ],
  ])('by %s decide each signature on its own, in batches of any size', (_, open) => {
    const checks = open();
    for (const size of [1, 2, 31, 256, 257, 1000]) {
      const all = cases(size);
      expect(decideAll(checks, all)).toEqual(goods(all));
    }
    expect(checks.takeStats().fault).toBeUndefined();
  });

  test('one at once does not disturb the open batch', () => {
    const checks = createSignatureChecks({ engine: engine() });
    const [first, bad, other] = [...cases(4).slice(0, 1), ...cases(4).slice(3), ...cases(1)];
    const verdicts = new Uint8Array(2);
    checks.add(first!.key, first!.message, first!.signature, 0, verdicts, 0);
    expect(checks.verify(other!.key, other!.message, other!.signature, 0)).toBe(true);
    expect(checks.verify(bad!.key, bad!.message, bad!.signature, 0)).toBe(false);
    checks.add(bad!.key, bad!.message, bad!.signature, 0, verdicts, 1);
    checks.decide();
    expect([...verdicts]).toEqual([1, 0]);
  });

  test('keys get warm, and what was done is told once', () => {
    const checks = createSignatureChecks({ engine: engine(), crossCheckEvery: 10 });
    const all = cases(100, [signer()]);
    decideAll(checks, all);
    const stats = checks.takeStats();
    expect(stats.warm + stats.cold).toBe(100);
    expect(stats.warm).toBeGreaterThan(80);
    expect(stats.native).toBe(0);
    expect(stats.crossChecks).toBeGreaterThan(0);
    expect(stats.tableBytes).toBeGreaterThan(0);
    expect(checks.takeStats()).toMatchObject({ warm: 0, cold: 0, native: 0, crossChecks: 0 });
  });
});

describe('an engine that is wrong is given up, and no verdict of the batch is its own', () => {
  const liar = () => {
    const real = engine();
    return faulty({ ...real, run: () => real.run().map((verdict) => 1 - verdict) });
  };

  test.each([
    ['takes bad signatures and refuses good ones', liar, /disagree/],
    [
      'fails',
      () =>
        faulty({
          run() {
            throw new Error('unreachable');
          },
        }),
      /unreachable/,
    ],
    [
      'does not take a good key',
      () => faulty({ importKey: () => undefined }),
      /does not take the public key/,
    ],
  ])('because it %s', (_, open, reason) => {
    const checks = createSignatureChecks({ engine: open(), crossCheckEvery: 1 });
    const all = cases(64);
    expect(decideAll(checks, all)).toEqual(goods(all));
    const stats = checks.takeStats();
    expect(stats.fault).toMatch(reason);
    expect(stats.native).toBe(64);
    const later = cases(10);
    expect(decideAll(checks, later)).toEqual(goods(later));
    expect(checks.takeStats()).toMatchObject({ native: 10, warm: 0, cold: 0, fault: undefined });
  });

  test('when a single signature shows it', () => {
    const real = engine();
    const wrong = faulty({ ...real, verify: (...args) => !real.verify(...args) });
    const checks = createSignatureChecks({ engine: wrong, crossCheckEvery: 1 });
    const [{ key, message, signature }] = cases(1) as [Case];
    expect(checks.verify(key, message, signature, 0)).toBe(true);
    expect(checks.takeStats().fault).toMatch(/disagree/);
  });
});

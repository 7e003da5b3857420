import { createHash } from 'node:crypto';
import { Point } from '@noble/ed25519';
import { describe, expect, test } from 'vitest';
import { createEd25519Engine } from '../../engine/ed25519/index.js';
import { loadEd25519Module } from '../../engine/ed25519/load-module.js';
import { verifyStrict } from '../../engine/protocol/ed25519.js';

/**
 * Inside a sum of table points equal and opposite points may meet, for which the affine formulas do not hold. Who knows the key's secret
 * scalar can aim for it: with A = -(m / 2^50) B the eleventh digit d of k stands for m d B, which meets the
 * first digit of S (row 10 of 83 is added to row 51).
 */
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const mod = (value: bigint) => ((value % L) + L) % L;
const inverseOf2To50 = power(mod(2n ** 50n), L - 2n);

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let square = base, left = exponent; left > 0n; left >>= 1n, square = (square * square) % L)
    if (left & 1n) result = (result * square) % L;
  return result;
}

/** The odd digit of a window of `width` bits, as the tables are addressed. */
function digit(scalar: bigint, width: number, index: number, bits: number): number {
  const signs = ((scalar & 1n ? scalar : scalar + L) >> 1n) | (1n << BigInt(bits - 1));
  const window = Number((signs >> BigInt(width * index)) & BigInt(2 ** width - 1));
  return 2 * window - (2 ** width - 1);
}

const littleEndian = (value: bigint) =>
  Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
const toNumber = (bytes: Uint8Array) => bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

/** A valid signature in which the two digits meet with the given sign. */
function meeting(sign: 1 | -1): { publicKey: Uint8Array; message: Uint8Array; signature: Uint8Array } {
  const a = mod(-inverseOf2To50);
  const publicKey = Point.BASE.multiply(a).toBytes();
  const r = 12_345_678_901_234_567_890n;
  const rBytes = Point.BASE.multiply(r).toBytes();
  for (let i = 0; i < 20_000; i++) {
    const message = new TextEncoder().encode(`message ${i}`);
    const hash = createHash('sha512').update(rBytes).update(publicKey).update(message).digest();
    const k = mod(toNumber(hash));
    const s = mod(r + k * a);
    if (digit(k, 5, 10, 255) !== sign * digit(s, 8, 0, 256)) continue;
    return { publicKey, message, signature: Uint8Array.from([...rBytes, ...littleEndian(s)]) };
  }
  throw new Error('no such message');
}

describe.each([
  ['equal', 1],
  ['opposite', -1],
] as const)('%s points inside the sum', (_name, sign) => {
  const { publicKey, message, signature } = meeting(sign);
  const changed = signature.slice();
  changed[33]! ^= 1; // the same first digit of S

  test('do not change a verdict', () => {
    expect(verifyStrict(signature, message, publicKey)).toBe(true);
    const engine = createEd25519Engine(loadEd25519Module(), { warmAfter: 0 });
    const key = engine.importKey(publicKey)!;
    expect(engine.verify(key, message, signature)).toBe(true);
    expect(engine.verify(key, message, changed)).toBe(false);
    expect(engine.stats().coldChecks).toBe(0);
  });

  test('do not change the verdicts of others in the batch', () => {
    const engine = createEd25519Engine(loadEd25519Module(), { warmAfter: 0 });
    const key = engine.importKey(publicKey)!;
    const other = signature.slice();
    other[32]! ^= 0xfe;
    const expected: number[] = [];
    for (let i = 0; i < 100; i++) {
      const each = [signature, changed, other][i % 3]!;
      engine.add(key, message, each);
      expected.push(each === signature ? 1 : 0);
    }
    expect([...engine.run()]).toEqual(expected);
  });
});

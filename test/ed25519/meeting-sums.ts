/**
 * Signatures in which points meet that addition formulas without exceptions for them cannot add: equal or opposite ones.
 *
 * With a table, [S]B - [k]A is a sum of one multiple of -A for each window of k and one of B for each of S, added up pairwise:
 * of n rows, row i and row i + n/2, level by level. For the owner of a key it is easy to make any two of the sums meet: both
 * are linear in a, A = [a]B. So such signatures must get their right verdict, and must not spoil their neighbours'.
 */
import { Point } from '@noble/ed25519';
import { challenge, L, modL, powerOf2ModL, times, toLittleEndian } from './curve.js';
import type { TableShape } from './internals.js';
import { type KnownKey, keyFromScalar, signWith } from './material.js';

/** A partial sum: [base]B - [key]A. */
export interface PartialSum {
  readonly key: bigint;
  readonly base: bigint;
}

export interface Meeting {
  /** How many additions a row has been through before. */
  readonly level: number;
  readonly pair: number;
  /** Equal or opposite. */
  readonly sign: 1n | -1n;
  /** The secret scalar for which the two meet. */
  readonly a: bigint;
}

/** The digits of a scalar below L in windows: all odd, their sum is the scalar or, for an even one, the scalar + L. */
export function oddDigits(scalar: bigint, width: number, windows: number): bigint[] {
  const odd = scalar % 2n === 0n ? scalar + L : scalar;
  const bits = BigInt(width * windows);
  const signs = (odd + 2n ** bits - 1n) / 2n;
  const largest = 2n ** BigInt(width) - 1n;
  return Array.from({ length: windows }, (_, i) => {
    const window = (signs >> BigInt(i * width)) & largest;
    return 2n * window - largest;
  });
}

/** The rows before any addition: the windows of k, then those of S. */
export function firstRows(k: bigint, s: bigint, shape: TableShape): PartialSum[] {
  const keyDigits = oddDigits(k, shape.keyWidth, shape.keyWindows);
  const baseDigits = oddDigits(s, shape.baseWidth, shape.baseWindows);
  return [
    ...keyDigits.map((digit, i) => ({ key: digit << BigInt(i * shape.keyWidth), base: 0n })),
    ...baseDigits.map((digit, i) => ({ key: 0n, base: digit << BigInt(i * shape.baseWidth) })),
  ];
}

/** A valid signature of a real message in whose first addition a point of the key and one of the base point meet. */
export interface MeetingSignature {
  readonly key: KnownKey;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

const NONCE = 0xabcdef0123456789n;
const ATTEMPTS_MAX = 3000;

/**
 * Looks for one in the addition of row `row`, a window of k, and the row half of all further on, a window of S. With the key that
 * is chosen for that both are multiples of the same point, so that a few hundred messages are enough. Undefined if `row` has no such
 * partner.
 */
export function meetingSignature(row: number, shape: TableShape): MeetingSignature | undefined {
  const window = row + ((shape.keyWindows + shape.baseWindows) >> 1) - shape.keyWindows;
  if (row >= shape.keyWindows || window < 0 || window >= shape.baseWindows) return undefined;
  const key = keyFromScalar(powerOf2ModL(shape.baseWidth * window - shape.keyWidth * row));
  const r = times(NONCE, Point.BASE).toBytes();
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const message = toLittleEndian(BigInt(attempt), 8);
    const k = challenge(r, key.publicKey, message);
    const keyDigit = oddDigits(k, shape.keyWidth, shape.keyWindows)[row]!;
    const baseDigit = oddDigits(modL(NONCE + k * key.a), shape.baseWidth, shape.baseWindows)[window]!;
    if (keyDigit === baseDigit || keyDigit === -baseDigit)
      return { key, message, signature: signWith(key, NONCE, r, k) };
  }
  return undefined;
}

/** For every addition of the tree and both signs the scalar that makes its operands meet, if the key has a part in it. */
export function meetings(rows: readonly PartialSum[]): Meeting[] {
  const found: Meeting[] = [];
  let sums = rows;
  for (let level = 0; sums.length > 1; level++) {
    const half = sums.length >> 1;
    for (let pair = 0; pair < half; pair++) {
      for (const sign of [1n, -1n] as const) {
        const a = meetingScalar(sums[pair]!, sums[pair + half]!, sign);
        if (a !== undefined) found.push({ level, pair, sign, a });
      }
    }
    const added = Array.from({ length: half }, (_, i) => plus(sums[i]!, sums[i + half]!));
    sums = sums.length % 2 === 0 ? added : [...added, sums.at(-1)!];
  }
  return found;
}

/** base1 - a key1 = sign (base2 - a key2), solved for a. */
function meetingScalar(one: PartialSum, other: PartialSum, sign: bigint): bigint | undefined {
  const divisor = modL(sign * other.key - one.key);
  const a = modL((sign * other.base - one.base) * invertModL(divisor));
  return divisor === 0n || a === 0n ? undefined : a;
}

function plus(one: PartialSum, other: PartialSum): PartialSum {
  return { key: one.key + other.key, base: one.base + other.base };
}

function invertModL(value: bigint): bigint {
  let result = 1n;
  let power = modL(value);
  for (let rest = L - 2n; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * power) % L;
    power = (power * power) % L;
  }
  return result;
}

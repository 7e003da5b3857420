/**
 * Signatures in which points meet that addition formulas without exceptions for them cannot add: equal or opposite ones.
 *
 * With a table, [S]B - [k]A is a sum of one multiple of -A for each window of k and one of B for each of S, added up pairwise:
 * of n rows, row i and row i + n/2, level by level. For the owner of a key it is easy to make any two of the sums meet: both
 * are linear in a, A = [a]B. So such signatures must get their right verdict, and must not spoil their neighbours'.
 */
import { L, modL } from './curve.js';

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
export function firstRows(
  keyDigits: bigint[],
  keyWidth: number,
  baseDigits: bigint[],
  baseWidth: number,
): PartialSum[] {
  return [
    ...keyDigits.map((digit, i) => ({ key: digit << BigInt(i * keyWidth), base: 0n })),
    ...baseDigits.map((digit, i) => ({ key: 0n, base: digit << BigInt(i * baseWidth) })),
  ];
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

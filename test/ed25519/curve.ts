/**
 * edwards25519 in BigInt, written for clearness: what the tests compare the engine with, beside noble's points. Constants
 * from RFC 8032 section 5.1.
 */
import { createHash } from 'node:crypto';
import { Point } from '@noble/ed25519';

/** The field prime. */
export const P = 2n ** 255n - 19n;
/** The order of the base point. */
export const L = 2n ** 252n + 27742317777372353535851937790883648493n;
/** The curve constant d = -121665/121666. */
export const D = modP(-121665n * invertModP(121666n));
/** The square root of -1 that RFC 8032 section 5.1.3 uses. */
export const SQRT_M1 = powModP(2n, (P - 1n) / 4n);

/** The remainder in 0..p-1, of negative numbers too. */
export function modP(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

/** The remainder in 0..L-1, of negative numbers too. */
export function modL(value: bigint): bigint {
  const rest = value % L;
  return rest < 0n ? rest + L : rest;
}

export function powModP(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let power = modP(base);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * power) % P;
    power = (power * power) % P;
  }
  return result;
}

/** 1/value, and 0 for 0, as Fermat's little theorem has it. */
export function invertModP(value: bigint): bigint {
  return powModP(value, P - 2n);
}

/** 2^exponent modulo L, of negative exponents too. */
export function powerOf2ModL(exponent: number): bigint {
  if (exponent >= 0) return modL(2n ** BigInt(exponent));
  let result = 1n;
  for (let i = 0; i > exponent; i--) result = modL(result * ((L + 1n) / 2n));
  return result;
}

/** `length` little-endian bytes; throws when the value does not fit. */
export function toLittleEndian(value: bigint, length = 32): Uint8Array {
  if (value < 0n || value >> BigInt(8 * length) !== 0n) throw new RangeError('The number does not fit.');
  const bytes = new Uint8Array(length);
  let rest = value;
  for (let i = 0; i < length; i++, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}

export function fromLittleEndian(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

/** k = SHA-512(R || A || M) mod L, by Node's hash. */
export function challenge(r: Uint8Array, publicKey: Uint8Array, message: Uint8Array): bigint {
  const digest = createHash('sha512').update(r).update(publicKey).update(message).digest();
  return fromLittleEndian(digest) % L;
}

/** The secret scalar of a seed, reduced mod L (RFC 8032 section 5.1.5). */
export function secretScalar(seed: Uint8Array): bigint {
  const head = createHash('sha512').update(seed).digest().subarray(0, 32);
  head[0]! &= 248;
  head[31] = (head[31]! & 63) | 64;
  return fromLittleEndian(head) % L;
}

/** [scalar]point for any scalar; noble's own function refuses numbers outside 0..L-1. */
export function times(scalar: bigint, point: Point): Point {
  return point.multiply(modL(scalar), false);
}

/** The eight points of small order: multiples 0..7 of a point of order 8. */
export const TORSION: readonly Point[] = torsion();

function torsion(): Point[] {
  // [L]Q is of small order for every Q; the first y from 2 upwards whose Q has a full part of order 8 gives a generator.
  for (let y = 2n; ; y++) {
    const q = decodeOrUndefined(toLittleEndian(y));
    const t = q && times(L - 1n, q).add(q);
    if (!t || t.double().double().is0()) continue;
    const points = [Point.ZERO];
    while (points.length < 8) points.push(points.at(-1)!.add(t));
    return points;
  }
}

/** Decodes as RFC 8032 section 5.1.3 does; `undefined` for what is no point. */
export function decodeOrUndefined(bytes: Uint8Array): Point | undefined {
  try {
    return Point.fromBytes(bytes);
  } catch {
    return undefined;
  }
}

/** The bytes of a hex constant. */
export function hexBytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'));
}

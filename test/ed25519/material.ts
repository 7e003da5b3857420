/** Keys whose secret scalar and nonces whose discrete logarithm are known: with them signatures of any kind are cheap. */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { Point } from '@noble/ed25519';
import type { Random } from '../../engine/simulation/random.js';
import { fromLittleEndian, L, modL, secretScalar, TORSION, times, toLittleEndian } from './curve.js';

export interface KnownKey {
  /** A = [a]B. */
  readonly a: bigint;
  readonly publicKey: Uint8Array;
  /** For keys that were made from a seed. */
  readonly privateKey?: KeyObject;
}

export interface KnownNonce {
  /** R = [r]B. */
  readonly r: bigint;
  /** Encodings of R + T for the eight points T of small order; the first is R. */
  readonly encodings: readonly Uint8Array[];
}

export interface Material {
  /** Keys from random seeds. */
  readonly keys: readonly KnownKey[];
  /** Keys whose scalar makes sums meet: small, near L, powers of two, digits all alike. */
  readonly specialKeys: readonly KnownKey[];
  readonly nonces: readonly KnownNonce[];
  readonly specialNonces: readonly KnownNonce[];
}

/** PKCS#8 of Ed25519 up to the seed (RFC 8410). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

/**
 * Scalars at which windows, carries and additions do something unusual. With A = ±[small]B the sums of a double scalar
 * multiplication run through equal, opposite and neutral points; with digits 8 and 7 signed recoding carries through
 * everything or nothing.
 */
export const SPECIAL_SCALARS: readonly bigint[] = [
  ...[1n, 2n, 3n, 4n, 5n, 7n, 8n, 9n, 15n, 16n, 17n, 31n, 32n, 127n, 128n, 129n, 255n, 256n],
  ...[1n, 2n, 3n, 7n, 8n, 9n, 16n].map((distance) => L - distance),
  (L - 1n) / 2n,
  (L + 1n) / 2n,
  ...[64n, 127n, 128n, 192n, 248n, 251n, 252n].map((exponent) => 2n ** exponent),
  2n ** 252n - 1n,
  ...[0x11, 0x77, 0x78, 0x7f, 0x80, 0x87, 0x88, 0x8f, 0xaa, 0xf0, 0xff].map((byte) =>
    modL(fromLittleEndian(new Uint8Array(31).fill(byte))),
  ),
];

export function randomBytes(random: Random, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = random.int(256);
  return bytes;
}

/** Uniform enough in 1..L-1. */
export function randomScalar(random: Random): bigint {
  return 1n + (fromLittleEndian(randomBytes(random, 40)) % (L - 1n));
}

export function createMaterial(random: Random, keys = 48, nonces = 64): Material {
  return {
    keys: Array.from({ length: keys }, () => keyFromSeed(randomBytes(random, 32))),
    specialKeys: SPECIAL_SCALARS.map(keyFromScalar),
    nonces: nonceWalk(random, nonces),
    specialNonces: SPECIAL_SCALARS.map((r) => nonceAt(r, times(r, Point.BASE))),
  };
}

/** As `material`, with other random keys and nonces. */
export function refreshMaterial(material: Material, random: Random): Material {
  return {
    ...material,
    keys: material.keys.map(() => keyFromSeed(randomBytes(random, 32))),
    nonces: nonceWalk(random, material.nonces.length),
  };
}

export function keyFromSeed(seed: Uint8Array): KnownKey {
  const key = Buffer.concat([PKCS8_HEAD, seed]);
  const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return { a: secretScalar(seed), publicKey: new Uint8Array(spki.subarray(-32)), privateKey };
}

export function keyFromScalar(a: bigint): KnownKey {
  return { a, publicKey: times(a, Point.BASE).toBytes() };
}

/** Random starting point, random step: one addition per nonce. */
function nonceWalk(random: Random, length: number): KnownNonce[] {
  const step = randomScalar(random);
  const stepPoint = times(step, Point.BASE);
  let r = randomScalar(random);
  let point = times(r, Point.BASE);
  return Array.from({ length }, () => {
    r = modL(r + step);
    point = point.add(stepPoint);
    return nonceAt(r, point);
  });
}

function nonceAt(r: bigint, point: Point): KnownNonce {
  return { r, encodings: TORSION.map((torsion) => point.add(torsion).toBytes()) };
}

/** The signature R || (r + k·a mod L). It satisfies the cofactorless equation if the encoding `rBytes` is [r]B. */
export function signWith(key: KnownKey, r: bigint, rBytes: Uint8Array, k: bigint): Uint8Array {
  const signature = new Uint8Array(64);
  signature.set(rBytes);
  signature.set(toLittleEndian(modL(r + k * key.a)), 32);
  return signature;
}

/**
 * The edge cases of points, complete: every encoding that is of small order or not canonical, and points of mixed order, as
 * public key and as R, with the S that makes the cofactored equation hold wherever there is one. All are refused.
 */
import { Point } from '@noble/ed25519';
import { SMALL_ORDER_ENCODINGS } from '../../engine/protocol/index.js';
import { challenge, P, TORSION, times, toLittleEndian } from './curve.js';
import { type KnownKey, keyFromScalar, keyFromSeed, signWith } from './material.js';
import type { DecidedCase } from './published-cases.js';

const MESSAGES = ['', 'edge', 'a message of thirty-two bytes...'].map((text) =>
  new TextEncoder().encode(text),
);
/** An arbitrary nonce, and its point. */
const NONCE = 0x1234567890abcdef1234567890abcdefn;
const NONCE_POINT = times(NONCE, Point.BASE);

/** All 2·19 encodings with y = p..2^255-1. */
export const NON_CANONICAL_ENCODINGS: readonly Uint8Array[] = Array.from({ length: 19 }, (_, i) => [
  toLittleEndian(P + BigInt(i)),
  toLittleEndian(P + BigInt(i) + 2n ** 255n),
]).flat();

/** The encodings which no verifier may take for a point: small order, not canonical, x = 0 with a sign. */
export const REFUSED_ENCODINGS: readonly Uint8Array[] = dedupe([
  ...SMALL_ORDER_ENCODINGS,
  ...NON_CANONICAL_ENCODINGS,
]);

const HONEST: readonly KnownKey[] = [keyFromSeed(new Uint8Array(32).fill(3)), keyFromScalar(1n)];

/** An honest key, and each refused encoding as R with S = k·a: right for R = 0, cofactored for all of small order. */
export function refusedRCases(): DecidedCase[] {
  return each(HONEST, REFUSED_ENCODINGS, MESSAGES, (key, r, message) =>
    refused('R refused', key.publicKey, message, signWith(key, 0n, r, challenge(r, key.publicKey, message))),
  );
}

/** Each refused encoding as key, with an honest R and S = r, which is right where A is neutral or k a multiple of 8. */
export function refusedKeyCases(): DecidedCase[] {
  return each(REFUSED_ENCODINGS, [NONCE_POINT.toBytes()], MESSAGES, (publicKey, r, message) =>
    refused('key refused', publicKey, message, signWith({ a: 0n, publicKey }, NONCE, r, 0n)),
  );
}

/** Both of small order, and S = 0. */
export function smallOrderPairCases(): DecidedCase[] {
  return each(SMALL_ORDER_ENCODINGS, SMALL_ORDER_ENCODINGS, MESSAGES.slice(0, 2), (publicKey, r, message) =>
    refused('small order', publicKey, message, signWith({ a: 0n, publicKey }, 0n, r, 0n)),
  );
}

/** R = [r]B + T for every T ≠ 0: the equation holds when multiplied by the cofactor and not without. */
export function mixedRCases(): DecidedCase[] {
  return each(HONEST, TORSION.slice(1), MESSAGES, (key, torsion, message) => {
    const r = NONCE_POINT.add(torsion).toBytes();
    return refused(
      'R mixed',
      key.publicKey,
      message,
      signWith(key, NONCE, r, challenge(r, key.publicKey, message)),
    );
  });
}

/** A = [a]B + T for every T ≠ 0, with R of every torsion: among them cases whose torsion cancels, also without cofactor. */
export function mixedKeyCases(): DecidedCase[] {
  return each(TORSION.slice(1), TORSION, MESSAGES, (keyTorsion, torsion, message) => {
    const { a } = HONEST[0]!;
    const key = { a, publicKey: times(a, Point.BASE).add(keyTorsion).toBytes() };
    const r = NONCE_POINT.add(torsion).toBytes();
    return refused(
      'key mixed',
      key.publicKey,
      message,
      signWith(key, NONCE, r, challenge(r, key.publicKey, message)),
    );
  });
}

/** The same constructions without any torsion: these are honest, so that the refusals above mean something. */
export function honestCases(): DecidedCase[] {
  return each(HONEST, [NONCE], MESSAGES, (key, nonce, message) => {
    const r = NONCE_POINT.toBytes();
    const signature = signWith(key, nonce, r, challenge(r, key.publicKey, message));
    return { name: 'honest', publicKey: key.publicKey, message, signature, expected: true };
  });
}

function refused(
  name: string,
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): DecidedCase {
  return { name, publicKey, message, signature, expected: false };
}

function each<A, B, C>(
  as: readonly A[],
  bs: readonly B[],
  cs: readonly C[],
  make: (a: A, b: B, c: C) => DecidedCase,
): DecidedCase[] {
  return as.flatMap((a) => bs.flatMap((b) => cs.map((c) => make(a, b, c))));
}

function dedupe(encodings: readonly Uint8Array[]): Uint8Array[] {
  return [...new Map(encodings.map((bytes) => [Buffer.from(bytes).toString('hex'), bytes])).values()];
}

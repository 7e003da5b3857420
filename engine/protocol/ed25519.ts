/**
 * Ed25519 (RFC 8032) under one exact rule, in one auditable file. RFC 8032 leaves edge cases open and libraries decide
 * them differently; a sequencer whose parts disagree can be made to accept what a client's verifier rejects. The rule:
 *
 * - public key: canonical encoding of a point on the curve, not of small order, free of torsion. Decided once, when
 *   the key is registered (`checkPublicKey`);
 * - signature: S < L; R a canonical encoding and not of small order (`checkSignatureShape`);
 * - the cofactorless equation [S]B = R + [k]A with k = SHA-512(R || A || M), decided by comparing the encoding of
 *   [S]B - [k]A with the bytes of R.
 *
 * Under it the strict native verifiers agree on every input. This implementation is the portable reference: about a
 * thousand verifications per second. Everything here handles public data except `signEd25519` and
 * `publicKeyFromSeed`.
 */
import { getPublicKey, hashes, Point, sign } from '@noble/ed25519';
import { sha512 } from '@noble/hashes/sha2.js';
import { concatBytes, decodeHex, equalBytes } from './bytes.js';

hashes.sha512 = (message) => sha512(message);

export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

/** The group order L = 2^252 + 27742317777372353535851937790883648493, little-endian (RFC 8032 section 5.1). */
const L_BYTES = fixedHex('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010');
const L = Point.CURVE().n;

/**
 * All encodings of the eight points of small order: the canonical ones, and those with y = p, y = p + 1, or a sign bit on
 * x = 0. Sources: https://cr.yp.to/ecdh.html#validate, libsodium's blocklist, and Chalkias, Garillot, Nikolaenko:
 * "Taming the many EdDSAs" (2020), table 1.
 */
export const SMALL_ORDER_ENCODINGS: readonly Uint8Array[] = [
  // order 1: y = 1
  '0100000000000000000000000000000000000000000000000000000000000000',
  // order 2: y = -1
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  // order 4: y = 0, both signs of x
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  // order 8
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  // not canonical: y = 1 and y = -1 with the sign bit, though x = 0
  '0100000000000000000000000000000000000000000000000000000000000080',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  // not canonical: y = p (that is 0) and y = p + 1 (that is 1), both signs
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
].map(fixedHex);

export type PublicKeyVerdict = 'ok' | 'length' | 'small_order' | 'not_canonical' | 'not_on_curve' | 'torsion';

/** Decides whether a key may be registered. Costs a scalar multiplication (about a millisecond). */
export function checkPublicKey(publicKey: Uint8Array): PublicKeyVerdict {
  if (publicKey.length !== PUBLIC_KEY_BYTES) return 'length';
  if (isSmallOrder(publicKey, 0)) return 'small_order';
  if (!isCanonicalY(publicKey, 0)) return 'not_canonical';
  const point = decodePoint(publicKey);
  if (point === undefined) return 'not_on_curve';
  return point.isTorsionFree() ? 'ok' : 'torsion';
}

/**
 * The checks on a signature that need no curve arithmetic: 64 bytes, S < L, R canonical and not of small order. Run it
 * before any native verifier; together with a registered key this makes their verdicts equal.
 */
export function checkSignatureShape(signature: Uint8Array): boolean {
  return signature.length === SIGNATURE_BYTES && checkSignatureShapeAt(signature, 0);
}

/** As `checkSignatureShape` for the 64 bytes at `offset` of a larger block. */
export function checkSignatureShapeAt(bytes: Uint8Array, offset: number): boolean {
  return isBelow(bytes, offset + 32, L_BYTES) && isCanonicalY(bytes, offset) && !isSmallOrder(bytes, offset);
}

/** Verifies one signature under the full rule, the check of the key included. */
export function verifyStrict(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean {
  return createVerifier(publicKey)?.(signature, message) ?? false;
}

/** A verifier for one key, which is checked once here; `undefined` when the key does not pass `checkPublicKey`. */
export function createVerifier(
  publicKey: Uint8Array,
): ((signature: Uint8Array, message: Uint8Array) => boolean) | undefined {
  if (checkPublicKey(publicKey) !== 'ok') return undefined;
  const keyBytes = publicKey.slice();
  const key = Point.fromBytes(keyBytes);
  return (signature, message) => {
    if (!checkSignatureShape(signature)) return false;
    const r = signature.subarray(0, 32);
    const s = littleEndian(signature.subarray(32));
    const k = littleEndian(sha512(concatBytes(r, keyBytes, message))) % L;
    const expected = Point.BASE.multiply(s, false).subtract(key.multiply(k, false));
    return equalBytes(expected.toBytes(), r);
  };
}

/** Signs with the 32-byte seed of RFC 8032 (the "private key"); returns `Uint8Array(64)`. */
export function signEd25519(message: Uint8Array, seed: Uint8Array): Uint8Array {
  return sign(message, seed);
}

/** The public key of a 32-byte seed. */
export function publicKeyFromSeed(seed: Uint8Array): Uint8Array {
  return getPublicKey(seed);
}

/** y < p = 2^255 - 19, the sign bit aside. */
function isCanonicalY(bytes: Uint8Array, at: number): boolean {
  if ((bytes[at + 31]! & 0x7f) !== 0x7f) return true;
  for (let i = 30; i > 0; i--) if (bytes[at + i] !== 0xff) return true;
  return bytes[at]! < 0xed;
}

function isSmallOrder(bytes: Uint8Array, at: number): boolean {
  for (const encoding of SMALL_ORDER_ENCODINGS) {
    let i = 0;
    while (i < 32 && bytes[at + i] === encoding[i]) i++;
    if (i === 32) return true;
  }
  return false;
}

/** Whether the 32 little-endian bytes at `at` are less than `limit`. */
function isBelow(bytes: Uint8Array, at: number, limit: Uint8Array): boolean {
  for (let i = 31; i >= 0; i--) {
    const difference = bytes[at + i]! - limit[i]!;
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function decodePoint(bytes: Uint8Array): Point | undefined {
  try {
    return Point.fromBytes(bytes);
  } catch {
    return undefined;
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
  return value;
}

function fixedHex(text: string): Uint8Array {
  return decodeHex(text, 32)!;
}

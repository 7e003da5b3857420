/**
 * The native primitives of the hot path: SHA-256 by node:crypto's one-shot call (a 'binary' string costs a third of a
 * Buffer), Ed25519 by libsodium.
 */
import { hash } from 'node:crypto';
import sodium from 'sodium-native';
import type { Sha256Into } from '../engine/log/index.js';
import { checkSignatureShapeAt, type Sha256 } from '../engine/protocol/index.js';

/** SHA-256 into a place. */
export const sha256Into: Sha256Into = (bytes, target, offset) => {
  const digest = hash('sha256', bytes, 'binary');
  for (let i = 0; i < 32; i++) target[offset + i] = digest.charCodeAt(i);
};

/** SHA-256 into a new array. */
export const nativeSha256: Sha256 = (bytes) => {
  const digest = new Uint8Array(32);
  sha256Into(bytes, digest, 0);
  return digest;
};

/** Whether a stored public key may be used at all: the checks of the project's verification rule that concern the key. */
export function isUsablePublicKey(publicKey: Uint8Array): boolean {
  return publicKey.length === 32 && sodium.crypto_core_ed25519_is_valid_point(publicKey);
}

export type SignatureVerifier = (
  signature: Uint8Array,
  signatureOffset: number,
  message: Uint8Array,
  publicKey: Uint8Array,
) => boolean;

/**
 * Ed25519 under the project's one rule (engine/protocol/ed25519.ts): shape of S and R by comparison, then libsodium's
 * cofactorless check. The key must have passed {@link isUsablePublicKey}. Not re-entrant: it keeps one signature buffer.
 */
export function createSignatureVerifier(): SignatureVerifier {
  const copy = Buffer.alloc(64);
  return (signature, offset, message, publicKey) => {
    if (!checkSignatureShapeAt(signature, offset)) return false;
    for (let i = 0; i < 64; i++) copy[i] = signature[offset + i]!;
    return sodium.crypto_sign_verify_detached(copy, message, publicKey);
  };
}

/** Signs messages with one seed (RFC 8032, 32 bytes); the 64-byte signature goes into `signature`. */
export function createSigner(seed: Uint8Array): (message: Uint8Array, signature: Uint8Array) => void {
  const publicKey = Buffer.alloc(32);
  const secretKey = Buffer.alloc(64);
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, Buffer.from(seed));
  return (message, signature) => sodium.crypto_sign_detached(signature, message, secretKey);
}

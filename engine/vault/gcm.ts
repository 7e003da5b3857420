/** AES-256-GCM (NIST SP 800-38D) with 96-bit nonces and 128-bit tags. */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';

export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
export const KEY_BYTES = 32;

/** 32 secret bytes as a key. */
export const toKey = (secret: Uint8Array): KeyObject => createSecretKey(secret);

/** Ciphertext ‖ tag into `target` from `at` on; answers the end. The caller answers for the nonce: never twice under one key. */
export function encryptInto(
  target: Buffer,
  at: number,
  key: KeyObject,
  nonce: Uint8Array,
  aad: Uint8Array,
  plain: Uint8Array,
): number {
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(aad);
  const body = cipher.update(plain);
  cipher.final(); // a stream mode: nothing is left
  target.set(body, at);
  target.set(cipher.getAuthTag(), at + body.length);
  return at + body.length + TAG_BYTES;
}

/** The plaintext of ciphertext ‖ tag; undefined when key, nonce, associated data or bytes are not those it was made with. */
export function decrypt(
  key: KeyObject,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Buffer | undefined {
  if (sealed.length < TAG_BYTES) return undefined;
  const end = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(end));
  const plain = decipher.update(sealed.subarray(0, end));
  try {
    decipher.final();
    return plain;
  } catch {
    return undefined;
  }
}

/** nonce(12) ‖ ciphertext ‖ tag(16) with a random nonce: for keys, which are few (far below 2^32 under one key). */
export function wrap(key: KeyObject, aad: Uint8Array, secret: Uint8Array): Buffer {
  const wrapped = Buffer.alloc(NONCE_BYTES + secret.length + TAG_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  wrapped.set(nonce);
  encryptInto(wrapped, NONCE_BYTES, key, nonce, aad, secret);
  return wrapped;
}

/** The opposite of {@link wrap}; undefined when it was not made so. */
export const unwrap = (key: KeyObject, aad: Uint8Array, wrapped: Uint8Array): Buffer | undefined =>
  decrypt(key, wrapped.subarray(0, NONCE_BYTES), aad, wrapped.subarray(NONCE_BYTES));

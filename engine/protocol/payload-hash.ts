import { concatBytes, copyBytes, encodeUtf8, writeUtf8 } from './bytes.js';
import { DOMAIN } from './domains.js';
import { portableSha256, type Sha256 } from './sha256.js';

/** 32 zero bytes: the cipher hash of a plaintext event, and of anything absent. Do not write to it. */
export const ZERO_HASH: Uint8Array = new Uint8Array(32);

/** Length in bytes of the salt in front of an encrypted event's plaintext. */
export const PAYLOAD_SALT_BYTES = 16;

export type PayloadPlainHashOptions = {
  /** 16 random bytes, for encrypted events only: it keeps guessable payloads from being confirmed by their hash. */
  salt?: Uint8Array;
  sha256?: Sha256;
};

/**
 * `SHA-256("VES_PAYLOAD_PLAIN_V1" || [salt] || canonicalText)`.
 *
 * @param canonicalText the payload as `canonicalize` returns it
 * @returns `Uint8Array(32)`
 */
export function payloadPlainHash(canonicalText: string, options: PayloadPlainHashOptions = {}): Uint8Array {
  const { salt, sha256 = portableSha256 } = options;
  if (salt !== undefined && salt.length !== PAYLOAD_SALT_BYTES) throw new RangeError('salt is not 16 bytes');
  const text = encodeUtf8(canonicalText);
  const parts = salt === undefined ? [DOMAIN.payloadPlain, text] : [DOMAIN.payloadPlain, salt, text];
  return sha256(concatBytes(...parts));
}

/**
 * Writes the preimage of a plaintext event's hash and returns the offset behind it, for callers that hash out of
 * their own buffer. The target needs `20 + 3 × text.length` bytes at most.
 */
export function writePayloadPlainPreimage(target: Uint8Array, offset: number, canonicalText: string): number {
  return writeUtf8(
    target,
    copyBytes(DOMAIN.payloadPlain, 0, target, offset, DOMAIN.payloadPlain.length),
    canonicalText,
  );
}

/**
 * The names of keys in signed notes (c2sp.org/signed-note): a key is known by its name and a key ID of four bytes, and is passed
 * around as a verifier key, `<name>+<key ID in hex>+<base64 of type and public key>`.
 */
import {
  concatBytes,
  decodeHex,
  encodeHex,
  encodeUtf8,
  equalBytes,
  PUBLIC_KEY_BYTES,
  portableSha256,
} from '../protocol/index.js';
import { decodeBase64, encodeBase64 } from './base64.js';

/** Signature type of an Ed25519 signature over the note's text. */
export const NOTE_ED25519 = 0x01;
/** Signature type of a witness's timestamped Ed25519 cosignature (c2sp.org/tlog-cosignature). */
export const NOTE_COSIGNATURE = 0x04;
/** Bytes of a key ID. */
export const NOTE_KEY_ID_BYTES = 4;

/** A key that notes are verified with. `keyId` is `Uint8Array(4)`, `publicKey` `Uint8Array(32)`, `type` a signature type. */
export interface VerifierKey {
  readonly name: string;
  readonly keyId: Uint8Array;
  readonly type: number;
  readonly publicKey: Uint8Array;
}

/** `SHA-256(name ‖ 0x0A ‖ type ‖ public key)[:4]`. It identifies a key, it does not authenticate it. */
export function noteKeyId(name: string, type: number, publicKey: Uint8Array): Uint8Array {
  const preimage = concatBytes(encodeUtf8(`${name}\n`), Uint8Array.of(type), publicKey);
  return portableSha256(preimage).slice(0, NOTE_KEY_ID_BYTES);
}

/** Whether a key may have this name: not empty, no Unicode white space, no control characters, no plus, well-formed. */
export function isKeyName(name: string): boolean {
  return /^[^\p{White_Space}\p{Cc}\p{Cs}+]+$/u.test(name);
}

/** The verifier key of a public key under a name, as an object. Throws `RangeError` on a bad name or key length. */
export function verifierKey(name: string, type: number, publicKey: Uint8Array): VerifierKey {
  if (!isKeyName(name)) throw new RangeError(`not a key name: ${JSON.stringify(name)}`);
  if (publicKey.length !== PUBLIC_KEY_BYTES) throw new RangeError('a public key has 32 bytes');
  return { name, keyId: noteKeyId(name, type, publicKey), type, publicKey };
}

/** Writes a verifier key as text. Throws `RangeError` on a bad name or key length. */
export function formatVerifierKey(name: string, type: number, publicKey: Uint8Array): string {
  const { keyId } = verifierKey(name, type, publicKey);
  return `${name}+${encodeHex(keyId)}+${encodeBase64(concatBytes(Uint8Array.of(type), publicKey))}`;
}

/**
 * Reads a verifier key of one of the two Ed25519 types. `undefined` when it is malformed, of another type, or when its key ID
 * does not follow from its name and key.
 */
export function parseVerifierKey(text: string): VerifierKey | undefined {
  const [, name, hex, encoded] = /^([^+]*)\+([0-9a-f]{8})\+(.*)$/su.exec(text) ?? [];
  if (name === undefined || hex === undefined || encoded === undefined || !isKeyName(name)) return undefined;
  const key = decodeBase64(encoded, 1 + PUBLIC_KEY_BYTES);
  const type = key?.[0];
  if (key === undefined || (type !== NOTE_ED25519 && type !== NOTE_COSIGNATURE)) return undefined;
  const parsed = verifierKey(name, type, key.slice(1));
  return equalBytes(decodeHex(hex)!, parsed.keyId) ? parsed : undefined;
}

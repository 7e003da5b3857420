/**
 * SSE1 records: `"SSE1" ‖ nonce(12) ‖ ciphertext ‖ tag(16)`, AES-256-GCM directly under a master key, associated data of at-rest-aad.ts.
 * The form of blobs such as proofs, and of payloads of legacy events that were imported; new payloads are SSE2.
 */
import { type KeyObject, randomBytes } from 'node:crypto';
import { decrypt, encryptInto, NONCE_BYTES, TAG_BYTES } from './gcm.js';

const MARK = Buffer.from('SSE1');
const BODY = MARK.length + NONCE_BYTES;

/** Seals a blob. Nonces are random, so at most 2^32 blobs may be sealed with a key. */
export function sealRecord(
  key: KeyObject,
  aad: Uint8Array,
  plain: Uint8Array,
  nonce: Uint8Array = randomBytes(NONCE_BYTES),
): Buffer {
  const record = Buffer.alloc(BODY + plain.length + TAG_BYTES);
  record.set(MARK);
  record.set(nonce, MARK.length);
  encryptInto(record, BODY, key, nonce, aad, plain);
  return record;
}

/** Opens a blob with whichever key of the ring it was sealed with; undefined when none fits, or it is no such record. */
export function openRecord(
  ring: readonly KeyObject[],
  aad: Uint8Array,
  record: Uint8Array,
): Buffer | undefined {
  if (record.length < BODY + TAG_BYTES || !MARK.equals(record.subarray(0, MARK.length))) return undefined;
  const nonce = record.subarray(MARK.length, BODY);
  for (const key of ring) {
    const plain = decrypt(key, nonce, aad, record.subarray(BODY));
    if (plain) return plain;
  }
  return undefined;
}

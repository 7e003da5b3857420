/**
 * SSE2 records, the form of sealed payloads in the tables: the four characters `SSE2`, then base64 (RFC 4648 section 4) of
 *
 *     data key id(16) ‖ counter(8) [‖ envelope hash(32) ‖ 00] ‖ ciphertext ‖ tag(16)
 *
 * AES-256-GCM under the data key; nonce = 00000000 ‖ counter, which its one writer never repeats (sealer.ts); associated data
 *
 *     "STATESET_SEALED_PAYLOAD_V2" ‖ form(1) ‖ the clear part above ‖ tenant ‖ store ‖ event ‖ plain hash ‖ what else the place is bound to
 *
 * The envelope hash is there for payloads that their author encrypted (form 2): the SHA-256 of the stored envelope, which the look-up of
 * repeated events needs without a key. The clear part has a multiple of three bytes, so SQL finds it at fixed characters.
 */
import type { KeyObject } from 'node:crypto';
import { PAYLOAD_FORM, type PayloadPlace } from '../store/sealed-payload.js';
import { decrypt, encryptInto, NONCE_BYTES, TAG_BYTES } from './gcm.js';

const MARK_V1 = 'SSE1';
const MARK_V2 = 'SSE2';
const MARK_CHARS = 4;
const LABEL = Buffer.from('STATESET_SEALED_PAYLOAD_V2');
const KEY_ID_BYTES = 16;
const COUNTER_AT = KEY_ID_BYTES;
const HEAD_BYTES = KEY_ID_BYTES + 8;
/** Envelope hash and a zero that makes the length a multiple of three. */
const ENVELOPE_BYTES = 33;
const BOUND_BYTES_MIN = 512;

/** Counters are doubles. */
export const COUNTER_MAX = Number.MAX_SAFE_INTEGER;

/** Which form a sealed text has. */
export function recordVersion(record: Uint8Array): 1 | 2 | undefined {
  const mark = Buffer.from(record.buffer, record.byteOffset, Math.min(MARK_CHARS, record.length)).toString(
    'latin1',
  );
  return mark === MARK_V2 ? 2 : mark === MARK_V1 ? 1 : undefined;
}

/** The id of the data key of an SSE2 record, 32 hex digits. */
export const dataKeyIdOf = (record: Uint8Array): string =>
  // 16 bytes are in the first 22 characters; 24 decode without a rest.
  Buffer.from(latin1(record, MARK_CHARS, MARK_CHARS + 24), 'base64').toString('hex', 0, KEY_ID_BYTES);

/** An SSE1 record that was made storable as text: `SSE1` and base64 of what follows. */
export const recordV1Bytes = (record: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(MARK_V1), Buffer.from(latin1(record, MARK_CHARS, record.length), 'base64')]);

/** What is written into a record besides the ciphertext. */
export interface RecordHead {
  readonly keyId: Uint8Array;
  readonly counter: number;
  /** Form 2 only: SHA-256 of the payload as stored, 32 bytes. */
  readonly envelopeHash: Uint8Array | undefined;
}

/**
 * Makes a writer with buffers of its own; what it answers is valid until its next call. Not re-entrant.
 */
export function createRecordWriter(): (
  key: KeyObject,
  head: RecordHead,
  place: PayloadPlace,
  plain: Uint8Array,
) => Buffer {
  const associated = createAssociatedData();
  const nonce = Buffer.alloc(NONCE_BYTES);
  let raw = Buffer.alloc(4096);
  let text = Buffer.alloc(8192);
  return (key, { keyId, counter, envelopeHash }, place, plain) => {
    if ((place.form === PAYLOAD_FORM.vesEncrypted) !== (envelopeHash !== undefined))
      throw new Error('an encrypted payload goes with the hash of its envelope, others without');
    const size = HEAD_BYTES + ENVELOPE_BYTES + plain.length + TAG_BYTES;
    if (raw.length < size) raw = Buffer.alloc(2 * size);
    raw.set(keyId);
    raw.writeUInt32BE(Math.floor(counter / 0x1_0000_0000), COUNTER_AT);
    raw.writeUInt32BE(counter >>> 0, COUNTER_AT + 4);
    let head = HEAD_BYTES;
    if (envelopeHash) {
      raw.set(envelopeHash, head);
      head += ENVELOPE_BYTES;
      raw[head - 1] = 0;
    }
    raw.copy(nonce, 4, COUNTER_AT, HEAD_BYTES);
    const end = encryptInto(raw, head, key, nonce, associated(raw, head, place), plain);
    const chars = MARK_CHARS + 4 * Math.ceil(end / 3);
    if (text.length < chars) text = Buffer.alloc(2 * chars);
    text.write(MARK_V2, 0, 'latin1');
    text.write(raw.toString('base64', 0, end), MARK_CHARS, 'latin1');
    return text.subarray(0, chars);
  };
}

/** Opens an SSE2 record; undefined when it is not what was sealed under this key for this place. */
export function createRecordReader(): (
  key: KeyObject,
  place: PayloadPlace,
  record: Uint8Array,
) => Buffer | undefined {
  const associated = createAssociatedData();
  const nonce = Buffer.alloc(NONCE_BYTES);
  return (key, place, record) => {
    const encoded = latin1(record, MARK_CHARS, record.length);
    const raw = Buffer.from(encoded, 'base64');
    const head = HEAD_BYTES + (place.form === PAYLOAD_FORM.vesEncrypted ? ENVELOPE_BYTES : 0);
    // One record has one spelling: decoders skip what they do not know.
    if (raw.length < head + TAG_BYTES || raw.toString('base64') !== encoded) return undefined;
    raw.copy(nonce, 4, COUNTER_AT, HEAD_BYTES);
    return decrypt(key, nonce, associated(raw, head, place), raw.subarray(head));
  };
}

/** Makes the associated data in a buffer of its own. */
function createAssociatedData(): (raw: Buffer, head: number, place: PayloadPlace) => Buffer {
  let aad = Buffer.alloc(LABEL.length + BOUND_BYTES_MIN);
  aad.set(LABEL);
  return (raw, head, { form, ids, idsOffset, plainHash, plainHashOffset, bound }) => {
    const size = LABEL.length + 1 + head + 48 + 32 + bound.length;
    if (aad.length < size) {
      aad = Buffer.alloc(2 * size);
      aad.set(LABEL);
    }
    let at = aad.writeUInt8(form, LABEL.length);
    at += raw.copy(aad, at, 0, head);
    for (let i = 0; i < 48; i++) aad[at++] = ids[idsOffset + i]!;
    for (let i = 0; i < 32; i++) aad[at++] = plainHash[plainHashOffset + i]!;
    aad.set(bound, at);
    return aad.subarray(0, size);
  };
}

const latin1 = (bytes: Uint8Array, from: number, to: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1', from, to);

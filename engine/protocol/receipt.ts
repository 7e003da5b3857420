import { copyBytes, decodeHex, encodeHex, equalBytes, writeU64 } from './bytes.js';
import { DOMAIN } from './domains.js';
import { signEd25519, verifyStrict } from './ed25519.js';
import { FIXED } from './fixed-fields.js';
import { formatMicros } from './rfc3339.js';
import { portableSha256, type Sha256 } from './sha256.js';
import { formatUuid, parseUuid } from './uuid.js';

/** Size of the receipt preimage: label 14, ids 48, sequence number 8, signing hash 32. */
export const RECEIPT_PREIMAGE_BYTES = 102;

/** A receipt as it travels in JSON. Hex is lower-case without `0x`; an unsigned receipt has an empty signature. */
export type ReceiptJson = {
  sequencerId: string;
  eventId: string;
  sequenceNumber: number;
  /** RFC 3339 with the suffix `+00:00`, 0, 3 or 6 fraction digits. Not covered by the signature. */
  sequencedAt: string;
  receiptHash: string;
  signatureAlg: 'ed25519' | 'none';
  sequencerSignature: string;
  sequencerKeyVersion: number;
  /** 1 = Ed25519; absent when unsigned. */
  receiptSignatureScheme?: number;
};

/**
 * Writes the receipt preimage and returns the offset behind it; allocates nothing.
 *
 * `"VES_RECEIPT_V1" || tenant || store || event || U64 sequence_number || event signing hash`
 */
export function writeReceiptPreimage(
  fields: { fixed: Uint8Array; fixedOffset: number },
  sequenceNumber: number | bigint,
  eventSigningHash: Uint8Array,
  target: Uint8Array,
  offset: number,
): number {
  let at = copyBytes(DOMAIN.receipt, 0, target, offset, DOMAIN.receipt.length);
  at = copyBytes(fields.fixed, fields.fixedOffset + FIXED.tenantId, target, at, 48);
  at = writeU64(target, at, sequenceNumber);
  return copyBytes(eventSigningHash, 0, target, at, 32);
}

/** The 32-byte hash a sequencer signs. */
export function receiptHash(
  fields: { fixed: Uint8Array; fixedOffset: number },
  sequenceNumber: number | bigint,
  eventSigningHash: Uint8Array,
  sha256: Sha256 = portableSha256,
): Uint8Array {
  const preimage = new Uint8Array(RECEIPT_PREIMAGE_BYTES);
  writeReceiptPreimage(fields, sequenceNumber, eventSigningHash, preimage, 0);
  return sha256(preimage);
}

/** The parts of a receipt before it is rendered. `signature` is absent when the sequencer has no signing key. */
export type ReceiptParts = {
  sequencerId: string;
  /** 16 bytes or text. */
  eventId: Uint8Array | string;
  sequenceNumber: number | bigint;
  sequencedAtMicros: number | bigint;
  receiptHash: Uint8Array;
  signature?: Uint8Array | undefined;
  keyVersion?: number;
};

/** Renders a receipt for JSON. */
export function receiptToJson(parts: ReceiptParts): ReceiptJson {
  const signed = parts.signature !== undefined;
  return {
    sequencerId: parts.sequencerId,
    eventId: typeof parts.eventId === 'string' ? parts.eventId : formatUuid(parts.eventId),
    sequenceNumber: Number(parts.sequenceNumber),
    sequencedAt: formatMicros(parts.sequencedAtMicros, '+00:00'),
    receiptHash: encodeHex(parts.receiptHash),
    signatureAlg: signed ? 'ed25519' : 'none',
    sequencerSignature: signed ? encodeHex(parts.signature!) : '',
    sequencerKeyVersion: parts.keyVersion ?? 0,
    ...(signed ? { receiptSignatureScheme: 1 } : {}),
  };
}

/** Signs a receipt hash with the sequencer's 32-byte seed (portable and slow; servers sign natively). */
export function signReceipt(hash: Uint8Array, sequencerSeed: Uint8Array): Uint8Array {
  return signEd25519(hash, sequencerSeed);
}

export type ReceiptVerdict =
  | 'ok'
  | 'malformed'
  | 'wrong_event'
  | 'hash_mismatch'
  | 'unsigned'
  | 'bad_signature';

/**
 * Checks a receipt offline against the event it should be about and the sequencer's public key (32 bytes).
 *
 * @param event ids (text, any accepted form) and the signing hash the holder computed from its own copy of the event;
 *   never values taken from the receipt
 */
export function verifyReceipt(
  receipt: Pick<ReceiptJson, 'eventId' | 'sequenceNumber' | 'receiptHash' | 'sequencerSignature'>,
  event: { tenantId: string; storeId: string; eventId: string; eventSigningHash: Uint8Array },
  sequencerPublicKey: Uint8Array,
  sha256: Sha256 = portableSha256,
): ReceiptVerdict {
  // Receipts come from outside: their static type is a promise nobody has checked yet.
  const texts = [receipt.eventId, receipt.receiptHash, receipt.sequencerSignature];
  if (texts.some((text) => typeof text !== 'string')) return 'malformed';
  const fixed = new Uint8Array(48);
  const claimedHash = decodeHex(receipt.receiptHash, 32);
  const receiptEventId = parseUuid(receipt.eventId);
  if (claimedHash === undefined || receiptEventId === undefined) return 'malformed';
  if (!Number.isSafeInteger(receipt.sequenceNumber) || receipt.sequenceNumber < 1) return 'malformed';
  for (const [name, offset] of [
    ['tenantId', FIXED.tenantId],
    ['storeId', FIXED.storeId],
    ['eventId', FIXED.eventId],
  ] as const) {
    const id = parseUuid(event[name]);
    if (id === undefined) return 'malformed';
    fixed.set(id, offset);
  }
  if (!equalBytes(receiptEventId, fixed.subarray(FIXED.eventId))) return 'wrong_event';
  const expected = receiptHash(
    { fixed, fixedOffset: 0 },
    receipt.sequenceNumber,
    event.eventSigningHash,
    sha256,
  );
  if (!equalBytes(expected, claimedHash)) return 'hash_mismatch';
  if (receipt.sequencerSignature === '') return 'unsigned';
  const signature = decodeHex(receipt.sequencerSignature, 64);
  if (signature === undefined) return 'malformed';
  return verifyStrict(signature, expected, sequencerPublicKey) ? 'ok' : 'bad_signature';
}

import { decodeBase64Url } from './base64url.js';
import { concatBytes, utf8Length, writeString, writeU32 } from './bytes.js';
import { DOMAIN } from './domains.js';
import { FIXED } from './fixed-fields.js';
import { portableSha256, type Sha256 } from './sha256.js';

/** One recipient's wrapped data key (RFC 9180 base mode): `enc_b64u` 32 bytes, `ct_b64u` 48 bytes. */
export type EncryptedRecipient = { recipient_kid: number; enc_b64u: string; ct_b64u: string };

/** An end-to-end encrypted payload (VES-ENC-1) as it travels in JSON. The server never decrypts it. */
export type EncryptedPayload = {
  enc_version: number;
  aead: string;
  nonce_b64u: string;
  ciphertext_b64u: string;
  tag_b64u: string;
  hpke: { mode: string; kem: string; kdf: string; aead: string };
  recipients: EncryptedRecipient[];
};

/** The decoded bytes: nonce 12, tag 16, per recipient 32 and 48. */
export type EncryptedPayloadBytes = {
  nonce: Uint8Array;
  ciphertext: Uint8Array;
  tag: Uint8Array;
  recipients: { kid: number; enc: Uint8Array; ct: Uint8Array }[];
};

/** Most recipients of one event; far above any real group, it keeps a hostile list from costing much. */
export const RECIPIENTS_MAX = 4096;

const MODES = new Set(['base', 'hybrid-base', 'pqc-base']);
const KEMS = new Set(['X25519-HKDF-SHA256', 'x25519+mlkem768', 'mlkem768']);

/**
 * Reads the members of an encrypted payload, checking their types only. Unknown members are dropped, so that what is
 * stored and compared is exactly this shape.
 *
 * @returns the payload, or the path (relative to it, `''` for itself) of the first missing or ill-typed member
 */
export function readEncryptedPayload(value: unknown): { payload: EncryptedPayload } | { path: string } {
  if (!isRecord(value)) return { path: '' };
  if (!isU32(value.enc_version)) return { path: 'enc_version' };
  for (const name of ['aead', 'nonce_b64u', 'ciphertext_b64u', 'tag_b64u']) {
    if (typeof value[name] !== 'string') return { path: name };
  }
  const hpke = value.hpke;
  if (!isRecord(hpke)) return { path: 'hpke' };
  for (const name of ['mode', 'kem', 'kdf', 'aead']) {
    if (typeof hpke[name] !== 'string') return { path: `hpke.${name}` };
  }
  const recipients = value.recipients;
  if (!Array.isArray(recipients)) return { path: 'recipients' };
  for (let i = 0; i < recipients.length; i++) {
    const recipient: unknown = recipients[i];
    if (!isRecord(recipient)) return { path: `recipients[${i}]` };
    if (!isU32(recipient.recipient_kid)) return { path: `recipients[${i}].recipient_kid` };
    if (typeof recipient.enc_b64u !== 'string') return { path: `recipients[${i}].enc_b64u` };
    if (typeof recipient.ct_b64u !== 'string') return { path: `recipients[${i}].ct_b64u` };
  }
  return { payload: pick(value as EncryptedPayload) };
}

function pick(value: EncryptedPayload): EncryptedPayload {
  const { mode, kem, kdf, aead } = value.hpke;
  return {
    enc_version: value.enc_version,
    aead: value.aead,
    nonce_b64u: value.nonce_b64u,
    ciphertext_b64u: value.ciphertext_b64u,
    tag_b64u: value.tag_b64u,
    hpke: { mode, kem, kdf, aead },
    recipients: value.recipients.map(({ recipient_kid, enc_b64u, ct_b64u }) => ({
      recipient_kid,
      enc_b64u,
      ct_b64u,
    })),
  };
}

/**
 * Checks the structure and decodes the bytes. Checks run in the protocol's order and the first failure is reported.
 *
 * @param strict base64url must be canonical and unpadded
 * @returns the bytes, or the path of the offending member, relative to the envelope (`payload_encrypted.…`)
 */
export function decodeEncryptedPayload(
  payload: EncryptedPayload,
  strict = false,
): { bytes: EncryptedPayloadBytes } | { path: string } {
  const at = (member: string) => ({ path: `payload_encrypted.${member}` });
  if (payload.enc_version < 1 || payload.enc_version > 3) return at('enc_version');
  if (payload.aead !== 'AES-256-GCM') return at('aead');
  if (!MODES.has(payload.hpke.mode)) return at('hpke.mode');
  if (!KEMS.has(payload.hpke.kem)) return at('hpke.kem');
  if (payload.hpke.kdf !== 'HKDF-SHA256') return at('hpke.kdf');
  if (payload.hpke.aead !== 'AES-256-GCM') return at('hpke.aead');
  const nonce = decodeBase64Url(payload.nonce_b64u, strict);
  if (nonce?.length !== 12) return at('nonce_b64u');
  const ciphertext = decodeBase64Url(payload.ciphertext_b64u, strict);
  if (ciphertext === undefined || ciphertext.length === 0) return at('ciphertext_b64u');
  const tag = decodeBase64Url(payload.tag_b64u, strict);
  if (tag?.length !== 16) return at('tag_b64u');
  const count = payload.recipients.length;
  if (count === 0 || count > RECIPIENTS_MAX) return at('recipients');
  const recipients: EncryptedPayloadBytes['recipients'] = [];
  let previousKid = -1;
  for (let i = 0; i < count; i++) {
    const recipient = payload.recipients[i]!;
    if (recipient.recipient_kid <= previousKid) return at('recipients');
    const enc = decodeBase64Url(recipient.enc_b64u, strict);
    if (enc?.length !== 32) return at(`recipients[${i}].enc_b64u`);
    const ct = decodeBase64Url(recipient.ct_b64u, strict);
    if (ct?.length !== 48) return at(`recipients[${i}].ct_b64u`);
    previousKid = recipient.recipient_kid;
    recipients.push({ kid: previousKid, enc, ct });
  }
  return { bytes: { nonce, ciphertext, tag, recipients } };
}

/** The members of an envelope that bind an encrypted payload to its event. */
export type PayloadContext = {
  agentKeyId: number;
  entityType: string;
  entityId: string;
  eventType: string;
  createdAt: string;
  fixed: Uint8Array;
  fixedOffset: number;
};

/**
 * `SHA-256("VES_PAYLOAD_AAD_V1" || tenant || store || event || agent || U32 key || STR entity_type || STR entity_id ||
 * STR event_type || STR created_at || plain hash)`: additional data of the AES-GCM encryption and info of the key wraps.
 */
export function payloadAad(context: PayloadContext, sha256: Sha256 = portableSha256): Uint8Array {
  const { fixed, fixedOffset } = context;
  const strings = [context.entityType, context.entityId, context.eventType, context.createdAt];
  const bytes = strings.reduce(
    (sum, text) => sum + 4 + utf8Length(text),
    DOMAIN.payloadAad.length + 64 + 4 + 32,
  );
  const preimage = new Uint8Array(bytes);
  preimage.set(DOMAIN.payloadAad);
  preimage.set(fixed.subarray(fixedOffset, fixedOffset + 64), DOMAIN.payloadAad.length);
  let at = writeU32(preimage, DOMAIN.payloadAad.length + 64, context.agentKeyId);
  for (const text of strings) at = writeString(preimage, at, text);
  const plainHashAt = fixedOffset + FIXED.payloadPlainHash;
  preimage.set(fixed.subarray(plainHashAt, plainHashAt + 32), at);
  return sha256(preimage);
}

/** `SHA-256("VES_RECIPIENTS_V1" || for each recipient, in order: U32 kid || U32 32 || enc || U32 48 || ct)`. */
export function recipientsHash(
  recipients: EncryptedPayloadBytes['recipients'],
  sha256: Sha256 = portableSha256,
): Uint8Array {
  const parts = [DOMAIN.recipients];
  for (const { kid, enc, ct } of recipients) parts.push(u32(kid), u32(enc.length), enc, u32(ct.length), ct);
  return sha256(concatBytes(...parts));
}

/**
 * `SHA-256("VES_PAYLOAD_CIPHER_V1" || U32 1 || nonce || aad || U32 len(ciphertext) || ciphertext || tag || recipients
 * hash)`. The number is the constant 1 for every `enc_version`.
 */
export function payloadCipherHash(
  payload: EncryptedPayloadBytes,
  aad: Uint8Array,
  sha256: Sha256 = portableSha256,
): Uint8Array {
  const { nonce, ciphertext, tag, recipients } = payload;
  const recipientsDigest = recipientsHash(recipients, sha256);
  const length = u32(ciphertext.length);
  return sha256(
    concatBytes(DOMAIN.payloadCipher, u32(1), nonce, aad, length, ciphertext, tag, recipientsDigest),
  );
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeU32(bytes, 0, value);
  return bytes;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isU32(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
}

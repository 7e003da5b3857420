import { checkedUtf8Length, decodeHexInto, type HexForm } from './bytes.js';
import {
  decodeEncryptedPayload,
  type EncryptedPayload,
  type EncryptedPayloadBytes,
  readEncryptedPayload,
} from './encrypted-payload.js';
import type { EventSigningFields } from './event-signing.js';
import { FIXED, FIXED_BYTES } from './fixed-fields.js';
import { normalizeSignatureScheme } from './keys.js';
import { readSignatureBundle, type SignatureBundle } from './signature-bundle.js';
import { uuidInto } from './uuid.js';

/** Greatest lengths of the descriptive strings in UTF-8 bytes; none may be empty. */
export const ENTITY_TYPE_BYTES_MAX = 128;
export const ENTITY_ID_BYTES_MAX = 512;
export const EVENT_TYPE_BYTES_MAX = 256;
/** A timestamp longer than this is not honest, however many fraction digits RFC 3339 allows. */
export const CREATED_AT_BYTES_MAX = 128;

/**
 * A VES envelope whose members have the right types. Ids, hashes and the signature lie in the block `fixed` at
 * `fixedOffset` (layout `FIXED`); `formatUuid` and `encodeHex` make text of them when text is wanted.
 */
export type VesEnvelope = EventSigningFields & {
  /** The decoded JSON value; `undefined` when absent or null. */
  payload: unknown;
  payloadEncrypted: ParsedEncryptedPayload | undefined;
  /** 0, 1, 2 or 3 (`SIGNATURE_SCHEME`); unknown numbers count as 0. */
  signatureScheme: number;
  signatureBundle: SignatureBundle | undefined;
  baseVersion: number | undefined;
};

/** An encrypted payload of the right types: its bytes, or the path of what is wrong with its structure. */
export type ParsedEncryptedPayload = { json: EncryptedPayload } & (
  | { bytes: EncryptedPayloadBytes }
  | { bytes: undefined; faultPath: string }
);

export type EnvelopeOptions = {
  /** Hex only as `0x` and lower-case digits, base64url only canonical. */
  strictFormat?: boolean;
  /** Where to write the fixed-width part, for callers with an arena of one slot per event; by default a new block. */
  fixed?: Uint8Array;
  fixedOffset?: number;
};

/**
 * Why an envelope cannot be read at all. `kind`: `type`, a member is missing or ill-typed · `length`, a string is
 * empty or too long · `text`, a string holds U+0000 or a lone surrogate · `payload_missing`, no payload for its
 * kind. `path` is the member's name, `''` for the envelope itself.
 */
export type EnvelopeFault = {
  ok: false;
  kind: 'type' | 'length' | 'text' | 'payload_missing';
  path: string;
  message: string;
};

export type ParsedVesEnvelope = { ok: true; envelope: VesEnvelope } | EnvelopeFault;

const LENIENT_HEX: HexForm = {};
const STRICT_HEX: HexForm = { prefix: 'required', lowercase: true };

const UUID = 'a UUID';
const U32 = 'an integer from 0 to 4294967295';

/**
 * Reads one decoded JSON value as a VES envelope. Types are checked before lengths. Unknown members are ignored, and so
 * are `sequence_number` and `sequenced_at`, which only the sequencer assigns. Semantic rules (version, which payload
 * goes with which kind, timestamp, hashes) are not decided here: see `checkVesEnvelope`.
 */
export function parseVesEnvelope(value: unknown, options: EnvelopeOptions = {}): ParsedVesEnvelope {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return typeFault('', 'an object');
  const input = value as Record<string, unknown>;
  const strict = options.strictFormat === true;
  const fixed = options.fixed ?? new Uint8Array(FIXED_BYTES);
  const at = options.fixedOffset ?? 0;

  const { ves_version, agent_key_id, entity_type, entity_id, event_type, created_at, payload_kind } = input;
  if (!isU32(ves_version)) return typeFault('ves_version', U32);
  if (!isU32(agent_key_id)) return typeFault('agent_key_id', U32);
  if (typeof entity_type !== 'string') return typeFault('entity_type', 'a string');
  if (typeof entity_id !== 'string') return typeFault('entity_id', 'a string');
  if (typeof event_type !== 'string') return typeFault('event_type', 'a string');
  if (typeof created_at !== 'string') return typeFault('created_at', 'a string');
  if (payload_kind !== 0 && payload_kind !== 1)
    return typeFault('payload_kind', '0 (plaintext) or 1 (encrypted)');
  const fixedFault = putFixedMembers(input, fixed, at, strict);
  if (fixedFault !== undefined) return fixedFault;

  const baseVersion = input.base_version ?? undefined;
  if (baseVersion !== undefined && !isSafeUnsigned(baseVersion)) {
    return typeFault('base_version', 'an integer from 0 to 9007199254740991 or null');
  }

  const scheme = input.agent_signature_scheme ?? 0;
  if (!isI32(scheme)) return typeFault('agent_signature_scheme', 'a 32-bit integer or null');
  let signatureBundle: SignatureBundle | undefined;
  if (isPresent(input.agent_signature_bundle)) {
    const read = readSignatureBundle(input.agent_signature_bundle);
    if ('path' in read) return typeFault(join('agent_signature_bundle', read.path), 'an array of bytes');
    signatureBundle = read.bundle;
  }
  let payloadEncrypted: ParsedEncryptedPayload | undefined;
  if (isPresent(input.payload_encrypted)) {
    const read = readEncryptedPayload(input.payload_encrypted);
    if ('path' in read) return typeFault(join('payload_encrypted', read.path), 'a member of the right type');
    payloadEncrypted = parseEncrypted(read.payload, strict);
  }

  const fault =
    checkText('entity_type', entity_type, ENTITY_TYPE_BYTES_MAX) ??
    checkText('entity_id', entity_id, ENTITY_ID_BYTES_MAX) ??
    checkText('event_type', event_type, EVENT_TYPE_BYTES_MAX) ??
    checkText('created_at', created_at, CREATED_AT_BYTES_MAX);
  if (fault !== undefined) return fault;
  const payload = input.payload ?? undefined;
  if (payload_kind === 0 && payload === undefined) return missing('payload', 'plaintext');
  if (payload_kind === 1 && payloadEncrypted === undefined) return missing('payload_encrypted', 'encrypted');

  return {
    ok: true,
    envelope: {
      vesVersion: ves_version,
      agentKeyId: agent_key_id,
      entityType: entity_type,
      entityId: entity_id,
      eventType: event_type,
      createdAt: created_at,
      payloadKind: payload_kind,
      payload,
      payloadEncrypted,
      hasCommandId: isPresent(input.command_id),
      baseVersion,
      signatureScheme: normalizeSignatureScheme(scheme),
      signatureBundle,
      fixed,
      fixedOffset: at,
    },
  };
}

/** Writes ids, hashes and the signature to the block. */
function putFixedMembers(
  input: Record<string, unknown>,
  fixed: Uint8Array,
  at: number,
  strict: boolean,
): EnvelopeFault | undefined {
  const hex = strict ? STRICT_HEX : LENIENT_HEX;
  if (!putUuid(input.event_id, fixed, at + FIXED.eventId)) return typeFault('event_id', UUID);
  if (!putUuid(input.tenant_id, fixed, at + FIXED.tenantId)) return typeFault('tenant_id', UUID);
  if (!putUuid(input.store_id, fixed, at + FIXED.storeId)) return typeFault('store_id', UUID);
  if (!putUuid(input.source_agent_id, fixed, at + FIXED.sourceAgentId))
    return typeFault('source_agent_id', UUID);
  if (!putHex(input.payload_plain_hash, fixed, at + FIXED.payloadPlainHash, 32, hex)) {
    return hexFault('payload_plain_hash', 32, strict);
  }
  if (!putHex(input.payload_cipher_hash, fixed, at + FIXED.payloadCipherHash, 32, hex)) {
    return hexFault('payload_cipher_hash', 32, strict);
  }
  if (!putHex(input.agent_signature, fixed, at + FIXED.agentSignature, 64, hex)) {
    return hexFault('agent_signature', 64, strict);
  }
  if (!isPresent(input.command_id)) fixed.fill(0, at + FIXED.commandId, at + FIXED.commandId + 16);
  else if (!putUuid(input.command_id, fixed, at + FIXED.commandId))
    return typeFault('command_id', `${UUID} or null`);
  return undefined;
}

function parseEncrypted(json: EncryptedPayload, strict: boolean): ParsedEncryptedPayload {
  const decoded = decodeEncryptedPayload(json, strict);
  return 'path' in decoded
    ? { json, bytes: undefined, faultPath: decoded.path }
    : { json, bytes: decoded.bytes };
}

/** Checks a descriptive string: 1..`bytesMax` bytes of UTF-8, no U+0000, no lone surrogate. */
export function checkText(path: string, text: string, bytesMax: number): EnvelopeFault | undefined {
  const bytes = checkedUtf8Length(text);
  if (bytes > 0 && bytes <= bytesMax) return undefined;
  if (bytes >= 0) {
    return {
      ok: false,
      kind: 'length',
      path,
      message: `${path} must be 1 to ${bytesMax} bytes, got ${bytes}`,
    };
  }
  const what = bytes === -1 ? 'a lone surrogate and is not valid Unicode' : 'the character U+0000';
  return { ok: false, kind: 'text', path, message: `${path} contains ${what}` };
}

/** The fault of a missing or ill-typed member. */
export function typeFault(path: string, expected: string): EnvelopeFault {
  return { ok: false, kind: 'type', path, message: `${path === '' ? 'event' : path} must be ${expected}` };
}

function hexFault(path: string, byteLength: number, strict: boolean): EnvelopeFault {
  const form = strict ? `0x and ${byteLength * 2} lower-case hex digits` : `${byteLength * 2} hex digits`;
  return typeFault(path, form);
}

function missing(path: string, kind: string): EnvelopeFault {
  return { ok: false, kind: 'payload_missing', path, message: `${path} is required for ${kind} events` };
}

function join(path: string, member: string): string {
  return member === '' ? path : `${path}.${member}`;
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function putUuid(value: unknown, target: Uint8Array, offset: number): boolean {
  return typeof value === 'string' && uuidInto(value, target, offset);
}

function putHex(value: unknown, target: Uint8Array, offset: number, bytes: number, form: HexForm): boolean {
  return typeof value === 'string' && decodeHexInto(value, target, offset, bytes, form);
}

function isU32(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
}

function isI32(value: unknown): value is number {
  return typeof value === 'number' && (value | 0) === value;
}

/**
 * A larger integer has already lost its last digits when JSON was decoded, so it cannot be compared or signed exactly.
 */
function isSafeUnsigned(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

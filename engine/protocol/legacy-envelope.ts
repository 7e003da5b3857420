import { decodeHexInto, type HexForm } from './bytes.js';
import {
  CREATED_AT_BYTES_MAX,
  checkText,
  ENTITY_ID_BYTES_MAX,
  ENTITY_TYPE_BYTES_MAX,
  type EnvelopeFault,
  EVENT_TYPE_BYTES_MAX,
  typeFault,
} from './envelope.js';
import { isJsonNumber, isJsonObject, type LosslessJson } from './lossless-json.js';
import { INSTANT_MICROS_MAX, INSTANT_MICROS_MIN, parseInstant } from './rfc3339.js';
import { uuidInto } from './uuid.js';

/** Where the fixed-width members of a legacy envelope lie in its block. */
export const LEGACY_FIXED = {
  tenantId: 0,
  storeId: 16,
  eventId: 32,
  sourceAgentId: 48,
  commandId: 64,
  payloadHash: 80,
} as const;

/** Size of that block in bytes. */
export const LEGACY_FIXED_BYTES = 112;

/** Longest signature a legacy event may carry in bytes. It is stored and returned, never verified. */
export const LEGACY_SIGNATURE_BYTES_MAX = 4096;

/** An event of the legacy stream whose members have the right types. */
export type LegacyEnvelope = {
  envelopeVersion: number;
  entityType: string;
  entityId: string;
  eventType: string;
  /** Microseconds since the epoch; the legacy stream does not keep the text. */
  createdAtMicros: bigint;
  /** Any JSON value, null included; hash and store `printLegacyJson` of it. */
  payload: LosslessJson;
  hasCommandId: boolean;
  baseVersion: bigint | undefined;
  signature: Uint8Array | undefined;
  /** Ids and payload hash, laid out as `LEGACY_FIXED`. */
  fixed: Uint8Array;
};

export type ParsedLegacyEnvelope = { ok: true; envelope: LegacyEnvelope } | EnvelopeFault;

const U32_MAX = 2n ** 32n - 1n;
const U64_MAX = 2n ** 64n - 1n;
/** Versions are stored as a signed 64-bit column. */
const I64_MAX = 2n ** 63n - 1n;

const UUID = 'a UUID';
const HASH_FORM: HexForm = { prefix: 'forbidden' };

/**
 * Reads one losslessly parsed JSON value as a legacy envelope. Types are checked before lengths; unknown members are
 * ignored, and so is an input `sequence_number` except for its type.
 */
export function parseLegacyEnvelope(value: LosslessJson): ParsedLegacyEnvelope {
  if (!isJsonObject(value)) return typeFault('', 'an object');
  const fixed = new Uint8Array(LEGACY_FIXED_BYTES);
  for (const [name, offset] of [
    ['event_id', LEGACY_FIXED.eventId],
    ['tenant_id', LEGACY_FIXED.tenantId],
    ['store_id', LEGACY_FIXED.storeId],
    ['source_agent', LEGACY_FIXED.sourceAgentId],
  ] as const) {
    const id = value.get(name);
    if (typeof id !== 'string' || !uuidInto(id, fixed, offset)) return typeFault(name, UUID);
  }
  const commandId = value.get('command_id') ?? null;
  if (
    commandId !== null &&
    (typeof commandId !== 'string' || !uuidInto(commandId, fixed, LEGACY_FIXED.commandId))
  ) {
    return typeFault('command_id', `${UUID} or null`);
  }

  const version = value.has('envelope_version') ? unsigned(value.get('envelope_version'), U32_MAX) : 1n;
  if (version === undefined) return typeFault('envelope_version', 'an integer from 0 to 4294967295');
  const entityType = value.get('entity_type');
  const entityId = value.get('entity_id');
  const eventType = value.get('event_type');
  const createdAt = value.get('created_at');
  if (typeof entityType !== 'string') return typeFault('entity_type', 'a string');
  if (typeof entityId !== 'string') return typeFault('entity_id', 'a string');
  if (typeof eventType !== 'string') return typeFault('event_type', 'a string');
  const instant = typeof createdAt === 'string' ? readInstant(createdAt) : undefined;
  if (instant === undefined) return typeFault('created_at', 'an RFC 3339 timestamp');

  const payload = value.get('payload');
  if (payload === undefined) return typeFault('payload', 'present (null is allowed)');
  const hash = value.get('payload_hash');
  if (typeof hash !== 'string' || !decodeHexInto(hash, fixed, LEGACY_FIXED.payloadHash, 32, HASH_FORM)) {
    return typeFault('payload_hash', '64 hex digits without 0x');
  }
  const baseVersion = optional(value.get('base_version'), (number) => unsigned(number, I64_MAX));
  if (baseVersion === FAULTY)
    return typeFault('base_version', 'an integer from 0 to 9223372036854775807 or null');
  const number = optional(value.get('sequence_number'), (token) => unsigned(token, U64_MAX));
  if (number === FAULTY) return typeFault('sequence_number', 'an unsigned integer or null');
  const signature = optional(value.get('signature'), readSignature);
  if (signature === FAULTY)
    return typeFault('signature', `an array of at most ${LEGACY_SIGNATURE_BYTES_MAX} bytes`);

  const fault =
    checkText('entity_type', entityType, ENTITY_TYPE_BYTES_MAX) ??
    checkText('entity_id', entityId, ENTITY_ID_BYTES_MAX) ??
    checkText('event_type', eventType, EVENT_TYPE_BYTES_MAX);
  if (fault !== undefined) return fault;
  return {
    ok: true,
    envelope: {
      envelopeVersion: Number(version),
      entityType,
      entityId,
      eventType,
      createdAtMicros: instant,
      payload,
      hasCommandId: commandId !== null,
      baseVersion,
      signature,
      fixed,
    },
  };
}

const FAULTY = Symbol('faulty');

/** Absent and null are `undefined`; a value the reader refuses is `FAULTY`. */
function optional<T>(
  value: LosslessJson | undefined,
  read: (value: LosslessJson) => T | undefined,
): T | undefined | typeof FAULTY {
  return value === undefined || value === null ? undefined : (read(value) ?? FAULTY);
}

/** An integer in 0..max, exactly; a token with a fraction or an exponent is not an integer. */
function unsigned(value: LosslessJson | undefined, max: bigint): bigint | undefined {
  if (!isJsonNumber(value) || !/^[0-9]{1,20}$/.test(value.token)) return undefined;
  const integer = BigInt(value.token);
  return integer <= max ? integer : undefined;
}

/** An offset can move a valid timestamp out of the years that can be printed again. */
function readInstant(text: string): bigint | undefined {
  const instant = text.length <= CREATED_AT_BYTES_MAX ? parseInstant(text) : undefined;
  if (instant === undefined || instant < INSTANT_MICROS_MIN || instant > INSTANT_MICROS_MAX) return undefined;
  return instant;
}

function readSignature(value: LosslessJson): Uint8Array | undefined {
  if (!Array.isArray(value) || value.length > LEGACY_SIGNATURE_BYTES_MAX) return undefined;
  const bytes = new Uint8Array(value.length);
  for (let i = 0; i < value.length; i++) {
    const item = unsigned(value[i], 255n);
    if (item === undefined) return undefined;
    bytes[i] = Number(item);
  }
  return bytes;
}

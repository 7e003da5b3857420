/**
 * COPY binary tuples of the two event tables (PostgreSQL manual, "COPY", Binary Format): u16 column count, then per column
 * u32 length (or -1 for null) and the value in network order. Column order is that of migrations/postgres/001, with row_check
 * of 002 at the end.
 *
 * One auditable unit: the bytes written here are the bytes stored. sequence_number and sequenced_at come first and are left
 * zero: the sequencer thread fills them in at fixed offsets.
 */
import { FIXED, type VesEnvelope } from '../protocol/index.js';
import type { EncodedRow } from './encoded-row.js';
import { tupleCheck } from './row-check.js';

const VES_COLUMNS = 19;
const LEGACY_COLUMNS = 18;

/** Bytes of a VES row besides payload and the four strings: 2 + 19 length words + fixed-width values, hashes and check. */
export const VES_ROW_FIXED_BYTES = 2 + VES_COLUMNS * 4 + 8 * 5 + 2 + 2 + 16 * 5 + 160 + 4;
/** The same for a legacy row, without its signature. */
export const LEGACY_ROW_FIXED_BYTES = 2 + LEGACY_COLUMNS * 4 + 8 * 5 + 16 * 5 + 32 + 4;

/**
 * Where the part of a tuple begins that its check value covers: behind the column count and the two open columns. It ends
 * before the length word of the check itself.
 */
export const CHECKED_FROM = 2 + 12 + 12;

/** `COPY` statements that take these rows. */
export const COPY_VES_EVENTS = `copy ves_events (sequence_number, sequenced_at, entity_key, base_version, agent_key_id, ves_version,
  payload_kind, tenant_id, store_id, event_id, source_agent_id, command_id, entity_type, entity_id, event_type, created_at_str,
  payload, hashes, row_check) from stdin with (format binary)`;
export const COPY_LEGACY_EVENTS = `copy events (sequence_number, sequenced_at, entity_key, base_version, envelope_version, tenant_id,
  store_id, event_id, source_agent, command_id, entity_type, entity_id, event_type, created_at_str, payload, payload_hash,
  signature, row_check) from stdin with (format binary)`;

/** File header and trailer of COPY binary. */
export const COPY_HEADER = Buffer.from('5047434f50590aff0d0a000000000000000000', 'hex');
export const COPY_TRAILER = Buffer.from('ffff', 'hex');

/** What the row of a VES event holds besides its envelope. */
export interface VesRowParts {
  readonly envelope: VesEnvelope;
  /** Canonical payload, or the canonical encryption envelope, as UTF-8. */
  readonly payload: Uint8Array;
  /** 8 bytes. */
  readonly entityKey: Uint8Array;
  /** 32 bytes. */
  readonly signingHash: Uint8Array;
}

/** Writes a row at `offset`; `encoded` receives the offsets relative to the row's start. */
export function encodeVesRow(target: Buffer, offset: number, parts: VesRowParts, encoded: EncodedRow): void {
  const { envelope, payload, entityKey, signingHash } = parts;
  const { fixed, fixedOffset } = envelope;
  let at = writeOpenColumns(target, offset, VES_COLUMNS);
  at = writeBytes(target, at, entityKey, 0, 8);
  at = writeOptionalInt64(target, at, envelope.baseVersion);
  at = writeInt64Column(target, at, envelope.agentKeyId);
  at = writeInt16Column(target, at, envelope.vesVersion);
  at = writeInt16Column(target, at, envelope.payloadKind);
  at = writeBytes(target, at, fixed, fixedOffset + FIXED.tenantId, 16);
  at = writeBytes(target, at, fixed, fixedOffset + FIXED.storeId, 16);
  at = writeBytes(target, at, fixed, fixedOffset + FIXED.eventId, 16);
  at = writeBytes(target, at, fixed, fixedOffset + FIXED.sourceAgentId, 16);
  at = envelope.hasCommandId
    ? writeBytes(target, at, fixed, fixedOffset + FIXED.commandId, 16)
    : writeNull(target, at);
  encoded.entity = at - offset;
  at = writeText(target, at, envelope.entityType);
  at = writeText(target, at, envelope.entityId);
  at = writeText(target, at, envelope.eventType);
  at = writeText(target, at, envelope.createdAt);
  at = writeLong(target, at, payload);
  const encrypted = envelope.payloadKind === 1;
  at = target.writeInt32BE(encrypted ? 160 : 128, at);
  encoded.proof = at - offset;
  at = copy(signingHash, 0, target, at, 32);
  at = copy(fixed, fixedOffset + FIXED.agentSignature, target, at, 64);
  at = copy(fixed, fixedOffset + FIXED.payloadPlainHash, target, at, 32);
  if (encrypted) at = copy(fixed, fixedOffset + FIXED.payloadCipherHash, target, at, 32);
  encoded.end = writeCheck(target, offset, at);
}

/** What the row of a legacy event holds. Ids are 16 bytes each. */
export interface LegacyRowParts {
  readonly envelopeVersion: number;
  readonly tenantId: Uint8Array;
  readonly storeId: Uint8Array;
  readonly eventId: Uint8Array;
  readonly sourceAgent: Uint8Array;
  readonly commandId: Uint8Array | undefined;
  readonly baseVersion: number | undefined;
  readonly entityType: string;
  readonly entityId: string;
  readonly eventType: string;
  readonly createdAt: string;
  readonly payload: Uint8Array;
  readonly payloadHash: Uint8Array;
  readonly signature: Uint8Array | undefined;
  readonly entityKey: Uint8Array;
}

/** Writes a legacy row at `offset`. */
export function encodeLegacyRow(
  target: Buffer,
  offset: number,
  parts: LegacyRowParts,
  encoded: EncodedRow,
): void {
  let at = writeOpenColumns(target, offset, LEGACY_COLUMNS);
  at = writeBytes(target, at, parts.entityKey, 0, 8);
  at = writeOptionalInt64(target, at, parts.baseVersion);
  at = writeInt64Column(target, at, parts.envelopeVersion);
  at = writeBytes(target, at, parts.tenantId, 0, 16);
  at = writeBytes(target, at, parts.storeId, 0, 16);
  at = writeBytes(target, at, parts.eventId, 0, 16);
  at = writeBytes(target, at, parts.sourceAgent, 0, 16);
  at = parts.commandId ? writeBytes(target, at, parts.commandId, 0, 16) : writeNull(target, at);
  encoded.entity = at - offset;
  encoded.proof = 0;
  at = writeText(target, at, parts.entityType);
  at = writeText(target, at, parts.entityId);
  at = writeText(target, at, parts.eventType);
  at = writeText(target, at, parts.createdAt);
  at = writeLong(target, at, parts.payload);
  at = writeBytes(target, at, parts.payloadHash, 0, 32);
  at = parts.signature
    ? writeBytes(target, at, parts.signature, 0, parts.signature.length)
    : writeNull(target, at);
  encoded.end = writeCheck(target, offset, at);
}

/** Column count and the two columns the sequencer fills in. */
function writeOpenColumns(target: Buffer, offset: number, columns: number): number {
  let at = target.writeUInt16BE(columns, offset);
  at = writeInt64Column(target, at, 0);
  return writeInt64Column(target, at, 0);
}

/** The last column: the check value of everything from {@link CHECKED_FROM} to `end`. */
function writeCheck(target: Buffer, offset: number, end: number): number {
  return target.writeInt32BE(tupleCheck(target, offset + CHECKED_FROM, end), target.writeInt32BE(4, end));
}

function writeNull(target: Buffer, at: number): number {
  return target.writeInt32BE(-1, at);
}

function writeBytes(target: Buffer, at: number, source: Uint8Array, from: number, length: number): number {
  return copy(source, from, target, target.writeInt32BE(length, at), length);
}

/** For long values: a native copy. */
function writeLong(target: Buffer, at: number, source: Uint8Array): number {
  const start = target.writeInt32BE(source.length, at);
  target.set(source, start);
  return start + source.length;
}

function writeText(target: Buffer, at: number, text: string): number {
  const length = target.write(text, at + 4, 'utf8');
  target.writeInt32BE(length, at);
  return at + 4 + length;
}

function writeInt16Column(target: Buffer, at: number, value: number): number {
  return target.writeInt16BE(value, target.writeInt32BE(2, at));
}

function writeInt64Column(target: Buffer, at: number, value: number): number {
  const start = target.writeInt32BE(8, at);
  target.writeInt32BE(Math.floor(value / 0x1_0000_0000), start);
  return target.writeUInt32BE(value >>> 0, start + 4);
}

function writeOptionalInt64(target: Buffer, at: number, value: number | bigint | undefined): number {
  return value === undefined ? writeNull(target, at) : writeInt64Column(target, at, Number(value));
}

/** A loop beats `set(subarray())` for the short runs of a row: it makes no view. */
function copy(source: Uint8Array, from: number, target: Uint8Array, to: number, length: number): number {
  for (let i = 0; i < length; i++) target[to + i] = source[from + i]!;
  return to + length;
}

/**
 * A delivered event:
 *
 * `[sequence, sequenced_at, store bin16, event_id bin16, agent bin16, agent_key_id, ves_version, payload_kind, command_id bin16|nil,
 * base_version|nil, entity_type, entity_id, event_type, created_at, payload, hashes]`
 *
 * with `sequenced_at` in microseconds since 1970-01-01T00:00:00Z, `payload` the canonical JSON text that was hashed (of the
 * encryption envelope for kind 1; empty when it was erased) and `hashes` = signing hash 32 ‖ agent's signature 64 ‖ plain hash 32 [‖ cipher hash 32].
 */
import { encodeHex, formatMicros, formatUuid, type VesEnvelopeJson } from '../protocol/index.js';
import { TEXT_BYTES_MAX } from './frame-types.js';
import {
  type Reader,
  readBin,
  readBinLength,
  readOptional,
  readStr,
  readTuple,
  readUint,
  WireError,
} from './msgpack-reader.js';

/** Elements of a delivered event. */
export const EVENT_ITEMS = 16;
export const EVENT_HASHES_BYTES = 128;
export const EVENT_HASHES_CIPHER_BYTES = 160;

/** A delivered event. Ids are lower-case hyphenated UUIDs. */
export interface EventRecord {
  readonly sequence: number;
  /** Microseconds since 1970-01-01T00:00:00Z. */
  readonly sequencedAtMicros: number;
  readonly storeId: string;
  readonly eventId: string;
  readonly agentId: string;
  readonly agentKeyId: number;
  readonly vesVersion: number;
  readonly payloadKind: 0 | 1;
  readonly commandId: string | undefined;
  readonly baseVersion: number | undefined;
  readonly entityType: string;
  readonly entityId: string;
  readonly eventType: string;
  readonly createdAt: string;
  /** Canonical JSON text. Empty: erased. */
  readonly payload: string;
  readonly signingHash: Uint8Array;
  readonly signature: Uint8Array;
  readonly plainHash: Uint8Array;
  /** 32 zero bytes for plaintext events. */
  readonly cipherHash: Uint8Array;
}

/** Reads one event. Its byte strings are copies. @throws WireError */
export function readEventRecord(reader: Reader): EventRecord {
  readTuple(reader, 'an event', EVENT_ITEMS);
  const id = (what: string) => formatUuid(readBin(reader, what, 16));
  const text = (what: string) => readStr(reader, what, TEXT_BYTES_MAX);
  const record = {
    sequence: readUint(reader, 'sequence'),
    sequencedAtMicros: readUint(reader, 'sequenced_at'),
    storeId: id('store'),
    eventId: id('event_id'),
    agentId: id('agent'),
    agentKeyId: readUint(reader, 'agent_key_id'),
    vesVersion: readUint(reader, 'ves_version'),
    payloadKind: readUint(reader, 'payload_kind', 1) as 0 | 1,
    commandId: readOptional(reader, () => id('command_id')),
    baseVersion: readOptional(reader, () => readUint(reader, 'base_version')),
    entityType: text('entity_type'),
    entityId: text('entity_id'),
    eventType: text('event_type'),
    createdAt: text('created_at'),
    payload: readStr(reader, 'payload', 0xffff_ffff),
  };
  const length = readBinLength(reader, 'hashes', EVENT_HASHES_CIPHER_BYTES);
  if (length !== EVENT_HASHES_BYTES && length !== EVENT_HASHES_CIPHER_BYTES)
    throw new WireError(`hashes must have 128 or 160 bytes, not ${length}`);
  const hashes = reader.bytes.slice(reader.at - length, reader.at);
  return {
    ...record,
    signingHash: hashes.subarray(0, 32),
    signature: hashes.subarray(32, 96),
    plainHash: hashes.subarray(96, 128),
    cipherHash: length === EVENT_HASHES_BYTES ? new Uint8Array(32) : hashes.subarray(128),
  };
}

/** The event as REST shows it: an erased payload is null. */
export function envelopeOf(
  record: EventRecord,
  tenantId: string,
): VesEnvelopeJson & { readonly payload_erased?: true } {
  const hex = (bytes: Uint8Array) => `0x${encodeHex(bytes)}`;
  const erased = record.payload === '';
  const payload = erased ? null : JSON.parse(record.payload);
  return {
    ves_version: record.vesVersion,
    event_id: record.eventId,
    tenant_id: tenantId,
    store_id: record.storeId,
    source_agent_id: record.agentId,
    agent_key_id: record.agentKeyId,
    entity_type: record.entityType,
    entity_id: record.entityId,
    event_type: record.eventType,
    created_at: record.createdAt,
    payload_kind: record.payloadKind,
    ...(record.payloadKind === 0 ? { payload } : { payload_encrypted: payload }),
    ...(erased && { payload_erased: true }),
    payload_plain_hash: hex(record.plainHash),
    payload_cipher_hash: hex(record.cipherHash),
    agent_signature: hex(record.signature),
    sequence_number: record.sequence,
    sequenced_at: formatMicros(record.sequencedAtMicros, 'Z'),
    ...(record.commandId === undefined ? {} : { command_id: record.commandId }),
    ...(record.baseVersion === undefined ? {} : { base_version: record.baseVersion }),
  };
}

/** Events as JSON lines, the same members in the same order as in `GET /api/v1/ves/events`. */
import { copyBytes, formatMicros } from '../protocol/index.js';
import { readInt8, readMicros, type Tuple } from '../store/copy-tuples.js';
import { VES } from '../store/ves-columns.js';
import { type EventEncoder, reserve, type Sink } from './encoder.js';

/** Everything of an event besides its texts, at most. */
const FIXED_BYTES_MAX = 1400;
/** A byte of text becomes at most `\u00xx`. */
const ESCAPE_FACTOR = 6;
const HEX = Buffer.from('0123456789abcdef');
const NO_CIPHER_HASH = '0'.repeat(64);
const UUID_DASHES = new Set([4, 6, 8, 10]);
/** In place of a payload that was erased. */
const ERASED = 'null,"payload_erased":true';
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Makes the encoder. */
export function createJsonEncoder(): EventEncoder {
  let lastMicros = -1;
  let lastInstant = '';

  /** Events of a group share one instant. */
  function instant(micros: number): string {
    if (micros !== lastMicros) {
      lastMicros = micros;
      lastInstant = formatMicros(micros, 'Z');
    }
    return lastInstant;
  }

  return (tuple, sink) => {
    const { bytes, at, length } = tuple;
    const texts =
      length[VES.entityType]! + length[VES.entityId]! + length[VES.eventType]! + length[VES.createdAt]!;
    reserve(sink, FIXED_BYTES_MAX + ESCAPE_FACTOR * texts + length[VES.payload]!);
    const encrypted = bytes.readUInt16BE(at[VES.payloadKind]!) === 1;
    const hashes = at[VES.hashes]!;
    ascii(sink, `{"envelope":{"ves_version":${bytes.readUInt16BE(at[VES.vesVersion]!)},"event_id":"`);
    uuid(sink, tuple, VES.eventId);
    ascii(sink, '","tenant_id":"');
    uuid(sink, tuple, VES.tenant);
    ascii(sink, '","store_id":"');
    uuid(sink, tuple, VES.store);
    ascii(sink, '","source_agent_id":"');
    uuid(sink, tuple, VES.agent);
    ascii(sink, `","agent_key_id":${readInt8(bytes, at[VES.agentKeyId]!)},"entity_type":`);
    quoted(sink, tuple, VES.entityType);
    ascii(sink, ',"entity_id":');
    quoted(sink, tuple, VES.entityId);
    ascii(sink, ',"event_type":');
    quoted(sink, tuple, VES.eventType);
    ascii(sink, ',"created_at":');
    quoted(sink, tuple, VES.createdAt);
    ascii(sink, encrypted ? ',"payload_kind":1,"payload_encrypted":' : ',"payload_kind":0,"payload":');
    // The text that was hashed goes out as it is stored (L3).
    if (length[VES.payload] === 0) ascii(sink, ERASED);
    bytes.copy(sink.bytes, sink.length, at[VES.payload]!, at[VES.payload]! + length[VES.payload]!);
    sink.length += length[VES.payload]!;
    ascii(sink, ',"payload_plain_hash":"0x');
    hex(sink, bytes, hashes + 96, 32);
    ascii(sink, '","payload_cipher_hash":"0x');
    if (encrypted) hex(sink, bytes, hashes + 128, 32);
    else ascii(sink, NO_CIPHER_HASH);
    ascii(sink, '","agent_signature":"0x');
    hex(sink, bytes, hashes + 32, 64);
    ascii(sink, `","sequence_number":${readInt8(bytes, at[VES.sequence]!)},"sequenced_at":"`);
    ascii(sink, `${instant(readMicros(bytes, at[VES.sequencedAt]!))}"`);
    if (length[VES.command]! >= 0) {
      ascii(sink, ',"command_id":"');
      uuid(sink, tuple, VES.command);
      ascii(sink, '"');
    }
    if (length[VES.baseVersion]! >= 0)
      ascii(sink, `,"base_version":${readInt8(bytes, at[VES.baseVersion]!)}`);
    ascii(sink, '}}\n');
  };
}

function ascii(sink: Sink, text: string): void {
  sink.length += sink.bytes.write(text, sink.length, 'latin1');
}

function hex(sink: Sink, source: Buffer, from: number, count: number): void {
  const target = sink.bytes;
  let end = sink.length;
  for (let i = from; i < from + count; i++) {
    target[end++] = HEX[source[i]! >> 4]!;
    target[end++] = HEX[source[i]! & 15]!;
  }
  sink.length = end;
}

function uuid(sink: Sink, { bytes, at }: Tuple, column: number): void {
  const from = at[column]!;
  for (let i = 0; i < 16; i++) {
    if (UUID_DASHES.has(i)) sink.bytes[sink.length++] = 0x2d;
    hex(sink, bytes, from + i, 1);
  }
}

/** A text as a JSON string (RFC 8259 section 7): UTF-8 stays, quotes, backslashes and control characters are escaped as JSON.stringify does. */
function quoted(sink: Sink, { bytes, at, length }: Tuple, column: number): void {
  const from = at[column]!;
  const to = from + length[column]!;
  let plain = true;
  for (let i = from; i < to && plain; i++)
    plain = bytes[i]! >= 0x20 && bytes[i] !== QUOTE && bytes[i] !== BACKSLASH;
  if (plain) {
    sink.bytes[sink.length++] = QUOTE;
    sink.length = copyBytes(bytes, from, sink.bytes, sink.length, to - from);
    sink.bytes[sink.length++] = QUOTE;
    return;
  }
  sink.length += sink.bytes.write(JSON.stringify(bytes.toString('utf8', from, to)), sink.length, 'utf8');
}

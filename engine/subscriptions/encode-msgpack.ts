import { readMicros } from '../store/copy-tuples.js';
import { VES } from '../store/ves-columns.js';
import {
  EVENT_ITEMS,
  HEADER_BYTES_MAX,
  writeArrayHeader,
  writeBinHeader,
  writeNil,
  writeStrHeader,
  writeUint,
} from '../wire/index.js';
import { type EventEncoder, reserve } from './encoder.js';

/** Makes an encoder of events for the binary WebSocket (engine/wire/event-record.ts). Bytes are copied, no texts are made. */
export function createMsgpackEncoder(): EventEncoder {
  return (tuple, sink) => {
    const { bytes, at, length } = tuple;
    reserve(sink, tuple.end - tuple.start + EVENT_ITEMS * HEADER_BYTES_MAX);
    const target = sink.bytes;
    let end = writeArrayHeader(target, sink.length, EVENT_ITEMS);

    const copy = (column: number): void => {
      const from = at[column]!;
      const count = length[column]!;
      // A native copy pays from about this length.
      if (count > 48) bytes.copy(target, end, from, from + count);
      else for (let i = 0; i < count; i++) target[end + i] = bytes[from + i]!;
      end += count;
    };
    const number = (column: number): void => {
      const high = bytes.readInt32BE(at[column]!);
      end = writeUint(target, end, high * 0x1_0000_0000 + bytes.readUInt32BE(at[column]! + 4));
    };
    const small = (column: number): void => {
      end = writeUint(target, end, bytes.readInt16BE(at[column]!));
    };
    const bin = (column: number): void => {
      end = writeBinHeader(target, end, length[column]!);
      copy(column);
    };
    const text = (column: number): void => {
      end = writeStrHeader(target, end, length[column]!);
      copy(column);
    };
    const optional = (column: number, write: (column: number) => void): void => {
      if (length[column] === -1) end = writeNil(target, end);
      else write(column);
    };

    number(VES.sequence);
    end = writeUint(target, end, readMicros(bytes, at[VES.sequencedAt]!));
    bin(VES.store);
    bin(VES.eventId);
    bin(VES.agent);
    number(VES.agentKeyId);
    small(VES.vesVersion);
    small(VES.payloadKind);
    optional(VES.command, bin);
    optional(VES.baseVersion, number);
    text(VES.entityType);
    text(VES.entityId);
    text(VES.eventType);
    text(VES.createdAt);
    text(VES.payload);
    bin(VES.hashes);
    sink.length = end;
  };
}

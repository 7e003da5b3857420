import {
  HEADER_BYTES_MAX,
  strBytesMax,
  writeArrayHeader,
  writeBin,
  writeBool,
  writeNil,
  writeStr,
  writeUint,
} from './msgpack-writer.js';

/** Builds one frame. For frames that are few; what is many is written at offsets. */
export interface FrameWriter {
  array(items: number): FrameWriter;
  uint(value: number): FrameWriter;
  str(value: string): FrameWriter;
  bin(value: Uint8Array): FrameWriter;
  bool(value: boolean): FrameWriter;
  nil(): FrameWriter;
  /** `undefined` becomes nil. */
  optional<T>(value: T | undefined, write: (value: T) => void): FrameWriter;
  /** Bytes that are MessagePack already. */
  raw(bytes: Uint8Array): FrameWriter;
  done(): Uint8Array<ArrayBuffer>;
}

/** @param bytes how long the frame will be, roughly */
export function createFrameWriter(bytes = 64): FrameWriter {
  let target = new Uint8Array(bytes);
  let end = 0;

  function reserve(count: number): Uint8Array {
    if (end + count > target.length) {
      const larger = new Uint8Array(Math.max(2 * target.length, end + count));
      larger.set(target);
      target = larger;
    }
    return target;
  }

  const writer: FrameWriter = {
    array(items) {
      end = writeArrayHeader(reserve(HEADER_BYTES_MAX), end, items);
      return writer;
    },
    uint(value) {
      end = writeUint(reserve(HEADER_BYTES_MAX), end, value);
      return writer;
    },
    str(value) {
      end = writeStr(reserve(strBytesMax(value)), end, value);
      return writer;
    },
    bin(value) {
      end = writeBin(reserve(HEADER_BYTES_MAX + value.length), end, value);
      return writer;
    },
    bool(value) {
      end = writeBool(reserve(1), end, value);
      return writer;
    },
    nil() {
      end = writeNil(reserve(1), end);
      return writer;
    },
    optional(value, write) {
      if (value === undefined) return writer.nil();
      write(value);
      return writer;
    },
    raw(bytes) {
      reserve(bytes.length).set(bytes, end);
      end += bytes.length;
      return writer;
    },
    done: () => target.slice(0, end),
  };
  return writer;
}

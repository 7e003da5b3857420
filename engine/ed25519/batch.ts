/** Writes checks into the module's memory; assembly/record.ts says what lies where. */
import type { KeyState } from './verification-key.js';
import type { WasmExports } from './wasm-exports.js';

export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
/** x and y of a key's point. */
export const POINT_BYTES = 64;

const TABLE_AT = 0;
const LENGTH_AT = 4;
const S_AT = 64;
const R_AT = 96;
const A_AT = 128;
const MESSAGE_AT = 160;
const MESSAGE_MAX = 96;
const POINT_AT = 256;

export interface RecordWriter {
  /** Writes the check of the 64 bytes at `at`, or one that fails if they are not all there. */
  write(
    index: number,
    table: number,
    key: KeyState,
    message: Uint8Array,
    signature: Uint8Array,
    at: number,
  ): void;
}

export function createRecordWriter(wasm: WasmExports): RecordWriter {
  const records = wasm.recordsAddress();
  const recordBytes = wasm.recordBytes();
  const staging = wasm.stagingAddress();
  const stagingBytes = wasm.stagingBytes();
  let bytes = new Uint8Array(wasm.memory.buffer);

  function hashLong(record: number, message: Uint8Array): void {
    wasm.hashBegin();
    bytes.copyWithin(staging, record + R_AT, record + MESSAGE_AT);
    wasm.hashPiece(SIGNATURE_BYTES);
    for (let from = 0; from < message.length; from += stagingBytes) {
      const piece = message.subarray(from, from + stagingBytes);
      bytes.set(piece, staging);
      wasm.hashPiece(piece.length);
    }
    wasm.hashEnd(record);
  }

  return {
    write(index, table, key, message, signature, at) {
      // The memory's old buffer is of length 0 after it has grown.
      if (bytes.length === 0) bytes = new Uint8Array(wasm.memory.buffer);
      const record = records + index * recordBytes;
      if (at < 0 || signature.length - at < SIGNATURE_BYTES) {
        bytes.fill(0xff, record + S_AT, record + R_AT); // S is not below L
        return;
      }
      putWord(bytes, record + TABLE_AT, table);
      copy(bytes, record + R_AT, signature, at, 32);
      copy(bytes, record + S_AT, signature, at + 32, 32);
      copy(bytes, record + A_AT, key.publicKey, 0, PUBLIC_KEY_BYTES);
      if (table === 0) bytes.set(key.point, record + POINT_AT);
      if (message.length > MESSAGE_MAX) {
        hashLong(record, message);
        return;
      }
      copy(bytes, record + MESSAGE_AT, message, 0, message.length);
      putWord(bytes, record + LENGTH_AT, message.length);
    },
  };
}

/** Byte by byte: for so few the call of `set` costs more. */
function copy(to: Uint8Array, at: number, from: Uint8Array, start: number, length: number): void {
  for (let i = 0; i < length; i++) to[at + i] = from[start + i]!;
}

function putWord(to: Uint8Array, at: number, value: number): void {
  to[at] = value;
  to[at + 1] = value >>> 8;
  to[at + 2] = value >>> 16;
  to[at + 3] = value >>> 24;
}

/** Rows through the module of assembly/index.ts: into its memory, hashed there four at a time, and back. */
import { type HashInto, type RowHasher, type RowHashing, rowHashingOf } from '../protocol/index.js';

/** What the module exports. Addresses and sizes are bytes. */
interface WasmExports {
  readonly memory: WebAssembly.Memory;
  /** Takes the prefix, which is in the room, and the length of the rows. */
  shape(prefixBytes: number, rowBytes: number): void;
  /** Hashes rows at the room's beginning; their digests are there afterwards. */
  hashRows(count: number): void;
  roomAddress(): number;
  roomBytes(): number;
  messageBytesMax(): number;
}

const DIGEST_BYTES = 32;
const ROW_BYTES_MIN = 32;

/**
 * A hashing with memory of its own; not to be shared between threads. `module` is what assembly/ compiles to, see load-module.ts.
 * Rows that are too short or too long for it, and single ones, are hashed by `hash`. Throws if the two give different digests.
 */
export function createVectorRowHashing(module: WebAssembly.Module, hash: HashInto): RowHashing {
  const wasm = new WebAssembly.Instance(module).exports as unknown as WasmExports;
  const room = new Uint8Array(wasm.memory.buffer, wasm.roomAddress(), wasm.roomBytes());
  const messageBytesMax = wasm.messageBytesMax();
  const singly = rowHashingOf(hash);
  let current: RowHasher | undefined;

  const hashing: RowHashing = (prefix, rowBytes) => {
    const hashSingly = singly(prefix, rowBytes);
    if (rowBytes < ROW_BYTES_MIN || prefix.length + rowBytes > messageBytesMax) return hashSingly;
    const countMax = Math.floor(room.length / rowBytes);
    const hashRows: RowHasher = (rows, offset, count, target, targetOffset) => {
      if (offset + count * rowBytes > rows.length) throw new RangeError('there are fewer rows than that');
      if (count === 1) return hashSingly(rows, offset, count, target, targetOffset);
      if (current !== hashRows) {
        room.set(prefix);
        wasm.shape(prefix.length, rowBytes);
        current = hashRows;
      }
      for (let done = 0; done < count; done += countMax) {
        const step = Math.min(countMax, count - done);
        const from = offset + done * rowBytes;
        room.set(rows.subarray(from, from + step * rowBytes));
        wasm.hashRows(step);
        target.set(room.subarray(0, step * DIGEST_BYTES), targetOffset + done * DIGEST_BYTES);
      }
    };
    return hashRows;
  };
  selfTest(hashing, singly);
  return hashing;
}

/** Messages of two and of three blocks, as trees have them; the last lanes full and not full. */
function selfTest(hashing: RowHashing, known: RowHashing): void {
  const rows = Uint8Array.from({ length: 7 * 147 }, (_, i) => (i * 167 + 13) % 251);
  for (const [prefixBytes, rowBytes] of [
    [1, 64],
    [11, 64],
    [1, 147],
  ] as const) {
    const prefix = rows.slice(0, prefixBytes);
    const digestsOf = (each: RowHashing, count: number) => {
      const digests = new Uint8Array(count * DIGEST_BYTES);
      each(prefix, rowBytes)(rows, 0, count, digests, 0);
      return digests.join();
    };
    for (let count = 2; count <= 7; count++)
      if (digestsOf(hashing, count) !== digestsOf(known, count))
        throw new Error('the SHA-256 module gives wrong digests; it must not be used on this machine');
  }
}

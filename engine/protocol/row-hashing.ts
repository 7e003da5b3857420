/** SHA-256 of many messages of one shape at once, for trees: what is known of the next messages makes hashing them cheaper. */
import type { HashInto } from './merkle-levels.js';

/**
 * Hashes `count` rows that stand side by side from `rows[offset]` on. The digests go side by side to `target[targetOffset]`, which
 * may be where the rows are. Not re-entrant.
 */
export type RowHasher = (
  rows: Uint8Array,
  offset: number,
  count: number,
  target: Uint8Array,
  targetOffset: number,
) => void;

/** Makes hashers: SHA-256(prefix ‖ row) for rows of `rowBytes` bytes, at least 32. */
export type RowHashing = (prefix: Uint8Array, rowBytes: number) => RowHasher;

/** One message after the other. */
export const rowHashingOf =
  (hash: HashInto): RowHashing =>
  (prefix, rowBytes) => {
    const start = prefix.length;
    const message = new Uint8Array(start + rowBytes);
    message.set(prefix);
    return (rows, offset, count, target, targetOffset) => {
      for (let i = 0; i < count; i++) {
        const from = offset + i * rowBytes;
        for (let j = 0; j < rowBytes; j++) message[start + j] = rows[from + j]!;
        hash(message, target, targetOffset + i * 32);
      }
    };
  };

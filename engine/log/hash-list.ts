import { HASH_BYTES } from './tree.js';

/** A growing list of hashes. */
export interface HashList {
  bytes: Uint8Array;
  count: number;
}

/** Appends the hash at `from[offset..offset+32]`. */
export function pushHash(list: HashList, from: Uint8Array, offset: number): void {
  const at = list.count * HASH_BYTES;
  if (at + HASH_BYTES > list.bytes.length) {
    const larger = new Uint8Array(Math.max(list.bytes.length * 2, 64 * HASH_BYTES));
    larger.set(list.bytes);
    list.bytes = larger;
  }
  for (let i = 0; i < HASH_BYTES; i++) list.bytes[at + i] = from[offset + i]!;
  list.count++;
}

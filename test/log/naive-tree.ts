import { hash } from 'node:crypto';
import type { Sha256Into } from '../../engine/log/index.js';

/** SHA-256 of the parts, one after another. */
export const sha256 = (...parts: readonly Uint8Array[]): Buffer =>
  hash('sha256', Buffer.concat(parts), 'buffer');

export const sha256Into: Sha256Into = (bytes, target, offset) => target.set(sha256(bytes), offset);

/** MTH over leaf hashes, word for word from RFC 6962 section 2.1: split at the largest power of two below n. */
export const naiveRoot = (leaves: readonly Uint8Array[]): Buffer => {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return Buffer.from(leaves[0]!);
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha256(Buffer.of(0x01), naiveRoot(leaves.slice(0, split)), naiveRoot(leaves.slice(split)));
};

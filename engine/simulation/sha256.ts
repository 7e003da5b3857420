import { hash } from 'node:crypto';
import type { Sha256Into } from '../log/index.js';

/** SHA-256 of the parts, one after another. */
export function sha256(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.from(
    hash('sha256', parts.length === 1 ? parts[0]! : Buffer.concat(parts), 'binary'),
    'latin1',
  );
}

export const sha256Into: Sha256Into = (bytes, target, offset) => {
  target.set(sha256(bytes), offset);
};

/** The definition of RFC 6962 section 2.1, word for word: what the incremental frontier is compared with. */
export function naiveRoot(leaves: readonly Uint8Array[]): Buffer {
  if (leaves.length === 0) return sha256(Buffer.alloc(0));
  if (leaves.length === 1) return Buffer.from(leaves[0]!);
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha256(Buffer.of(0x01), naiveRoot(leaves.slice(0, split)), naiveRoot(leaves.slice(split)));
}

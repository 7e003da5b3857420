import type { FsckCrypto } from '../engine/fsck/index.js';
import { createSignatureVerifier, isUsablePublicKey, sha256Into } from './native-crypto.js';
import { openRowHashing } from './row-hashing.js';

/** The native primitives for a check. Not re-entrant: one for each thread. */
export function fsckCrypto(): FsckCrypto {
  return {
    sha256: sha256Into,
    hashing: openRowHashing(),
    isUsablePublicKey,
    verify: createSignatureVerifier(),
  };
}

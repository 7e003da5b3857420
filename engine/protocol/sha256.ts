import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';

/** SHA-256 (FIPS 180-4): any bytes in, `Uint8Array(32)` out. Must not keep or change its argument. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

/**
 * The portable implementation, used wherever a caller passes none. Node's hot path passes its native one:
 * pure JavaScript costs about five times as much on short inputs.
 */
export const portableSha256: Sha256 = (bytes) => nobleSha256(bytes);

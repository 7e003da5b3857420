import type { Sha256Into } from '../log/index.js';
import type { RowHashing } from '../protocol/index.js';

/** The native primitives a check is made with. */
export interface FsckCrypto {
  readonly sha256: Sha256Into;
  /** The same hash, for many messages at once. */
  readonly hashing: RowHashing;
  /** Whether 32 bytes are a public key under the project's Ed25519 rule (engine/protocol/ed25519.ts). */
  isUsablePublicKey(publicKey: Uint8Array): boolean;
  /** Strict verification of the 64 bytes at `offset`, under a key that has passed {@link isUsablePublicKey}. */
  verify(signature: Uint8Array, offset: number, message: Uint8Array, publicKey: Uint8Array): boolean;
}

/** A public key of this sequencer, past or present. Instants are RFC 3339. */
export interface PublishedKey {
  readonly keyVersion: number;
  /** Ed25519, `Uint8Array(32)`. */
  readonly publicKey: Uint8Array;
  readonly validFrom?: string;
  readonly validTo?: string;
}

/** Who signs receipts and key directories. */
export interface GatewayIdentity {
  /** UUID text. */
  readonly id: string;
  readonly keyVersion: number;
  /** Ed25519, `Uint8Array(32)`. */
  readonly publicKey: Uint8Array;
  /** Deterministic Ed25519 (RFC 8032) with the present key; answers `Uint8Array(64)`. */
  sign(message: Uint8Array): Uint8Array;
  /** Signs with the key of this version if the process holds it, otherwise with the present one; says with which. */
  signAs(
    keyVersion: number,
    message: Uint8Array,
  ): { readonly keyVersion: number; readonly signature: Uint8Array };
  /** All keys that receipts may carry, the present one among them. */
  readonly keys: readonly PublishedKey[];
}

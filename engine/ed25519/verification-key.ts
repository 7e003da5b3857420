/** An imported public key. It may be kept for ever; its table comes and goes. Belongs to the engine that imported it. */
export interface VerificationKey {
  /** `Uint8Array(32)`, not to be changed. */
  readonly publicKey: Uint8Array;
}

/** What the engine knows about a key. */
export interface KeyState extends VerificationKey {
  /** The engine, for those who mix up two. */
  readonly owner: object;
  /** x and y of the point's negative, 32 bytes each. */
  readonly point: Uint8Array;
  /** The place of its table, if it has one. */
  slot: TableSlot | undefined;
  /** Checks since it has been without a table, and when the first of them was. */
  coldChecks: number;
  coldSince: number;
}

/** A place for a table. The used ones are a ring, the longest unused first. */
export interface TableSlot {
  /** Where it is in the module's memory. */
  readonly address: number;
  key: KeyState | undefined;
  /** The check it was used for last. */
  usedAt: number;
  older: TableSlot;
  newer: TableSlot;
}

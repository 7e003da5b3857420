/** A check of the open batch, RECORD_BYTES each; the host writes it (../batch.ts knows these places, too). */

/** u32: the key's table, or 0. Without a table the key's point is used. */
export const TABLE_AT: usize = 0;
/** u32: bytes of the message, or HASHED. */
export const LENGTH_AT: usize = 4;
/** 32 bytes: k = SHA-512(R || A || M) modulo L. */
export const K_AT: usize = 32;
/** The signature's second half. */
export const S_AT: usize = 64;
/** The signature's first half, the public key and the message, as they are hashed. */
export const R_AT: usize = 96;
export const MESSAGE_AT: usize = 160;
/** Longest message that fits. */
export const MESSAGE_MAX: usize = 96;
/** The public key's point, negative: x and y, 32 bytes each. */
export const POINT_AT: usize = 256;

/** In place of a length: the message was too long for the record, and k has been computed already. */
export const HASHED: u32 = 0xffffffff;

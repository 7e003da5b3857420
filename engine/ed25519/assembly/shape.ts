/** The sizes of tables, batches and groups. */

/** Bits of a window of the keys' tables, and of the table of the base point that all keys share. */
export const KEY_WIDTH: usize = 5;
export const BASE_WIDTH: usize = 8;
/** Windows: together they must hold numbers below 2^254, see digits.ts. */
export const KEY_WINDOWS: usize = 51;
export const BASE_WINDOWS: usize = 32;

/** An entry of a table is a point of montgomery.ts as 2 * 32 bytes: one line of most processors' caches. */
export const ENTRY_BYTES: usize = 64;
/** Entries of a window: the positive odd multiples. */
export const KEY_ENTRIES: usize = 1 << (KEY_WIDTH - 1);
export const BASE_ENTRIES: usize = 1 << (BASE_WIDTH - 1);
export const KEY_TABLE_BYTES: usize = KEY_WINDOWS * KEY_ENTRIES * ENTRY_BYTES;
export const BASE_TABLE_BYTES: usize = BASE_WINDOWS * BASE_ENTRIES * ENTRY_BYTES;

/** Points whose sum is [S]B - [k]A. */
export const POINTS: usize = KEY_WINDOWS + BASE_WINDOWS;

/** Signatures of a batch, and of a group, which is worked on together and should stay in the second level cache. */
export const BATCH_MAX: usize = 256;
export const GROUP_MAX: usize = 32;
/** Bytes of a record, and of the place for what the host hands over otherwise. */
export const RECORD_BYTES: usize = 320;
export const STAGING_BYTES: usize = 16384;

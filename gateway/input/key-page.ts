import type { z } from 'zod';
import { wholeNumber } from './fields.js';

/** Most keys in one page of a list of keys, and in one without `limit`. */
export const PAGE_KEYS_MAX = 1000;

/** `limit` and `cursor` of a list of keys; `cursor` is a `nextCursor` of the same list. */
export const keyPage = <Cursor extends z.ZodType>(cursor: Cursor) => ({
  limit: wholeNumber(PAGE_KEYS_MAX, 1).transform(Number).optional(),
  cursor: cursor.optional(),
});

/** A page out of one key more than it may hold: that one only tells whether there is another page. */
export function toKeyPage<Key>(
  keys: readonly Key[],
  limit: number,
  cursorOf: (key: Key) => string,
): { keys: readonly Key[]; nextCursor: string | null } {
  if (keys.length <= limit) return { keys, nextCursor: null };
  return { keys: keys.slice(0, limit), nextCursor: cursorOf(keys[limit - 1]!) };
}

import { hash } from 'node:crypto';
import { type Tagged, tagged } from '../http/conditional.js';
import type { Reply } from '../http/reply.js';

/** A full tile or bundle never changes. */
const FOR_EVER = 'max-age=31536000, immutable';
/** Nor does a partial one of the same width, but soon nobody asks for it any more. */
const FOR_A_WHILE = 'max-age=60';
const ETAG_CHARS = 22;

/** The answer with the bytes of a tile or entry bundle; shared caches may keep those of public logs only. */
export function tileResource(bytes: Uint8Array, kind: { isFull: boolean; isPublic: boolean }): Tagged {
  const audience = kind.isPublic ? 'public' : 'private';
  return tagged(`"${hash('sha256', bytes, 'base64url').slice(0, ETAG_CHARS)}"`, {
    status: 200,
    body: bytes,
    contentType: 'application/octet-stream',
    cacheControl: `${audience}, ${kind.isFull ? FOR_EVER : FOR_A_WHILE}`,
  });
}

/** The answer with a signed note. */
export const noteReply = (note: string, cacheControl?: string): Reply => ({
  status: 200,
  body: note,
  contentType: 'text/plain; charset=utf-8',
  ...(cacheControl === undefined ? {} : { cacheControl }),
});

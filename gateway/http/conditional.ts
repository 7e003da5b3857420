import type { Reply } from './reply.js';

/** Something that is answered the same as long as its tag is the same. */
export interface Tagged {
  /** Strong entity tag, quotes included (RFC 9110 section 8.8.3). */
  readonly etag: string;
  readonly whole: Reply;
  /** 304 with the headers of `whole` that caches go by. */
  readonly unchanged: Reply;
}

/** Tags an answer. */
export function tagged(etag: string, reply: Reply): Tagged {
  const headers = [...(reply.headers ?? []), ['etag', etag] as const];
  const { cacheControl } = reply;
  return {
    etag,
    whole: { ...reply, headers },
    unchanged: { status: 304, body: '', headers, ...(cacheControl === undefined ? {} : { cacheControl }) },
  };
}

const ENTITY_TAG = /(?:W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g;

/** The whole answer, or 304 when the client has it already (`If-None-Match`, RFC 9110 section 13.1.2: weak comparison). */
export function conditional(resource: Tagged, ifNoneMatch: string): Reply {
  const { etag, whole, unchanged } = resource;
  if (ifNoneMatch === '') return whole;
  if (ifNoneMatch === etag || ifNoneMatch.trim() === '*') return unchanged;
  for (const [, tag] of ifNoneMatch.matchAll(ENTITY_TAG)) if (tag === etag) return unchanged;
  return whole;
}

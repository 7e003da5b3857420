import type { Reply } from './reply.js';
import type { RequestHead } from './request.js';

const METHODS = 'GET, POST, PUT, DELETE, OPTIONS';
const REQUEST_HEADERS =
  'authorization, content-type, x-api-key, x-request-id, if-none-match, last-event-id, traceparent';
const EXPOSED_HEADERS =
  'x-request-id, x-error-code, retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset, etag';
/** Seconds for which browsers need not ask again. */
const PREFLIGHT_AGE_SECS = '600';

export type HeaderList = readonly (readonly [name: string, value: string])[];

/** Cross-origin requests of browsers (https://fetch.spec.whatwg.org/#http-cors-protocol). Their credentials are never asked for. */
export interface Cors {
  /** What every answer says to this origin (empty: the request named none). */
  headersFor(origin: string): HeaderList;
  /** The answer to a preflight request; undefined when it is none, or of an origin that is not allowed. */
  preflight(head: RequestHead): Reply | undefined;
}

const NONE: HeaderList = [];
const VARY: HeaderList = [['vary', 'origin']];

/** @param origins allowed ones; `*` alone: all; none: there are no cross-origin requests */
export function createCors(origins: readonly string[]): Cors {
  const all = origins.includes('*');
  const allowed = new Set(origins);
  const isAllowed = (origin: string) => origin !== '' && (all || allowed.has(origin));
  const anyOrigin: HeaderList = [
    ['access-control-allow-origin', '*'],
    ['access-control-expose-headers', EXPOSED_HEADERS],
  ];

  return {
    headersFor(origin) {
      if (origins.length === 0) return NONE;
      if (all) return origin === '' ? NONE : anyOrigin;
      // Caches must not give the answer of one origin to another, and not one without an origin either.
      if (!allowed.has(origin)) return VARY;
      return [
        ['access-control-allow-origin', origin],
        ['access-control-expose-headers', EXPOSED_HEADERS],
        ...VARY,
      ];
    },
    preflight({ method, origin, requestedMethod }) {
      if (method !== 'OPTIONS' || requestedMethod === '' || !isAllowed(origin)) return undefined;
      return {
        status: 204,
        body: '',
        headers: [
          ['access-control-allow-methods', METHODS],
          ['access-control-allow-headers', REQUEST_HEADERS],
          ['access-control-max-age', PREFLIGHT_AGE_SECS],
        ],
      };
    },
  };
}

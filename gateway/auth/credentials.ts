import type { SignedRequest } from '../../engine/access/index.js';

/** What a request presents as proof of who sends it. */
export type Credentials =
  | { readonly kind: 'missing' }
  | { readonly kind: 'api-key'; readonly key: string }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'signature'; readonly request: SignedRequest };

const SCHEME = /^(apikey|bearer)[ \t]+/i;
const MISSING: Credentials = { kind: 'missing' };

/**
 * Reads `Authorization` (`ApiKey <key>`, `Bearer <jwt>`, or a bare key) or, only when that is absent, `x-api-key` by the same
 * rules. Scheme names are case-insensitive (RFC 9110 section 11.1). A signature counts only when both are absent; a header that holds
 * nothing but spaces is not absent.
 */
export function readCredentials(authorization: string, apiKey: string, signed?: SignedRequest): Credentials {
  const given = authorization || apiKey;
  if (given === '' && signed !== undefined) return { kind: 'signature', request: signed };
  const value = given.trim();
  if (value === '') return MISSING;
  const scheme = SCHEME.exec(value);
  if (scheme === null) return { kind: 'api-key', key: value };
  const rest = value.slice(scheme[0].length).trim();
  return scheme[1]!.toLowerCase() === 'bearer'
    ? { kind: 'token', token: rest }
    : { kind: 'api-key', key: rest };
}

/** What a request presents as proof of who sends it. */
export type Credentials =
  | { readonly kind: 'missing' }
  | { readonly kind: 'api-key'; readonly key: string }
  | { readonly kind: 'token'; readonly token: string };

const SCHEME = /^(apikey|bearer)[ \t]+/i;
const MISSING: Credentials = { kind: 'missing' };

/**
 * Reads `Authorization` (`ApiKey <key>`, `Bearer <jwt>`, or a bare key) or, only when that is absent, `x-api-key` by the same
 * rules. Scheme names are case-insensitive (RFC 9110 section 11.1).
 */
export function readCredentials(authorization: string, apiKey: string): Credentials {
  const value = (authorization || apiKey).trim();
  if (value === '') return MISSING;
  const scheme = SCHEME.exec(value);
  if (scheme === null) return { kind: 'api-key', key: value };
  const rest = value.slice(scheme[0].length).trim();
  return scheme[1]!.toLowerCase() === 'bearer'
    ? { kind: 'token', token: rest }
    : { kind: 'api-key', key: rest };
}

import type { HeaderList } from './cors.js';

/** Two years, as browsers' preload lists ask for. */
const HSTS = 'max-age=63072000; includeSubDomains';

/**
 * What every answer says to browsers besides what is in reply.ts (nosniff, frames, caching). Strict-Transport-Security is for
 * connections with TLS only (RFC 6797 section 7.2).
 */
export const securityHeaders = (tls: boolean): HeaderList => [
  ['referrer-policy', 'no-referrer'],
  ['permissions-policy', 'camera=(), geolocation=(), microphone=()'],
  ...(tls ? ([['strict-transport-security', HSTS]] as const) : []),
];

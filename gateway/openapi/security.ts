import type { AccessRow } from '../auth/access-table.js';
import type { RouteScope } from '../http/router.js';

/** The ways to say who is calling; docs/access.md explains them. */
export const SECURITY_SCHEMES = {
  apiKey: {
    type: 'apiKey',
    in: 'header',
    name: 'authorization',
    description: '`ApiKey <key>`, with a key that begins with `ss_`, or the operator’s own.',
  },
  apiKeyHeader: {
    type: 'apiKey',
    in: 'header',
    name: 'x-api-key',
    description: 'The key alone.',
  },
  token: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'Where the operator set it up.',
  },
  signedRequest: {
    type: 'apiKey',
    in: 'header',
    name: 'signature',
    description:
      'HTTP message signature (RFC 9421) with `signature-input`, and `content-digest` with a body, by a signing key of the agent. ' +
      'Never administers.',
  },
} as const;

/** The security requirement of a route: one of these will do; the lists name the permission. */
export function securityOf(scope: RouteScope): Record<string, string[]>[] {
  if (scope === 'public') return [];
  const roles = scope === 'authenticated' || scope === 'optional' ? [] : [scope];
  const ways = Object.keys(SECURITY_SCHEMES)
    .filter((way) => scope !== 'admin' || way !== 'signedRequest')
    .map((way) => ({ [way]: roles }));
  return scope === 'optional' ? [{}, ...ways] : ways;
}

const CHECKS: Record<NonNullable<AccessRow['check']>, string> = {
  bootstrap: 'Only the operator may call it.',
  'read-unless-public': 'Permission `read`, unless the operator published the log.',
  'read-or-admin': 'Permission `read` or `admin`.',
  hidden: 'What the credentials do not reach is answered like what does not exist.',
  'hidden-store': 'What is in stores that the credentials do not reach is answered like what does not exist.',
  pipeline: 'Tenant, store and agent of the events must be those of the credentials.',
};
const SCOPES: Record<RouteScope, string> = {
  public: 'Public.',
  optional: 'Credentials may be needed.',
  authenticated: 'Any valid credentials.',
  read: 'Permission `read`.',
  write: 'Permission `write`.',
  admin: 'Permission `admin`.',
};

/** Who may call a route, in words. */
export function accessText({ permission, compares, check }: AccessRow): string {
  const said = check === 'read-or-admin' || check === 'bootstrap' || check === 'read-unless-public';
  const parts = said ? [] : [SCOPES[permission as RouteScope]];
  if (check !== undefined) parts.push(CHECKS[check]);
  if (compares.length > 0 && check !== 'pipeline')
    parts.push(`Must be the credentials’ own: ${compares.join(', ')}.`);
  return parts.join(' ');
}

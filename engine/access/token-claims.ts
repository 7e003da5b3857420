import { formatUuid, parseUuid } from '../protocol/index.js';

/** What an accepted token allows. Ids are lower-case hyphenated UUIDs. */
export interface TokenGrant {
  readonly tenantId: string;
  /** Empty = all stores of the tenant. */
  readonly storeIds: readonly string[];
  readonly agentId: string | null;
  readonly canRead: boolean;
  readonly canWrite: boolean;
  readonly canAdmin: boolean;
  /** Milliseconds since the epoch from which the token counts no more, leeway included. */
  readonly expiresAtMs: number;
}

/** What the claims must say. */
export interface TokenRules {
  readonly issuer: string;
  readonly audience: string;
}

export type ClaimsVerdict =
  | { readonly ok: true; readonly grant: TokenGrant }
  | { readonly ok: false; readonly expired: boolean; readonly message: string };

/** How long a token outlives its `exp`: clocks differ. `nbf` has no such leeway, issuers can set it back themselves. */
export const EXPIRY_LEEWAY_SECS = 60;

/** Most stores one token may name. */
const STORES_MAX = 1000;
const NAME_CHARACTERS_MAX = 1024;

/**
 * Reads the claims of a token whose signature holds (RFC 7519 section 4.1): `sub` (tenant), `iss`, `aud`, `exp`, `nbf`, `iat`, `jti`,
 * all required; `perms` (of `read,write,admin`, others are ignored), `stores` and `agent`.
 */
export function readClaims(claims: Record<string, unknown>, rules: TokenRules, nowMs: number): ClaimsVerdict {
  const refuse = (message: string): ClaimsVerdict => ({ ok: false, expired: false, message });
  const { sub, iss, aud, exp, nbf, iat, jti } = claims;
  if (iss !== rules.issuer) return refuse('The token is from another issuer');
  if (aud !== rules.audience && !(Array.isArray(aud) && aud.includes(rules.audience)))
    return refuse('The token is for another audience');
  if (!isInstant(exp) || !isInstant(nbf) || !isInstant(iat))
    return refuse('The token needs exp, nbf and iat as seconds since 1970');
  if (!isText(jti)) return refuse('The token needs a jti');
  const expiresAtMs = (exp + EXPIRY_LEEWAY_SECS) * 1000;
  if (nowMs >= expiresAtMs) return { ok: false, expired: true, message: 'The token has expired' };
  if (nowMs < nbf * 1000) return refuse('The token is not valid yet (nbf)');

  const tenantId = readUuid(sub);
  if (tenantId === undefined) return refuse('The token’s sub must be a tenant’s UUID');
  const agentId = claims.agent === undefined ? null : readUuid(claims.agent);
  if (agentId === undefined) return refuse('The token’s agent must be a UUID');
  const storeIds = readStores(claims.stores);
  if (storeIds === undefined) return refuse('The token’s stores must be UUIDs separated by commas');
  const permissions = readWords(claims.perms);
  if (permissions === undefined) return refuse('The token’s perms must be a text such as "read,write"');
  return {
    ok: true,
    grant: {
      tenantId,
      storeIds,
      agentId,
      canRead: permissions.has('read'),
      canWrite: permissions.has('write'),
      canAdmin: permissions.has('admin'),
      expiresAtMs,
    },
  };
}

const isInstant = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 && value <= 253_402_300_799;

const isText = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= NAME_CHARACTERS_MAX;

function readUuid(value: unknown): string | undefined {
  const bytes = typeof value === 'string' ? parseUuid(value.trim()) : undefined;
  return bytes && formatUuid(bytes);
}

/** Absent and empty mean all stores. Anything else must name stores only: what cannot be read must not widen a token. */
function readStores(value: unknown): readonly string[] | undefined {
  if (value === undefined || value === '') return [];
  if (typeof value !== 'string') return undefined;
  const items = value.split(',', STORES_MAX + 1).map(readUuid);
  if (items.length > STORES_MAX || items.includes(undefined)) return undefined;
  return [...new Set(items as string[])];
}

function readWords(value: unknown): ReadonlySet<string> | undefined {
  if (value === undefined) return new Set();
  if (typeof value !== 'string' || value.length > NAME_CHARACTERS_MAX) return undefined;
  return new Set(value.split(',').map((word) => word.trim().toLowerCase()));
}

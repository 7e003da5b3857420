/** One credential of every kind, for a tenant whose agent and store the commands are about. */
import { type JWTPayload, SignJWT } from 'jose';
import { generateApiKey, hashApiKey, insertApiKey } from '../../engine/keys/api-keys.js';
import type { Sql } from '../../engine/store/connection.js';
import type { AccessRow } from '../../gateway/auth/access-table.js';
import { AGENT, OTHER_AGENT, OTHER_STORE, OTHER_TENANT, STORE, TENANT } from '../gateway/support.js';
import { type Column, NEEDS, type Need, needOf } from './expected.js';
import { createSigner } from './signer.js';

export const TOKEN_SECRET = 'a-secret-of-more-than-thirty-two-characters';

export type Headers = Readonly<Record<string, string>>;

/** A request as a signature covers it. */
export interface SignedPart {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
}

/** The headers that present a credential. */
export type Credentials = (row: AccessRow, column: Column, request: SignedPart) => Headers;

interface Grant {
  readonly tenantId?: string;
  readonly storeIds?: readonly string[];
  readonly agentId?: string;
  readonly may?: readonly ('read' | 'write' | 'admin')[];
  readonly expiresAt?: string;
}

/** Everything but what is needed. */
const LACKING: Record<Need, Grant> = {
  read: { may: ['write', 'admin'] },
  write: { may: ['read', 'admin'] },
  admin: { may: ['read', 'write'] },
  'read-or-admin': { may: ['write'] },
  agent: { may: ['read', 'write'], agentId: OTHER_AGENT },
  none: {},
};
const WRONG = {
  tenant: { tenantId: OTHER_TENANT },
  store: { storeIds: [OTHER_STORE] },
  agent: { agentId: OTHER_AGENT, may: ['read', 'write'] },
} as const;
const GOOD: Grant = { storeIds: [STORE] };

/** Makes them all. @param operatorKey the operator's own key */
export async function createCredentials(sql: Sql, operatorKey: string): Promise<Credentials> {
  const keyOf = async ({ tenantId = TENANT, storeIds = [], agentId = AGENT, ...grant }: Grant) => {
    const { may = ['read', 'write', 'admin'], expiresAt } = grant;
    const key = generateApiKey(tenantId);
    await insertApiKey(sql, hashApiKey(key), {
      tenantId,
      storeIds: [...storeIds],
      agentId,
      canRead: may.includes('read'),
      canWrite: may.includes('write'),
      canAdmin: may.includes('admin'),
      rateLimit: null,
      ...(expiresAt === undefined ? {} : { expiresAt }),
    });
    return key;
  };
  const now = Math.floor(Date.now() / 1000);
  const tokenOf = (grant: Grant, { exp = now + 3600, secret = TOKEN_SECRET } = {}) => {
    const { tenantId = TENANT, storeIds = [], agentId = AGENT, may = ['read', 'write', 'admin'] } = grant;
    const claims = {
      sub: tenantId,
      iss: 'stateset-sequencer',
      aud: 'stateset-api',
      nbf: now - 900,
      iat: now - 900,
      exp,
      jti: '1',
      perms: may.join(','),
      stores: storeIds.join(','),
      agent: agentId,
    } as JWTPayload;
    return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(secret));
  };
  const byKey = async (grant: Grant): Promise<Headers> => ({ 'x-api-key': await keyOf(grant) });
  const byToken = async (...of: Parameters<typeof tokenOf>): Promise<Headers> => ({
    authorization: `Bearer ${await tokenOf(...of)}`,
  });

  const revoked = await keyOf({});
  await sql`update api_keys set active = false where key_hash = ${hashApiKey(revoked)}`;
  const fixed: Partial<Record<Column, Headers>> = {
    none: {},
    garbage: { 'x-api-key': 'ss_11111111nonsense' },
    revoked: { 'x-api-key': revoked },
    expired: await byKey({ expiresAt: '2020-01-01T00:00:00Z' }),
    'old token': await byToken({}, { exp: now - 61 }),
    'forged token': await byToken({}, { secret: `${TOKEN_SECRET}x` }),
    'wrong tenant': await byKey(WRONG.tenant),
    'wrong store': await byKey(WRONG.store),
    'wrong agent': await byKey(WRONG.agent),
    'token wrong tenant': await byToken(WRONG.tenant),
    'token wrong store': await byToken(WRONG.store),
    'token wrong agent': await byToken(WRONG.agent),
    good: await byKey(GOOD),
    'token good': await byToken(GOOD),
    operator: { 'x-api-key': operatorKey },
  };
  const lacking = new Map<string, Headers>();
  for (const need of NEEDS) {
    lacking.set(`no permission ${need}`, await byKey(LACKING[need]));
    lacking.set(`token no permission ${need}`, await byToken(LACKING[need]));
  }
  const signer = createSigner({ tenantId: TENANT, agentId: AGENT, keyId: 1 });
  return (row, column, request) =>
    column === 'stale signature'
      ? signer.headersOf({ ...request, created: now - 3600 })
      : (fixed[column] ?? lacking.get(`${column} ${needOf(row)}`)!);
}

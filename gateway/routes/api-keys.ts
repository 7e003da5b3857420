import { z } from 'zod';
import { ServiceError } from '../../engine/errors/index.js';
import {
  type ApiKeyGrant,
  deactivateApiKey,
  generateApiKey,
  hashApiKey,
  insertApiKey,
  KEY_HASH_PREFIX_LENGTH,
  listApiKeys,
  permissionsText,
} from '../../engine/keys/api-keys.js';
import { apiKeyCreated, apiKeyRevoked } from '../../engine/keys/key-acts.js';
import { formatMicros, parseInstant } from '../../engine/protocol/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { type Auditor, callerOf } from '../audit.js';
import type { AuthContext } from '../auth/context.js';
import { requireAgentOrAdmin, resolveTenant } from '../auth/scopes.js';
import { answering, type Exchange } from '../http/exchange.js';
import { json, type Reply } from '../http/reply.js';
import type { Route } from '../http/router.js';
import { flag, instant, integer, uuid, uuidList } from '../input/fields.js';
import { keyPage, PAGE_KEYS_MAX, toKeyPage } from '../input/key-page.js';
import { parseBody, parseQuery, pathValue } from '../input/parse.js';
import { timestampOrNull } from '../render/timestamp.js';

const STORES_MAX = 50;
const RATE_LIMIT_MAX = 10_000;

export const ApiKeyCreation = z.object({
  tenantId: uuid().optional(),
  storeIds: uuidList(STORES_MAX).optional(),
  readOnly: flag().optional(),
  admin: flag().optional(),
  rateLimit: integer(1, RATE_LIMIT_MAX).optional(),
  expiresAt: instant().optional(),
});
export const TenantQuery = z.object({ tenant_id: uuid().optional() });
const HASH_PREFIX = 'the 16 to 64 lower-case hexadecimal digits of keyHashPrefix';
export const HashPrefix = z
  .string({ error: HASH_PREFIX })
  .regex(new RegExp(`^[0-9a-f]{${KEY_HASH_PREFIX_LENGTH},64}$`), { error: HASH_PREFIX });
export const ApiKeyListQuery = TenantQuery.extend(keyPage(HashPrefix));

/**
 * API keys of an agent, for the agent itself or an administrator of its tenant. The bootstrap administrator names the tenant:
 * `tenantId` in the body, `tenant_id` in the query.
 */
export const apiKeyRoutes = ({ sql, auditor }: { sql: Sql; auditor: Auditor }): Route[] => [
  {
    method: 'POST',
    path: '/api/v1/agents/:agent_id/api-keys',
    scope: 'authenticated',
    body: 'small',
    handler: answering((exchange) => create(sql, auditor, exchange)),
  },
  {
    method: 'GET',
    path: '/api/v1/agents/:agent_id/api-keys',
    scope: 'authenticated',
    handler: answering((exchange) => list(sql, exchange)),
  },
  {
    method: 'DELETE',
    path: '/api/v1/agents/:agent_id/api-keys/:key_prefix',
    scope: 'authenticated',
    handler: answering((exchange) => revoke(sql, auditor, exchange)),
  },
];

async function create(sql: Sql, auditor: Auditor, exchange: Exchange): Promise<Reply> {
  const body = parseBody(ApiKeyCreation, exchange);
  const { tenantId, agentId } = agentOf(exchange, body.tenantId, 'tenantId');
  const grant = grantFor(exchange.auth, { ...body, tenantId, agentId });
  const apiKey = generateApiKey(tenantId);
  const keyHash = hashApiKey(apiKey);
  await auditor.act(callerOf(exchange), apiKeyCreated(keyHash, grant), (audit) =>
    insertApiKey(sql, keyHash, grant, audit),
  );
  return json({
    success: true,
    apiKey,
    keyHashPrefix: hashPrefixOf({ keyHash }),
    permissions: permissionsText(grant),
    expiresAt: grant.expiresAt ?? null,
    message: 'API key created. It is shown only this once: store it safely.',
  });
}

type Wish = Omit<z.output<typeof ApiKeyCreation>, 'tenantId'> & { tenantId: string; agentId: string };

/**
 * What the new key may do: never more than its creator. Nobody but the bootstrap administrator widens stores; administrators
 * choose permissions and rate, everybody else passes on their own or less.
 */
function grantFor(auth: AuthContext, wish: Wish): ApiKeyGrant {
  const refuse = (message: string): never => {
    throw new ServiceError('INSUFFICIENT_PERMISSIONS', message);
  };
  const { canAdmin } = auth;
  if (wish.admin && !canAdmin) refuse('Only an administrator may create an administrator key');
  if (wish.readOnly === false && !canAdmin && !auth.canWrite) refuse('Write permission required to grant it');
  if (!canAdmin && wish.rateLimit !== undefined && auth.rateLimit !== null && wish.rateLimit > auth.rateLimit)
    refuse(`rateLimit must not exceed your own, ${auth.rateLimit}`);

  const limited = !auth.bootstrap && auth.stores.length > 0;
  const storeIds = wish.storeIds ?? (limited ? auth.stores : []);
  if (limited && (storeIds.length === 0 || storeIds.some((store) => !auth.stores.includes(store))))
    refuse('storeIds must be among your own stores');

  const { expiresAt } = wish;
  if (expiresAt !== undefined && parseInstant(expiresAt)! <= BigInt(Date.now()) * 1000n)
    throw new ServiceError('INVALID_FIELD_VALUE', 'expiresAt must be in the future');
  const endsAt =
    auth.expiresAtMs === null ? undefined : formatMicros(BigInt(Math.floor(auth.expiresAtMs)) * 1000n);
  if (
    endsAt !== undefined &&
    !canAdmin &&
    (expiresAt === undefined || parseInstant(expiresAt)! > parseInstant(endsAt)!)
  )
    refuse(`expiresAt must not be later than the end of your own credentials, ${endsAt}`);

  const admin = wish.admin === true;
  return {
    tenantId: wish.tenantId,
    agentId: wish.agentId,
    storeIds,
    canRead: canAdmin || auth.canRead,
    canWrite: admin || (wish.readOnly !== true && (canAdmin || auth.canWrite)),
    canAdmin: admin,
    rateLimit: wish.rateLimit ?? (canAdmin ? null : auth.rateLimit),
    expiresAt: expiresAt ?? null,
  };
}

async function list(sql: Sql, exchange: Exchange): Promise<Reply> {
  const query = parseQuery(ApiKeyListQuery, exchange);
  const agent = agentOf(exchange, query.tenant_id, 'tenant_id');
  const limit = query.limit ?? PAGE_KEYS_MAX;
  const found = await listApiKeys(sql, agent, query.cursor, limit + 1);
  if (found === undefined)
    throw new ServiceError('INVALID_FIELD_VALUE', 'cursor must be the nextCursor of a page of this list');
  const { keys, nextCursor } = toKeyPage(found, limit, hashPrefixOf);
  return json({
    keys: keys.map((key) => ({
      keyHashPrefix: hashPrefixOf(key),
      active: key.active,
      permissions: permissionsText(key),
      storeIds: key.storeIds,
      rateLimit: key.rateLimit,
      expiresAt: timestampOrNull(key.expiresAt),
    })),
    count: keys.length,
    nextCursor,
  });
}

const hashPrefixOf = ({ keyHash }: { keyHash: string }): string => keyHash.slice(0, KEY_HASH_PREFIX_LENGTH);

async function revoke(sql: Sql, auditor: Auditor, exchange: Exchange): Promise<Reply> {
  const prefix = pathValue(exchange, 1, 'key_prefix', HashPrefix);
  const query = parseQuery(TenantQuery, exchange);
  const { tenantId, agentId } = agentOf(exchange, query.tenant_id, 'tenant_id');
  const act = apiKeyRevoked(tenantId, agentId, prefix);
  const found = await auditor.act(callerOf(exchange), act, (audit) =>
    deactivateApiKey(sql, tenantId, agentId, prefix, audit),
  );
  if (!found) throw new ServiceError('RESOURCE_NOT_FOUND', 'This agent has no API key with this prefix');
  return json({ success: true, message: 'API key revoked' });
}

function agentOf(exchange: Exchange, namedTenant: string | undefined, field: string) {
  const agentId = pathValue(exchange, 0, 'agent_id', uuid());
  const tenantId = resolveTenant(exchange.auth, namedTenant, field);
  requireAgentOrAdmin(exchange.auth, tenantId, agentId);
  return { tenantId, agentId };
}

/** API keys of a whole tenant, for operators: those of agents and those that belong to no agent. */
import { ServiceError } from '../errors/index.js';
import type { AuditRecord } from '../store/audit-entry.js';
import { appendAudit } from '../store/audit-log.js';
import type { Sql, TransactionSql } from '../store/connection.js';
import { type ApiKeyGrant, type ApiKeyRecord, generateApiKey, hashApiKey } from './api-keys.js';
import { apiKeyCreated, apiKeyRevoked } from './key-acts.js';

export type ListedApiKey = ApiKeyRecord & { readonly createdAt: string; readonly updatedAt: string };

type Actor = Pick<AuditRecord, 'actor' | 'actorType'> | undefined;

const columns = (sql: Sql | TransactionSql) => sql`
  key_hash as "keyHash", tenant_id as "tenantId", store_ids as "storeIds", can_read as "canRead", can_write as "canWrite",
  can_admin as "canAdmin", agent_id as "agentId", rate_limit as "rateLimit", active, expires_at as "expiresAt",
  (extract(epoch from expires_at) * 1000)::float8 as "expiresAtMs", created_at as "createdAt", updated_at as "updatedAt"`;

/** Oldest first, active or not. */
export const listTenantApiKeys = (
  sql: Sql,
  filter: { readonly tenantId?: string | undefined; readonly agentId?: string | undefined },
): Promise<ListedApiKey[]> =>
  sql<ListedApiKey[]>`
    select ${columns(sql)} from api_keys
    where ${filter.tenantId === undefined ? sql`true` : sql`tenant_id = ${filter.tenantId}`}
      and ${filter.agentId === undefined ? sql`true` : sql`agent_id = ${filter.agentId}`}
    order by created_at, key_hash`;

/**
 * Ends the one key whose hash begins with `prefix`, and answers it as it was.
 *
 * @throws ServiceError RESOURCE_NOT_FOUND, INVALID_FIELD_VALUE when the prefix fits several keys
 */
export const revokeApiKeyByPrefix = (sql: Sql, tenantId: string, prefix: string, actor: Actor) =>
  sql.begin(async (tx) => {
    const key = await lockByPrefix(tx, tenantId, prefix);
    await end(tx, key, actor);
    return key;
  }) as Promise<ListedApiKey>;

/**
 * Makes a key that may do the same as the one whose hash begins with `prefix`, and ends that one. Both happen or neither.
 *
 * @returns the new key itself: it is stored nowhere
 * @throws ServiceError as {@link revokeApiKeyByPrefix}; INVALID_FIELD_VALUE when the key has ended already
 */
export const rotateApiKey = (
  sql: Sql,
  tenantId: string,
  prefix: string,
  actor: Actor,
): Promise<{ apiKey: string; keyHash: string; old: ListedApiKey }> =>
  sql.begin(async (tx) => {
    const old = await lockByPrefix(tx, tenantId, prefix);
    if (!old.active)
      throw new ServiceError('INVALID_FIELD_VALUE', 'This API key was revoked; create a new one instead');
    const apiKey = generateApiKey(tenantId);
    const keyHash = hashApiKey(apiKey);
    await tx`
      insert into api_keys (key_hash, tenant_id, store_ids, can_read, can_write, can_admin, agent_id, rate_limit, expires_at)
      select ${keyHash}, tenant_id, store_ids, can_read, can_write, can_admin, agent_id, rate_limit, expires_at
      from api_keys where key_hash = ${old.keyHash}`;
    await end(tx, old, undefined);
    if (actor !== undefined) {
      const { details } = apiKeyCreated(keyHash, old);
      await appendAudit(tx, {
        ...apiKeyCreated(keyHash, old),
        ...actor,
        details: { ...details, replaces: old.keyHash.slice(0, 16) },
      });
      await appendAudit(tx, { ...apiKeyRevoked(tenantId, old.agentId, old.keyHash), ...actor });
    }
    return { apiKey, keyHash, old };
  }) as Promise<{ apiKey: string; keyHash: string; old: ListedApiKey }>;

async function lockByPrefix(tx: TransactionSql, tenantId: string, prefix: string): Promise<ListedApiKey> {
  const found = await tx<ListedApiKey[]>`
    select ${columns(tx)} from api_keys where tenant_id = ${tenantId} and starts_with(key_hash, ${prefix}) for update`;
  const [key] = found;
  if (key === undefined)
    throw new ServiceError(
      'RESOURCE_NOT_FOUND',
      `The tenant has no API key whose hash begins with ${prefix}`,
    );
  if (found.length > 1)
    throw new ServiceError(
      'INVALID_FIELD_VALUE',
      `${found.length} API keys begin with ${prefix}: give more digits`,
    );
  return key;
}

async function end(tx: TransactionSql, key: ListedApiKey, actor: Actor): Promise<void> {
  if (!key.active) return;
  await tx`update api_keys set active = false, updated_at = now() where key_hash = ${key.keyHash}`;
  if (actor !== undefined)
    await appendAudit(tx, { ...apiKeyRevoked(key.tenantId, key.agentId, key.keyHash), ...actor });
}

/** What an operator grants. */
export const grantOf = (
  permissions: 'read' | 'read_write' | 'admin',
  rest: Pick<ApiKeyGrant, 'tenantId' | 'storeIds' | 'agentId' | 'rateLimit' | 'expiresAt'>,
): ApiKeyGrant => ({
  ...rest,
  canRead: true,
  canWrite: permissions !== 'read',
  canAdmin: permissions === 'admin',
});

import { createHash, randomBytes } from 'node:crypto';
import { ServiceError } from '../errors/index.js';
import type { AuditRecord } from '../store/audit-entry.js';
import { appendAudit } from '../store/audit-log.js';
import type { Sql } from '../store/connection.js';

/** What every generated API key starts with. */
export const API_KEY_PREFIX = 'ss_';
/** Hex digits of a key's hash that name it in lists and when it is revoked. */
export const KEY_HASH_PREFIX_LENGTH = 16;

const RANDOM_BYTES = 24;

/** A new key: `ss_`, the first 8 hex digits of the tenant, 24 random bytes in base64url; 43 characters. */
export const generateApiKey = (tenantId: string): string =>
  API_KEY_PREFIX + tenantId.replaceAll('-', '').slice(0, 8) + randomBytes(RANDOM_BYTES).toString('base64url');

/** SHA-256 of the whole key in lower-case hex: all that is stored of it. */
export const hashApiKey = (key: string): string => createHash('sha256').update(key).digest('hex');

/** What an API key allows. Ids are lower-case hyphenated UUIDs. */
export type ApiKeyGrant = {
  readonly tenantId: string;
  /** Empty = all stores of the tenant. */
  readonly storeIds: readonly string[];
  readonly canRead: boolean;
  readonly canWrite: boolean;
  readonly canAdmin: boolean;
  readonly agentId: string | null;
  /** Requests per minute, if the key has a limit of its own. */
  readonly rateLimit: number | null;
  /** RFC 3339 in UTC: from then on the key is refused. Unset or `null`: it ends when it is revoked. */
  readonly expiresAt?: string | null;
};

/** A stored key. */
export type ApiKeyRecord = ApiKeyGrant & {
  readonly keyHash: string;
  readonly active: boolean;
  /** The server's text in UTC. */
  readonly expiresAt: string | null;
  /** The same in milliseconds since the epoch. */
  readonly expiresAtMs: number | null;
};

/** The key with this hash, active or not, expired or not; `undefined` if there is none. By the primary key. */
export async function findApiKey(sql: Sql, keyHash: string): Promise<ApiKeyRecord | undefined> {
  const [row] = await sql<ApiKeyRecord[]>`
    select key_hash as "keyHash", tenant_id as "tenantId", store_ids as "storeIds", can_read as "canRead",
           can_write as "canWrite", can_admin as "canAdmin", agent_id as "agentId", rate_limit as "rateLimit", active,
           expires_at as "expiresAt", (extract(epoch from expires_at) * 1000)::float8 as "expiresAtMs"
    from api_keys where key_hash = ${keyHash}`;
  return row;
}

/** Most active API keys of one agent. Revoked and expired ones do not count. */
export const ACTIVE_API_KEYS_MAX = 1000;

/**
 * Stores a new key by its hash.
 *
 * @param audit goes into the audit log together with the key
 * @throws ServiceError QUOTA_EXCEEDED when the agent has {@link ACTIVE_API_KEYS_MAX} active keys
 */
export async function insertApiKey(
  sql: Sql,
  keyHash: string,
  grant: ApiKeyGrant,
  audit?: AuditRecord,
): Promise<void> {
  const { tenantId, agentId } = grant;
  await sql.begin(async (tx) => {
    // One after the other per agent: otherwise each would count before the others have inserted.
    await tx`select pg_advisory_xact_lock(hashtextextended(${`api-keys/${tenantId}/${agentId}`}, 0))`;
    const inserted = await tx`
      insert into api_keys (key_hash, tenant_id, store_ids, can_read, can_write, can_admin, agent_id, rate_limit, expires_at)
      select ${keyHash}, ${tenantId}::uuid, ${[...grant.storeIds]}::uuid[], ${grant.canRead}::bool, ${grant.canWrite}::bool,
             ${grant.canAdmin}::bool, ${agentId}::uuid, ${grant.rateLimit}::int, ${grant.expiresAt ?? null}::timestamptz
      where (select count(*) from api_keys where tenant_id = ${tenantId} and agent_id = ${agentId} and active
             and (expires_at is null or expires_at > now())) < ${ACTIVE_API_KEYS_MAX}
      returning 1`;
    if (inserted.length === 0)
      throw new ServiceError(
        'QUOTA_EXCEEDED',
        `This agent has ${ACTIVE_API_KEYS_MAX} active API keys and cannot have more; revoke those that are not needed`,
        { details: { keys_max: ACTIVE_API_KEYS_MAX } },
      );
    if (audit !== undefined) await appendAudit(tx, audit);
  });
}

/**
 * The keys of an agent, oldest first, at most `limit`. By the index (tenant_id, agent_id, created_at).
 *
 * @param after the beginning of a key's hash, {@link KEY_HASH_PREFIX_LENGTH} digits at least: the list goes on behind that key;
 *   `undefined`: from the first
 * @returns `undefined` if the agent has no key whose hash begins with `after`
 */
export async function listApiKeys(
  sql: Sql,
  agent: { tenantId: string; agentId: string },
  after: string | undefined,
  limit: number,
): Promise<ApiKeyRecord[] | undefined> {
  const { tenantId, agentId } = agent;
  // Before the first key there is nothing: no hash sorts before the empty text.
  let last = { createdAt: '-infinity', keyHash: '' };
  if (after !== undefined) {
    const [found] = await sql<{ createdAt: string; keyHash: string }[]>`
      select created_at as "createdAt", key_hash as "keyHash" from api_keys
      where tenant_id = ${tenantId} and agent_id = ${agentId} and starts_with(key_hash, ${after})`;
    if (found === undefined) return undefined;
    last = found;
  }
  return sql<ApiKeyRecord[]>`
    select key_hash as "keyHash", tenant_id as "tenantId", store_ids as "storeIds", can_read as "canRead",
           can_write as "canWrite", can_admin as "canAdmin", agent_id as "agentId", rate_limit as "rateLimit", active,
           expires_at as "expiresAt", (extract(epoch from expires_at) * 1000)::float8 as "expiresAtMs"
    from api_keys where tenant_id = ${tenantId} and agent_id = ${agentId}
      and (created_at, key_hash) > (${last.createdAt}::timestamptz, ${last.keyHash})
    order by created_at, key_hash limit ${limit}`;
}

/**
 * Ends a key of an agent for good. Answers whether there is one; ending it again changes nothing.
 *
 * @param hashPrefix at least {@link KEY_HASH_PREFIX_LENGTH} lower-case hex digits
 * @param audit goes into the audit log together with the end of the key, if it was active
 */
export async function deactivateApiKey(
  sql: Sql,
  tenantId: string,
  agentId: string,
  hashPrefix: string,
  audit?: AuditRecord,
): Promise<boolean> {
  return sql.begin(async (tx) => {
    const found = await tx<{ active: boolean }[]>`
      select active from api_keys
      where tenant_id = ${tenantId} and agent_id = ${agentId} and starts_with(key_hash, ${hashPrefix}) for update`;
    if (!found.some(({ active }) => active)) return found.length > 0;
    await tx`
      update api_keys set active = false, updated_at = now()
      where tenant_id = ${tenantId} and agent_id = ${agentId} and starts_with(key_hash, ${hashPrefix}) and active`;
    if (audit !== undefined) await appendAudit(tx, audit);
    return true;
  });
}

/** How a key's permissions are written in answers. */
export const permissionsText = (grant: ApiKeyGrant): 'admin' | 'read_write' | 'read' =>
  grant.canAdmin ? 'admin' : grant.canWrite ? 'read_write' : 'read';

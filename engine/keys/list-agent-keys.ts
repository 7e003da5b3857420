import { invariant } from '../errors/index.js';
import type { KeyValidity } from '../protocol/index.js';
import type { Sql } from '../store/connection.js';
import { AGENT_KEYS_MAX } from './register-agent-key.js';

/** A signing key as people see it. Instants are the server's text in UTC; `null` is unbounded or not set. */
export type ListedAgentKey = {
  readonly keyId: number;
  readonly keyAlgorithm: number;
  /** Lower-case hex. */
  readonly publicKey: string;
  readonly status: KeyValidity['status'];
  readonly validFrom: string | null;
  readonly validTo: string | null;
  readonly revokedAt: string | null;
  readonly createdAt: string;
};

/**
 * Signing keys of an agent by id, revoked and expired ones too: those behind key id `after` (-1: from the first), at most
 * `limit`. By the primary key.
 */
export async function listAgentKeys(
  sql: Sql,
  agent: { tenantId: string; agentId: string },
  after: number,
  limit: number,
): Promise<ListedAgentKey[]> {
  return sql<ListedAgentKey[]>`
    select key_id::float8 as "keyId", key_algorithm as "keyAlgorithm", encode(public_key, 'hex') as "publicKey", status,
           valid_from as "validFrom", valid_to as "validTo", revoked_at as "revokedAt", created_at as "createdAt"
    from agent_signing_keys where tenant_id = ${agent.tenantId} and agent_id = ${agent.agentId} and key_id > ${after}
    order by key_id limit ${limit}`;
}

/**
 * All signing keys of an agent, however many: for answers that must not leave any out.
 *
 * @throws ServiceError INTERNAL_ERROR when there are more than can be registered
 */
export async function listAllAgentKeys(
  sql: Sql,
  agent: { tenantId: string; agentId: string },
): Promise<ListedAgentKey[]> {
  const keys = await listAgentKeys(sql, agent, -1, AGENT_KEYS_MAX + 1);
  invariant(keys.length <= AGENT_KEYS_MAX, 'INTERNAL_ERROR', `An agent has at most ${AGENT_KEYS_MAX} keys`);
  return keys;
}

/** All signing keys of a tenant, or of one of its agents, by agent and id. By the primary key. */
export const listTenantAgentKeys = (
  sql: Sql,
  tenantId: string,
  agentId?: string,
): Promise<(ListedAgentKey & { readonly agentId: string })[]> =>
  sql<(ListedAgentKey & { readonly agentId: string })[]>`
    select agent_id as "agentId", key_id::float8 as "keyId", key_algorithm as "keyAlgorithm",
           encode(public_key, 'hex') as "publicKey", status, valid_from as "validFrom", valid_to as "validTo",
           revoked_at as "revokedAt", created_at as "createdAt"
    from agent_signing_keys
    where tenant_id = ${tenantId} and ${agentId === undefined ? sql`true` : sql`agent_id = ${agentId}`}
    order by agent_id, key_id`;

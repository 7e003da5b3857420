import type { KeyValidity } from '../protocol/index.js';
import type { Sql } from '../store/connection.js';

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

/** All signing keys of an agent by id, revoked and expired ones too; at most `limit`. By the primary key. */
export async function listAgentKeys(
  sql: Sql,
  tenantId: string,
  agentId: string,
  limit: number,
): Promise<ListedAgentKey[]> {
  return sql<ListedAgentKey[]>`
    select key_id::float8 as "keyId", key_algorithm as "keyAlgorithm", encode(public_key, 'hex') as "publicKey", status,
           valid_from as "validFrom", valid_to as "validTo", revoked_at as "revokedAt", created_at as "createdAt"
    from agent_signing_keys where tenant_id = ${tenantId} and agent_id = ${agentId}
    order by key_id limit ${limit}`;
}

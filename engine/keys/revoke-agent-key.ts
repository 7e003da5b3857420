import type { Sql } from '../store/connection.js';

/**
 * Revokes a signing key from this moment on: events that arrive later are refused, sequenced ones stay. A key that is revoked
 * already keeps its first revocation.
 *
 * @returns the instant of the revocation, the server's text in UTC; `undefined` if there is no such key
 */
export async function revokeAgentKey(
  sql: Sql,
  tenantId: string,
  agentId: string,
  keyId: number,
): Promise<string | undefined> {
  const [row] = await sql<{ revokedAt: string }[]>`
    update agent_signing_keys set status = 'revoked', revoked_at = coalesce(revoked_at, now())
    where tenant_id = ${tenantId} and agent_id = ${agentId} and key_id = ${keyId}
    returning revoked_at as "revokedAt"`;
  return row?.revokedAt;
}

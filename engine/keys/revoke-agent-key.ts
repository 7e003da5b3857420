import type { AuditRecord } from '../store/audit-entry.js';
import { appendAudit } from '../store/audit-log.js';
import type { Sql } from '../store/connection.js';

/**
 * Revokes a signing key from this moment on: events that arrive later are refused, sequenced ones stay. A key that is revoked
 * already keeps its first revocation.
 *
 * @param audit goes into the audit log together with the revocation, if it is the first one
 * @returns the instant of the revocation, the server's text in UTC; `undefined` if there is no such key
 */
export async function revokeAgentKey(
  sql: Sql,
  tenantId: string,
  agentId: string,
  keyId: number,
  audit?: AuditRecord,
): Promise<string | undefined> {
  return sql.begin(async (tx) => {
    const [before] = await tx<{ status: string }[]>`
      select status from agent_signing_keys
      where tenant_id = ${tenantId} and agent_id = ${agentId} and key_id = ${keyId} for update`;
    if (before === undefined) return undefined;
    const [row] = await tx<{ revokedAt: string }[]>`
      update agent_signing_keys set status = 'revoked', revoked_at = coalesce(revoked_at, now())
      where tenant_id = ${tenantId} and agent_id = ${agentId} and key_id = ${keyId}
      returning revoked_at as "revokedAt"`;
    if (before.status !== 'revoked' && audit !== undefined) await appendAudit(tx, audit);
    return row?.revokedAt;
  });
}

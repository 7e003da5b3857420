import type { AuditRecord } from '../store/audit-entry.js';
import { appendAudit } from '../store/audit-log.js';
import type { Sql } from '../store/connection.js';
import { agentKeyRotated } from './key-acts.js';
import { type AgentKeyRegistration, insertOrCompare, requireUsable } from './register-agent-key.js';

/** What a rotation did. */
export interface Rotation {
  /** False when the new key was registered already. */
  readonly isNew: boolean;
  /** Keys that were active and are revoked now. */
  readonly revoked: readonly number[];
}

/**
 * Registers an agent's new key and, if asked to, revokes all its other active ones, in one transaction. Events that are signed
 * with an old key and arrive after its revocation are refused, so let the agent sign with the new key first.
 *
 * @param actor goes into the audit log with what was done
 * @throws ServiceError as `registerAgentKey`
 */
export async function rotateAgentKey(
  sql: Sql,
  registration: AgentKeyRegistration,
  options: {
    readonly revokeOld: boolean;
    readonly actor: Pick<AuditRecord, 'actor' | 'actorType'> | undefined;
  },
): Promise<Rotation> {
  requireUsable(registration);
  const { tenantId, agentId, keyId, publicKey } = registration;
  return sql.begin(async (tx) => {
    const isNew = await insertOrCompare(tx, registration);
    const rows = options.revokeOld
      ? await tx<{ keyId: number }[]>`
          update agent_signing_keys set status = 'revoked', revoked_at = now()
          where tenant_id = ${tenantId} and agent_id = ${agentId} and key_id <> ${keyId} and status = 'active'
          returning key_id::float8 as "keyId"`
      : [];
    const revoked = rows.map((row) => row.keyId).sort((a, b) => a - b);
    if (options.actor !== undefined && (isNew || revoked.length > 0))
      await appendAudit(tx, { ...agentKeyRotated(registration, publicKey, revoked), ...options.actor });
    return { isNew, revoked };
  });
}

import { ServiceError } from '../errors/index.js';
import {
  checkPublicKey,
  KEY_ALGORITHM,
  type PublicKeyVerdict,
  verifyProofOfPossession,
} from '../protocol/index.js';
import type { AuditRecord } from '../store/audit-entry.js';
import { appendAudit } from '../store/audit-log.js';
import type { Sql, TransactionSql } from '../store/connection.js';

/** A signing key to be registered. Ids are UUIDs, instants RFC 3339 in UTC with microseconds at most. */
export type AgentKeyRegistration = {
  readonly tenantId: string;
  readonly agentId: string;
  readonly keyId: number;
  /** Ed25519. */
  readonly publicKey: Uint8Array;
  readonly validFrom: string | null;
  readonly validTo: string | null;
  /** Signature of the key over its own challenge, 64 bytes. Optional, but verified when present. */
  readonly proofOfPossession: Uint8Array | undefined;
};

const KEY_FAULTS: Record<Exclude<PublicKeyVerdict, 'ok'>, string> = {
  length: 'it must have 32 bytes',
  small_order: 'it is a point of small order, for which anybody can sign',
  not_canonical: 'it is not the canonical encoding of a point',
  not_on_curve: 'it is not a point on the curve',
  torsion: 'it is not in the prime-order group',
};

/** Most signing keys of one agent, revoked and expired ones included, so that its signed directory stays one answer. */
export const AGENT_KEYS_MAX = 1000;

/**
 * Registers a key. The same registration again changes nothing, so that it can be repeated after a lost answer.
 *
 * @param audit goes into the audit log together with the key, if it is new
 * @returns whether the key is new
 * @throws ServiceError INVALID_PUBLIC_KEY; SIGNATURE_VERIFICATION_FAILED when the proof of possession is wrong;
 * ALREADY_EXISTS when the agent has another key under this id, or had this one and it was revoked; QUOTA_EXCEEDED when it has
 * {@link AGENT_KEYS_MAX} keys
 */
export async function registerAgentKey(
  sql: Sql,
  registration: AgentKeyRegistration,
  audit?: AuditRecord,
): Promise<boolean> {
  requireUsable(registration);
  return sql.begin(async (tx) => {
    const isNew = await insertOrCompare(tx, registration);
    if (isNew && audit !== undefined) await appendAudit(tx, audit);
    return isNew;
  });
}

/** Where the operator asks for it, nobody registers a key that is not known to be theirs. @throws ServiceError MISSING_REQUIRED_FIELD */
export function requirePossession(
  { proofOfPossession }: Pick<AgentKeyRegistration, 'proofOfPossession'>,
  required: boolean,
): void {
  if (!required || proofOfPossession !== undefined) return;
  throw new ServiceError(
    'MISSING_REQUIRED_FIELD',
    'A proof of possession is required here (REQUIRE_KEY_POP): the key\'s signature over SHA-256("VES_POP_V1" || public key)',
  );
}

/** @throws ServiceError INVALID_PUBLIC_KEY, SIGNATURE_VERIFICATION_FAILED */
export function requireUsable(registration: AgentKeyRegistration): void {
  const { publicKey, proofOfPossession } = registration;
  const verdict = checkPublicKey(publicKey);
  if (verdict !== 'ok')
    throw new ServiceError('INVALID_PUBLIC_KEY', `The public key cannot be used: ${KEY_FAULTS[verdict]}`);
  if (proofOfPossession !== undefined && !verifyProofOfPossession(publicKey, proofOfPossession))
    throw new ServiceError(
      'SIGNATURE_VERIFICATION_FAILED',
      'The proof of possession is not a signature of this key over SHA-256("VES_POP_V1" || public key)',
    );
}

/** The same in a transaction of the caller's, without looking at the key itself. */
export async function insertOrCompare(
  tx: TransactionSql,
  registration: AgentKeyRegistration,
): Promise<boolean> {
  const { tenantId, agentId, keyId, publicKey, validFrom, validTo } = registration;
  // Registrations of one agent go one after the other: otherwise each would count before the others have inserted.
  await tx`select pg_advisory_xact_lock(hashtextextended(${`agent-keys/${tenantId}/${agentId}`}, 0))`;
  const [existing] = await tx<{ same: boolean; status: string }[]>`
    select public_key = ${publicKey} and valid_from is not distinct from ${validFrom}::timestamptz
           and valid_to is not distinct from ${validTo}::timestamptz as same, status
    from agent_signing_keys where tenant_id = ${tenantId} and agent_id = ${agentId} and key_id = ${keyId}`;
  if (existing?.status === 'revoked')
    throw new ServiceError(
      'ALREADY_EXISTS',
      `Key ${keyId} of this agent was revoked; register under another key id`,
    );
  if (existing?.same === false)
    throw new ServiceError(
      'ALREADY_EXISTS',
      `This agent has another key under id ${keyId}; use another key id`,
    );
  if (existing !== undefined) return false;

  const [{ count } = { count: 0 }] = await tx<{ count: number }[]>`
    select count(*)::float8 as count from agent_signing_keys where tenant_id = ${tenantId} and agent_id = ${agentId}`;
  if (count >= AGENT_KEYS_MAX)
    throw new ServiceError(
      'QUOTA_EXCEEDED',
      `This agent has ${count} signing keys, revoked ones included, and cannot have more; register the key for a new agent id`,
      { details: { keys: count, keys_max: AGENT_KEYS_MAX } },
    );
  await tx`
    insert into agent_signing_keys (tenant_id, agent_id, key_id, key_algorithm, public_key, valid_from, valid_to)
    values (${tenantId}, ${agentId}, ${keyId}, ${KEY_ALGORITHM.ed25519}, ${publicKey}, ${validFrom}, ${validTo})`;
  return true;
}

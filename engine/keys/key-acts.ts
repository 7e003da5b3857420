/** How administrative acts on keys are recorded in the audit log. */
import type { AuditRecord } from '../store/audit-entry.js';
import { type ApiKeyGrant, KEY_HASH_PREFIX_LENGTH, permissionsText } from './api-keys.js';
import type { AgentKeyRegistration } from './register-agent-key.js';

/** An act without its actor. */
export type KeyAct = Pick<AuditRecord, 'action' | 'tenantId' | 'resourceType' | 'resourceId' | 'details'>;

type AgentKeyName = { readonly tenantId: string; readonly agentId: string; readonly keyId: number };

const agentKey = (action: KeyAct['action'], key: AgentKeyName, more: object = {}): KeyAct => ({
  action,
  tenantId: key.tenantId,
  resourceType: 'agent_key',
  resourceId: `${key.agentId}/${key.keyId}`,
  details: { agent_id: key.agentId, key_id: key.keyId, ...more },
});

export const agentKeyRegistered = (key: AgentKeyRegistration): KeyAct =>
  agentKey('agent_key_registered', key, {
    public_key: Buffer.from(key.publicKey).toString('hex'),
    valid_from: key.validFrom,
    valid_to: key.validTo,
  });

export const agentKeyRevoked = (key: AgentKeyName): KeyAct => agentKey('agent_key_revoked', key);

export const agentKeyRotated = (
  key: AgentKeyName,
  publicKey: Uint8Array,
  revoked: readonly number[],
): KeyAct =>
  agentKey('agent_key_rotated', key, {
    public_key: Buffer.from(publicKey).toString('hex'),
    revoked_key_ids: revoked,
  });

export const apiKeyCreated = (keyHash: string, grant: ApiKeyGrant): KeyAct => ({
  action: 'api_key_created',
  tenantId: grant.tenantId,
  resourceType: 'api_key',
  resourceId: keyHash.slice(0, KEY_HASH_PREFIX_LENGTH),
  details: {
    agent_id: grant.agentId,
    permissions: permissionsText(grant),
    store_ids: grant.storeIds,
    rate_limit: grant.rateLimit,
  },
});

export const apiKeyRevoked = (tenantId: string, agentId: string | null, prefix: string): KeyAct => ({
  action: 'api_key_revoked',
  tenantId,
  resourceType: 'api_key',
  resourceId: prefix.slice(0, KEY_HASH_PREFIX_LENGTH),
  details: { agent_id: agentId },
});

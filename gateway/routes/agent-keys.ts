import { z } from 'zod';
import type { Config } from '../../engine/config/index.js';
import { ServiceError } from '../../engine/errors/index.js';
import { agentKeyRegistered, agentKeyRevoked } from '../../engine/keys/key-acts.js';
import { type ListedAgentKey, listAgentKeys } from '../../engine/keys/list-agent-keys.js';
import { registerAgentKey, requirePossession } from '../../engine/keys/register-agent-key.js';
import { revokeAgentKey } from '../../engine/keys/revoke-agent-key.js';
import {
  equalBytes,
  keyStatusAt,
  normalizeKeyAlgorithm,
  parseInstant,
  refuseKeyAlgorithm,
} from '../../engine/protocol/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { type Auditor, callerOf } from '../audit.js';
import { requireTenant, resolveTenant } from '../auth/scopes.js';
import { answering, type Exchange } from '../http/exchange.js';
import { json, type Reply } from '../http/reply.js';
import type { Route } from '../http/router.js';
import { hexBytes, instant, integer, uuid, wholeNumber } from '../input/fields.js';
import { keyPage, PAGE_KEYS_MAX, toKeyPage } from '../input/key-page.js';
import { parseBody, parseQuery, pathValue } from '../input/parse.js';
import { renderTimestamp, timestampOrNull } from '../render/timestamp.js';

const KEY_ID_MAX = 0xffff_ffff;
const I32_MAX = 0x7fff_ffff;

const hexText = () => z.string({ error: 'hexadecimal text' });
export const KeyRegistration = z.object({
  tenantId: uuid(),
  agentId: uuid(),
  keyId: integer(0, KEY_ID_MAX),
  publicKey: hexText(),
  keyType: z.union([z.string(), z.number()], { error: '"signing"' }).optional(),
  keyAlgorithm: integer(-I32_MAX - 1, I32_MAX).optional(),
  validFrom: instant().optional(),
  validTo: instant().optional(),
  publicKeyBundle: z.object({ ed25519PublicKey: hexBytes(32).optional() }, { error: 'an object' }).optional(),
  proofOfPossession: hexBytes(64).optional(),
  proofOfPossessionBundle: z
    .object({ ed25519Pop: hexBytes(64).optional(), mlDsa65Pop: hexText().optional() }, { error: 'an object' })
    .optional(),
});
export const KeyId = wholeNumber(KEY_ID_MAX).transform(Number);
export const AgentQuery = z.object({ tenant_id: uuid().optional(), agent_id: uuid() });
export const KeyListQuery = AgentQuery.extend(keyPage(KeyId));

export interface AgentKeyDeps {
  readonly sql: Sql;
  readonly auditor: Auditor;
  readonly config: { readonly auth: Pick<Config['auth'], 'requireKeyPossession'> };
}

/**
 * Agents' signing keys. Registration and revocation need `admin` of the tenant, reading `read`. Revocation is
 * `DELETE /api/v1/agents/keys/:key_id?tenant_id&agent_id`: the key is named, not described, so there is no body.
 */
export const agentKeyRoutes = ({ sql, auditor, config }: AgentKeyDeps): Route[] => [
  {
    method: 'POST',
    path: '/api/v1/agents/keys',
    scope: 'admin',
    body: 'small',
    handler: answering((exchange) => register({ sql, auditor, config }, exchange)),
  },
  {
    method: 'GET',
    path: '/api/v1/agents/keys',
    scope: 'read',
    handler: answering((exchange) => list(sql, exchange)),
  },
  {
    method: 'DELETE',
    path: '/api/v1/agents/keys/:key_id',
    scope: 'admin',
    handler: answering((exchange) => revoke(sql, auditor, exchange)),
  },
];

async function register({ sql, auditor, config }: AgentKeyDeps, exchange: Exchange): Promise<Reply> {
  const body = parseBody(KeyRegistration, exchange);
  const { tenantId, agentId, keyId, validFrom, validTo, publicKeyBundle, proofOfPossessionBundle } = body;
  requireTenant(exchange.auth, tenantId);
  const refusal = refuseKeyAlgorithm(normalizeKeyAlgorithm(body.keyAlgorithm));
  if (refusal !== undefined) throw new ServiceError('INVALID_FIELD_VALUE', `keyAlgorithm: ${refusal}`);
  if (!isSigning(body.keyType))
    throw new ServiceError(
      'INVALID_FIELD_VALUE',
      'keyType must be "signing": only signing keys are registered',
    );

  const publicKey = hexBytes(32).safeParse(body.publicKey).data;
  if (publicKey === undefined)
    throw new ServiceError('INVALID_PUBLIC_KEY', 'publicKey must be 32 bytes as hexadecimal text');
  if (publicKeyBundle?.ed25519PublicKey && !equalBytes(publicKeyBundle.ed25519PublicKey, publicKey))
    throw new ServiceError(
      'INVALID_FIELD_VALUE',
      'publicKeyBundle.ed25519PublicKey must be the same as publicKey',
    );
  if (proofOfPossessionBundle?.mlDsa65Pop !== undefined)
    throw new ServiceError(
      'INVALID_FIELD_VALUE',
      'proofOfPossessionBundle.mlDsa65Pop cannot be verified for an Ed25519 key; leave it out',
    );
  if (validFrom !== undefined && validTo !== undefined && parseInstant(validFrom)! > parseInstant(validTo)!)
    throw new ServiceError('INVALID_FIELD_VALUE', 'validFrom must not be after validTo');

  const registration = {
    tenantId,
    agentId,
    keyId,
    publicKey,
    validFrom: validFrom ?? null,
    validTo: validTo ?? null,
    proofOfPossession: body.proofOfPossession ?? proofOfPossessionBundle?.ed25519Pop,
  };
  requirePossession(registration, config.auth.requireKeyPossession);
  const isNew = await auditor.act(callerOf(exchange), agentKeyRegistered(registration), (audit) =>
    registerAgentKey(sql, registration, audit),
  );
  return json({
    success: true,
    tenantId,
    agentId,
    keyId,
    keyAlgorithm: body.keyAlgorithm ?? 0,
    message: isNew ? 'Agent key registered successfully' : 'Agent key was already registered',
  });
}

/** Absent, or one of the spellings of "signing" in use. */
const isSigning = (keyType: string | number | undefined): boolean =>
  keyType === undefined || keyType === 1 || /^(key_type_)?signing$/i.test(String(keyType));

async function list(sql: Sql, exchange: Exchange): Promise<Reply> {
  const query = parseQuery(KeyListQuery, exchange);
  const agent = agentOf(exchange, query);
  const limit = query.limit ?? PAGE_KEYS_MAX;
  const found = await listAgentKeys(sql, agent, query.cursor ?? -1, limit + 1);
  const { keys, nextCursor } = toKeyPage(found, limit, (key) => String(key.keyId));
  const nowMicros = BigInt(Date.now()) * 1000n;
  return json({
    ...agent,
    keys: keys.map((key) => ({
      keyId: key.keyId,
      keyAlgorithm: key.keyAlgorithm,
      publicKey: `0x${key.publicKey}`,
      status: statusAt(key, nowMicros),
      validFrom: timestampOrNull(key.validFrom),
      validTo: timestampOrNull(key.validTo),
      revokedAt: timestampOrNull(key.revokedAt),
      createdAt: renderTimestamp(key.createdAt),
    })),
    count: keys.length,
    nextCursor,
  });
}

async function revoke(sql: Sql, auditor: Auditor, exchange: Exchange): Promise<Reply> {
  const keyId = pathValue(exchange, 0, 'key_id', KeyId);
  const { tenantId, agentId } = agentOf(exchange, parseQuery(AgentQuery, exchange));
  const act = agentKeyRevoked({ tenantId, agentId, keyId });
  const revokedAt = await auditor.act(callerOf(exchange), act, (audit) =>
    revokeAgentKey(sql, tenantId, agentId, keyId, audit),
  );
  if (revokedAt === undefined)
    throw new ServiceError('AGENT_KEY_NOT_FOUND', `Agent ${agentId} has no key with id ${keyId}`);
  return json({
    success: true,
    tenantId,
    agentId,
    keyId,
    status: 'revoked',
    revokedAt: renderTimestamp(revokedAt),
    message: 'Agent key revoked',
  });
}

const agentOf = ({ auth }: Exchange, query: z.output<typeof AgentQuery>) => ({
  tenantId: resolveTenant(auth, query.tenant_id, 'tenant_id'),
  agentId: query.agent_id,
});

const microsOrNull = (stored: string | null): bigint | null =>
  stored === null ? null : parseInstant(renderTimestamp(stored))!;

const statusAt = (key: ListedAgentKey, nowMicros: bigint) =>
  keyStatusAt(
    {
      status: key.status,
      validFromMicros: microsOrNull(key.validFrom),
      validToMicros: microsOrNull(key.validTo),
      revokedAtMicros: microsOrNull(key.revokedAt),
    },
    nowMicros,
  );

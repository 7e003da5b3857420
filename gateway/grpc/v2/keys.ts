/** `KeyManagement`: the same rules as `/api/v1/agents/keys`. */
import { status } from '@grpc/grpc-js';
import { ServiceError } from '../../../engine/errors/index.js';
import { agentKeyRegistered, agentKeyRevoked } from '../../../engine/keys/key-acts.js';
import { type ListedAgentKey, listAllAgentKeys } from '../../../engine/keys/list-agent-keys.js';
import { registerAgentKey, requirePossession } from '../../../engine/keys/register-agent-key.js';
import { revokeAgentKey } from '../../../engine/keys/revoke-agent-key.js';
import {
  equalBytes,
  formatMicros,
  INSTANT_MICROS_MAX,
  type KeyStatus,
  keyStatusAt,
  normalizeKeyAlgorithm,
  parseInstant,
  refuseKeyAlgorithm,
} from '../../../engine/protocol/index.js';
import { v2 } from '../../../engine/wire-proto/index.js';
import { createAuditor } from '../../audit.js';
import type { AuthContext } from '../../auth/context.js';
import { requireTenant } from '../../auth/scopes.js';
import { renderTimestamp } from '../../render/timestamp.js';
import type { GrpcDeps } from '../deps.js';
import { unary } from '../rpc.js';
import { GrpcStatusError } from '../status.js';
import { timestampNow, timestampOfStored, uuidOf } from '../values.js';

const POP_BYTES = 64;

function agentOf(auth: AuthContext, request: { tenantId: string; agentId: string }) {
  const tenantId = uuidOf(request.tenantId, 'tenant_id');
  requireTenant(auth, tenantId);
  return { tenantId, agentId: uuidOf(request.agentId, 'agent_id') };
}

export const registerAgentKeyRpc = (deps: GrpcDeps) => {
  const auditor = createAuditor(deps);
  return unary(v2.RegisterKeyRequestSchema, v2.RegisterKeyResponseSchema, async (request, call) => {
    const { auth } = call;
    const agent = agentOf(auth, request);
    if (request.keyType !== v2.KeyType.SIGNING)
      throw new GrpcStatusError(
        status.UNIMPLEMENTED,
        'INVALID_FIELD_VALUE',
        'only signing keys are supported',
      );
    const refusal = refuseKeyAlgorithm(normalizeKeyAlgorithm(request.keyAlgorithm));
    if (refusal !== undefined) throw new ServiceError('INVALID_FIELD_VALUE', `key_algorithm: ${refusal}`);
    const validFrom = instantOf(request.validFrom, 'valid_from');
    const validTo = instantOf(request.validTo, 'valid_to');
    if (validFrom !== null && validTo !== null && parseInstant(validFrom)! > parseInstant(validTo)!)
      throw new ServiceError('INVALID_FIELD_VALUE', 'valid_from must not be after valid_to');
    const registration = {
      ...agent,
      keyId: request.keyId,
      publicKey: publicKeyOf(request),
      validFrom,
      validTo,
      proofOfPossession: proofOf(request),
    };
    requirePossession(registration, deps.config.auth.requireKeyPossession);
    const isNew = await auditor.act(call, agentKeyRegistered(registration), (audit) =>
      registerAgentKey(deps.sql, registration, audit),
    );
    return {
      success: true,
      message: isNew ? 'Agent key registered successfully' : 'Agent key was already registered',
      registeredAt: timestampNow(),
    };
  });
};

function publicKeyOf({ publicKey, publicKeyBundle }: v2.RegisterKeyRequest): Uint8Array {
  const bundled = publicKeyBundle?.ed25519PublicKey ?? new Uint8Array(0);
  if (publicKey.length === 0) return bundled;
  if (bundled.length > 0 && !equalBytes(bundled, publicKey))
    throw new ServiceError(
      'INVALID_FIELD_VALUE',
      'public_key_bundle.ed25519_public_key must be the same as public_key',
    );
  return publicKey;
}

function proofOf(request: v2.RegisterKeyRequest): Uint8Array | undefined {
  const bundle = request.proofOfPossessionBundle;
  if (bundle && bundle.mlDsa65Pop.length > 0)
    throw new ServiceError(
      'INVALID_FIELD_VALUE',
      'proof_of_possession_bundle.ml_dsa_65_pop cannot be verified for an Ed25519 key; leave it out',
    );
  const given = [request.proofOfPossession, bundle?.ed25519Pop ?? new Uint8Array(0)].find(
    (each) => each.length > 0,
  );
  if (given !== undefined && given.length !== POP_BYTES)
    throw new ServiceError('INVALID_FIELD_VALUE', `proof_of_possession must have ${POP_BYTES} bytes`);
  return given;
}

/** From 1970 to 9999, with microseconds at most. */
function instantOf(timestamp: v2.RegisterKeyRequest['validFrom'], name: string): string | null {
  if (timestamp === undefined) return null;
  const micros = timestamp.seconds * 1_000_000n + BigInt(Math.floor(timestamp.nanos / 1000));
  if (timestamp.seconds < 0n || micros > INSTANT_MICROS_MAX)
    throw new ServiceError('INVALID_FIELD_VALUE', `${name} must be from 1970 to 9999`);
  return formatMicros(micros);
}

export const getAgentKeysRpc = ({ sql }: GrpcDeps) =>
  unary(v2.GetAgentKeysRequestSchema, v2.GetAgentKeysResponseSchema, async (request, { auth }) => {
    const agent = agentOf(auth, request);
    if (request.keyTypeFilter === v2.KeyType.ENCRYPTION) return { keys: [] };
    const nowMicros = BigInt(Date.now()) * 1000n;
    const keys = (await listAllAgentKeys(sql, agent)).map((key) => ({ key, state: stateOf(key, nowMicros) }));
    return {
      keys: keys
        .filter(({ state }) => request.includeRevoked || state !== 'revoked')
        .map(({ key, state }) => ({
          keyId: key.keyId,
          keyType: v2.KeyType.SIGNING,
          publicKey: Buffer.from(key.publicKey, 'hex'),
          status: STATUS[state],
          createdAt: timestampOfStored(key.createdAt),
          ...(key.validFrom !== null && { validFrom: timestampOfStored(key.validFrom) }),
          ...(key.validTo !== null && { validTo: timestampOfStored(key.validTo) }),
          ...(key.revokedAt !== null && { revokedAt: timestampOfStored(key.revokedAt) }),
          keyAlgorithm: key.keyAlgorithm,
        })),
    };
  });

const STATUS: Record<KeyStatus, v2.KeyStatus> = {
  active: v2.KeyStatus.ACTIVE,
  not_yet_valid: v2.KeyStatus.UNSPECIFIED,
  expired: v2.KeyStatus.EXPIRED,
  revoked: v2.KeyStatus.REVOKED,
};

const microsOf = (stored: string | null): bigint | null =>
  stored === null ? null : parseInstant(renderTimestamp(stored))!;

const stateOf = (key: ListedAgentKey, nowMicros: bigint): KeyStatus =>
  keyStatusAt(
    {
      status: key.status,
      validFromMicros: microsOf(key.validFrom),
      validToMicros: microsOf(key.validTo),
      revokedAtMicros: microsOf(key.revokedAt),
    },
    nowMicros,
  );

export const revokeAgentKeyRpc = (deps: GrpcDeps) => {
  const auditor = createAuditor(deps);
  return unary(v2.RevokeKeyRequestSchema, v2.RevokeKeyResponseSchema, async (request, call) => {
    const { tenantId, agentId } = agentOf(call.auth, request);
    const { keyId } = request;
    const revokedAt = await auditor.act(call, agentKeyRevoked({ tenantId, agentId, keyId }), (audit) =>
      revokeAgentKey(deps.sql, tenantId, agentId, keyId, audit),
    );
    if (revokedAt === undefined)
      throw new ServiceError('AGENT_KEY_NOT_FOUND', `Agent ${agentId} has no key with id ${request.keyId}`);
    return { success: true, revokedAt: timestampOfStored(revokedAt) };
  });
};

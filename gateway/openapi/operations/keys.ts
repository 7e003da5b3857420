import { z } from 'zod';
import { AgentQuery, KeyId, KeyListQuery, KeyRegistration } from '../../routes/agent-keys.js';
import { ApiKeyCreation, ApiKeyListQuery, HashPrefix, TenantQuery } from '../../routes/api-keys.js';
import { type Operations, ok } from '../operation.js';
import { count, id, instant, prefixedHash, prefixedSignature, text } from '../shapes.js';

const agent = { tenantId: id(), agentId: id() };
const validity = {
  validFrom: instant().nullable(),
  validTo: instant().nullable(),
  revokedAt: instant().nullable(),
};
const nextCursor = text('`cursor` of the next page; null on the last').nullable();

export const KeyRegistered = z.object({
  success: z.literal(true),
  ...agent,
  keyId: count(),
  keyAlgorithm: z.number(),
  message: text(),
});
export const SigningKeyPage = z.object({
  ...agent,
  keys: z.array(
    z.object({
      keyId: count(),
      keyAlgorithm: count(),
      publicKey: prefixedHash(),
      status: z.enum(['active', 'not_yet_valid', 'expired', 'revoked']),
      ...validity,
      createdAt: instant(),
    }),
  ),
  count: count(),
  nextCursor,
});
export const KeyRevoked = z.object({
  success: z.literal(true),
  ...agent,
  keyId: count(),
  status: z.literal('revoked'),
  revokedAt: instant(),
  message: text(),
});
export const KeyDirectory = z.object({
  ...agent,
  keys: z.array(
    z.object({
      keyId: count(),
      algorithm: z.literal('ed25519'),
      publicKey: prefixedHash(),
      publicKeyBundle: z.null(),
      ...validity,
    }),
  ),
  signedAt: instant(),
  directorySignature: prefixedSignature(),
});

export const ApiKeyCreated = z.object({
  success: z.literal(true),
  apiKey: text('Shown only this once'),
  keyHashPrefix: text(),
  permissions: text(),
  expiresAt: instant().nullable(),
  message: text(),
});
export const ApiKeyPage = z.object({
  keys: z.array(
    z.object({
      keyHashPrefix: text(),
      active: z.boolean(),
      permissions: text(),
      storeIds: z.array(id()).meta({ description: 'Empty: all stores of the tenant' }),
      rateLimit: count().nullable(),
      expiresAt: instant().nullable(),
    }),
  ),
  count: count(),
  nextCursor,
});

export const KEYS: Operations = {
  'POST /api/v1/agents/keys': {
    id: 'registerSigningKey',
    tag: 'Keys',
    summary: "Register an agent's signing key",
    description: 'It may sign events at once. The same registration again changes nothing.',
    body: KeyRegistration,
    bodyName: 'KeyRegistration',
    answers: ok('It is registered', KeyRegistered),
    errors: ['INVALID_PUBLIC_KEY', 'SIGNATURE_VERIFICATION_FAILED', 'ALREADY_EXISTS', 'QUOTA_EXCEEDED'],
  },
  'GET /api/v1/agents/keys': {
    id: 'listSigningKeys',
    tag: 'Keys',
    summary: "An agent's signing keys",
    query: KeyListQuery,
    answers: ok('A page of keys', SigningKeyPage),
  },
  'DELETE /api/v1/agents/keys/:key_id': {
    id: 'revokeSigningKey',
    tag: 'Keys',
    summary: 'Revoke a signing key for good',
    description: 'Events that have a number keep it.',
    path: { key_id: KeyId },
    query: AgentQuery,
    answers: ok('It is revoked', KeyRevoked),
    errors: ['AGENT_KEY_NOT_FOUND'],
  },
  'GET /api/v1/agents/:agent_id/signing-keys': {
    id: 'getKeyDirectory',
    tag: 'Keys',
    summary: "An agent's signing keys, signed by the sequencer",
    query: TenantQuery,
    answers: ok('All keys, revoked and expired ones too', KeyDirectory),
  },
  'POST /api/v1/agents/:agent_id/api-keys': {
    id: 'createApiKey',
    tag: 'Keys',
    summary: 'Make an API key that is bound to the agent',
    description: 'Nobody passes on more than he has.',
    body: ApiKeyCreation,
    bodyName: 'ApiKeyCreation',
    answers: ok('The key, this once', ApiKeyCreated),
    errors: ['QUOTA_EXCEEDED'],
  },
  'GET /api/v1/agents/:agent_id/api-keys': {
    id: 'listApiKeys',
    tag: 'Keys',
    summary: "An agent's API keys",
    query: ApiKeyListQuery,
    answers: ok('A page of keys, oldest first', ApiKeyPage),
  },
  'DELETE /api/v1/agents/:agent_id/api-keys/:key_prefix': {
    id: 'revokeApiKey',
    tag: 'Keys',
    summary: 'Revoke an API key',
    path: { key_prefix: HashPrefix },
    query: TenantQuery,
    answers: ok('It is revoked', z.object({ success: z.literal(true), message: text() })),
    errors: ['RESOURCE_NOT_FOUND'],
  },
};

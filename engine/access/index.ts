export { type AddressList, createAddressList, normalizeAddress, parseAddressRange } from './address-list.js';
export {
  type AgentPolicyRow,
  type FoundPolicy,
  findAgentPolicies,
  readAgentPolicy,
  writeAgentPolicy,
} from './agent-policies.js';
export { type AgentPolicy, isPolicyRule, POLICY_RULES_MAX, policyViolation } from './agent-policy.js';
export { type AgentDetails, findAgentDetails, insertAgent, type RegisteredAgent } from './agents.js';
export {
  type ClientAddressReader,
  createClientAddressReader,
  type ForwardedHeaders,
} from './client-address.js';
export { requireContentDigest } from './content-digest.js';
export { createKeySet, type KeySet } from './key-set.js';
export { fetchKeySet, readKeySetFile } from './key-set-source.js';
export { createNonceCache, type NonceCache } from './nonce-cache.js';
export { type SignedRequest, type SigningKeyName, verifyRequestSignature } from './request-signature.js';
export { createSlidingWindow, networkOf, type WindowVerdict } from './sliding-window.js';
export type { TokenGrant } from './token-claims.js';
export { createTokenVerifier, type TokenVerifier } from './token-verifier.js';

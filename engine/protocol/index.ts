/**
 * The VES protocol: what clients hash, sign, send and verify, as pure functions on bytes. Runs in browsers and in Node;
 * depends on @noble/ed25519 and @noble/hashes only.
 */
export * from './base64url.js';
export * from './bytes.js';
export * from './domains.js';
export * from './ed25519.js';
export * from './encrypted-payload.js';
export * from './envelope.js';
export * from './envelope-json.js';
export * from './envelope-rules.js';
export * from './event-signing.js';
export * from './fixed-fields.js';
export * from './ingest-types.js';
export * from './jcs.js';
export { JcsError, type JcsFaultReason } from './jcs-fault.js';
export * from './key-directory.js';
export * from './keys.js';
export * from './leaf.js';
export * from './legacy-envelope.js';
export * from './legacy-json.js';
export * from './legacy-state-root.js';
export * from './legacy-tree.js';
export * from './lossless-json.js';
export * from './merkle-levels.js';
export * from './payload-hash.js';
export * from './receipt.js';
export * from './rfc3339.js';
export * from './row-hashing.js';
export * from './sha256.js';
export * from './signature-bundle.js';
export * from './uuid.js';
export * from './ves-state-root.js';
export * from './ves-tree.js';

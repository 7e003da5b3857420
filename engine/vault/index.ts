/** Payloads encrypted at rest: keys in three tiers, sealing, opening, rotation, erasure. See docs/encryption-at-rest.md. */
export { complianceProofAad, eventAad, validityProofAad } from './at-rest-aad.js';
export { type EraseOptions, type EraseReport, eraseTenant } from './erase.js';
export { configuredMasterKeys, type MasterKeys, type Wrapped } from './master-keys.js';
export { OPENED_KEPT_MS, OPENER_TRUST_MS, type VaultOpener } from './opener.js';
export { openRecord, sealRecord } from './record-v1.js';
export { type ReencryptOptions, type ReencryptReport, reencryptEvents } from './reencrypt.js';
export { listKeysToRewrap, rewrapTenantKeys, rotateTenantKey } from './rotate.js';
export type { Sealer } from './sealer.js';
export { SEALER_TRUST_MS, type Sealers } from './sealers.js';
export { createVault, openVault, type Vault } from './vault.js';

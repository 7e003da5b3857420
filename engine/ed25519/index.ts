/** Ed25519 verification in WebAssembly. Pure: the compiled module comes from the caller, under Node from load-module.ts. */
export { createEd25519Engine, type Ed25519Engine, type EngineOptions } from './engine.js';
export type { KeyTableStats } from './key-tables.js';
export type { VerificationKey } from './verification-key.js';

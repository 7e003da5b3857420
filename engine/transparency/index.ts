/** Transparency logs: proofs, tiles and roots of every stream's Merkle log and of the notary log. */
export { type LogId, logName } from './log-id.js';
export type { InclusionProof } from './log-proofs.js';
export { createLogService, type LogService } from './log-service.js';
export type { RecordedRoot } from './log-source.js';

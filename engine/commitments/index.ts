/** Commitments of streams and the proofs in them: the VES v1.0 view of a stream. */
export type { CommitmentPage, CommitmentStream } from '../store/commitment-rows.js';
export type { LegacyCommitment } from '../store/legacy-commitments.js';
export type { VesCommitment } from '../store/ves-commitments.js';
export type { Anchor } from './anchoring.js';
export { type BackgroundCommitter, type BackgroundRound, createBackgroundCommitter } from './background.js';
export { type CommitmentCaches, cacheCommitments } from './cached-commitments.js';
export { commitmentAnchored, commitmentCreated } from './commitment-acts.js';
export { type CommitmentService, createCommitmentService } from './commitment-service.js';
export type { InclusionProof } from './inclusion.js';
export { COMMITMENT_EVENTS_MAX } from './range.js';

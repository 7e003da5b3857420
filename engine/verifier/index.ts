/** Offline verification of everything the service gives out as evidence: pure, without network, files or clock. */
export { type AgentDirectory, checkAgentDirectory } from './agent-directory.js';
export { decodeText, type Evidence, KIND_NAMES, readEvidence } from './evidence.js';
export { createFindings, type Findings, type Step, type Verdict, verdictOf } from './findings.js';
export { type GivenEvent, readGivenEvents } from './given-events.js';
export { readSequencerKeys } from './sequencer-keys.js';
export type { SequencerKey, Trust } from './trust.js';
export { type Given, type Item, type Report, verifyEvidence } from './verify-evidence.js';

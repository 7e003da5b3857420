/** Checking a whole database: re-derives everything that can be derived, and names the first wrong row. */
export { CHECKS, type CheckName } from './checks.js';
export type { FsckCrypto } from './crypto.js';
export { type Finding, type StreamId, uuidText } from './finding.js';
export type { Crew } from './jobs.js';
export type { KeyHolder, OpenKeyHolder } from './payloads.js';
export { type FsckReport, streamOf } from './report.js';
export { type FsckOptions, type FsckProgress, runFsck } from './run.js';
export type { FsckSetup, Task, TaskResult } from './task.js';
export { type FsckWorker, openFsckWorker } from './worker.js';

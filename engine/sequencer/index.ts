/** The sequencer room's contract: packed batches in, decided outcomes out. */
export * as batch from './batch.js';
export {
  type BatchBuilder,
  createBatchBuilder,
  type EventEntry,
  FLAG_GROUP_RECEIPTS,
  type PackedBatch,
  readBatch,
  requestSlot,
  rowLength,
  rowOffset,
  STREAM_LEGACY,
  STREAM_VES,
  type StreamKind,
} from './batch.js';
export { type Committer, type CommitterOptions, createCommitter, type GroupReport } from './committer.js';
export { type ContentDigest, createContentDigest } from './content-digest.js';
export { createFairQueue, type FairQueue } from './fair-queue.js';
export type { RequestOutcome } from './outcome.js';
export * as outcome from './outcome.js';
export {
  createPartition,
  type Partition,
  type PartitionEffect,
  type PartitionEvent,
  type PartitionLimits,
  type PartitionRules,
  type Phase,
} from './partition.js';
export { collectNeeds, createPlanner, type GroupPlan } from './plan.js';
export type * from './ports.js';
export { createShares, SHARE_OF_FREE, type Shares, type Shortage, shortageOf } from './shares.js';
export { partitionOf, type StreamKey, streamKey } from './stream.js';
export { createSubmission, type Slice, type Submission, wholeSlice } from './submission.js';

/** Group receipts: one signed checkpoint, and the path from an event's entry to its root. */
import { type Checkpoint, PROOF_HASHES_MAX } from '../log/index.js';
import { equalBytes } from '../protocol/index.js';
import { checkCheckpoint } from './checkpoint-steps.js';
import type { CheckedEvent } from './event-steps.js';
import { isObject, type JsonObject, readCount, readHashes, readHex, readUuid } from './fields.js';
import { check, type Findings, malformed } from './findings.js';
import { entryHash } from './hashing.js';
import { checkInclusion, checkStream } from './inclusion-steps.js';
import type { Trust } from './trust.js';

/** Most hashes that the paths of a group share: those of 1000 events in a tree of 2^53 leaves stay far below. */
const GROUP_HASHES_MAX = 100_000;

/** Checks the group receipt of one event, as `GET /api/v1/ves/events/:event_id` gives it (snake_case). */
export function checkGroupReceipt(
  findings: Findings,
  receipt: unknown,
  event: CheckedEvent,
  sequence: number | undefined,
  trust: Trust,
): Checkpoint | undefined {
  const input: JsonObject = isObject(receipt) ? receipt : {};
  const leafIndex = readCount(input.leaf_index);
  const hashes = readHashes(input.hashes, PROOF_HASHES_MAX);
  const parts = { size: readCount(input.tree_size), root: readHex(input.root_hash, 32) };
  const leaf = readHex(input.leaf_hash, 32);
  if (leafIndex === undefined || hashes === undefined || leaf === undefined)
    return malformed(findings, 'group receipt');
  const checkpoint = checkGroupCheckpoint(findings, input.checkpoint, parts, trust);
  if (checkpoint === undefined) return undefined;
  checkStream(findings, checkpoint.origin, event);
  const numbered = sequence === undefined || leafIndex === sequence - 1;
  check(findings, 'the leaf index is the sequence number less one', numbered);
  const entry = event.entry(leafIndex + 1);
  check(findings, "the leaf is the event's log entry", equalBytes(entryHash(entry), leaf));
  checkInclusion(findings, entry, leafIndex, hashes, checkpoint);
  return checkpoint;
}

/** The group receipt of an ingest reply: a checkpoint and the paths of several events. */
export interface GroupReceipt {
  readonly checkpoint: Checkpoint;
  /** By event id. */
  readonly proofs: ReadonlyMap<string, GroupProof>;
}

export interface GroupProof {
  readonly sequence: number;
  readonly leafIndex: number;
  readonly hashes: readonly Uint8Array[];
}

/** Reads a group receipt of an ingest reply (camelCase) and checks its checkpoint. */
export function openGroupReceipt(
  findings: Findings,
  receipt: unknown,
  trust: Trust,
): GroupReceipt | undefined {
  const input: JsonObject = isObject(receipt) ? receipt : {};
  const proofs = readProofs(input);
  if (proofs === undefined) return malformed(findings, 'group receipt');
  const parts = { size: readCount(input.treeSize), root: readHex(input.rootHash, 32) };
  const checkpoint = checkGroupCheckpoint(findings, input.checkpoint, parts, trust);
  return checkpoint && { checkpoint, proofs };
}

/** Checks the signed checkpoint, and that the size and root beside it are its own. */
export function checkGroupCheckpoint(
  findings: Findings,
  note: unknown,
  { size, root }: { size: number | undefined; root: Uint8Array | undefined },
  trust: Trust,
): Checkpoint | undefined {
  const checkpoint = checkCheckpoint(findings, note, trust);
  if (checkpoint === undefined) return undefined;
  const same = size === checkpoint.size && root !== undefined && equalBytes(root, checkpoint.root);
  check(findings, 'size and root beside the checkpoint are its own', same);
  return checkpoint;
}

/** Paths are lists of indexes into the shared hashes. */
function readProofs(input: JsonObject): Map<string, GroupProof> | undefined {
  const shared = readHashes(input.hashes, GROUP_HASHES_MAX);
  if (shared === undefined || !Array.isArray(input.proofs)) return undefined;
  const proofs = new Map<string, GroupProof>();
  for (const item of input.proofs) {
    if (!isObject(item) || !Array.isArray(item.path) || item.path.length > PROOF_HASHES_MAX) return undefined;
    const eventId = readUuid(item.eventId);
    const sequence = readCount(item.sequenceNumber);
    const leafIndex = readCount(item.leafIndex);
    const hashes = item.path.map((index: unknown) => shared[readCount(index) ?? -1]);
    if (eventId === undefined || sequence === undefined || leafIndex === undefined) return undefined;
    if (proofs.has(eventId) || hashes.includes(undefined)) return undefined;
    proofs.set(eventId, { sequence, leafIndex, hashes: hashes as Uint8Array[] });
  }
  return proofs;
}

/** That an entry stands in the log of a checkpoint, and that the log is the event's stream. */
import { type Checkpoint, verifyInclusion } from '../log/index.js';
import { check, type Findings } from './findings.js';
import { entryHash, hashNode } from './hashing.js';
import { streamOfOrigin } from './log-entry.js';

/** Checks that the log's origin names this stream. */
export function checkStream(
  findings: Findings,
  origin: string,
  { tenantId, storeId }: { tenantId: string; storeId: string },
): boolean {
  const stream = streamOfOrigin(origin);
  const same = stream?.tenantId === tenantId && stream.storeId === storeId;
  return check(
    findings,
    "the log is that of the event's stream",
    same,
    same ? undefined : `${origin} is not that of tenant ${tenantId}, store ${storeId}`,
  );
}

/** Checks an inclusion path from an entry's bytes to the root of a checkpoint. */
export function checkInclusion(
  findings: Findings,
  entry: Uint8Array,
  leafIndex: number,
  hashes: readonly Uint8Array[],
  { size, root }: Checkpoint,
): boolean {
  const included = verifyInclusion(entryHash(entry), leafIndex, size, hashes, root, hashNode);
  const detail = `leaf ${leafIndex} of ${size}`;
  return check(findings, "the entry stands in the checkpoint's tree", included, detail);
}

import { type Checkpoint, PROOF_HASHES_MAX, verifyInclusion } from '../log/index.js';
import { equalBytes } from '../protocol/index.js';
import type { CheckedEvent } from './event-steps.js';
import { type JsonObject, readCount, readHashes, readHex } from './fields.js';
import { check, type Findings, malformed, unproven } from './findings.js';
import { checkGroupCheckpoint, checkGroupReceipt } from './group-receipt-steps.js';
import { entryHash, hashNode } from './hashing.js';
import type { Trust } from './trust.js';

/**
 * The reply of `GET /api/v1/log/inclusion`: `{leaf_index, tree_size, leaf_hash, hashes, root, checkpoint}`. Returns its checkpoint.
 *
 * @param events those that the user gave; the leaf has to be of one of them, if there are any
 */
export function checkInclusionEvidence(
  findings: Findings,
  reply: JsonObject,
  events: readonly CheckedEvent[],
  trust: Trust,
): Checkpoint | undefined {
  const sizes = { size: readCount(reply.tree_size), root: readHex(reply.root, 32) };
  const leafIndex = readCount(reply.leaf_index);
  const leaf = readHex(reply.leaf_hash, 32);
  const hashes = readHashes(reply.hashes, PROOF_HASHES_MAX);
  if (leafIndex === undefined || leaf === undefined || hashes === undefined)
    return malformed(findings, 'inclusion proof');
  const event = events.find((each) => equalBytes(entryHash(each.entry(leafIndex + 1)), leaf)) ?? events[0];
  if (event !== undefined)
    return checkGroupReceipt(findings, { ...reply, root_hash: reply.root }, event, undefined, trust);
  const checkpoint = checkGroupCheckpoint(findings, reply.checkpoint, sizes, trust);
  if (checkpoint === undefined) return undefined;
  const { size, root } = checkpoint;
  const included = verifyInclusion(leaf, leafIndex, size, hashes, root, hashNode);
  check(findings, "the leaf stands in the checkpoint's tree", included, `leaf ${leafIndex} of ${size}`);
  unproven(findings, 'which event the leaf is: it is a hash; give the event (--event)');
  return checkpoint;
}

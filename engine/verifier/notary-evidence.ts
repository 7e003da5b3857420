import { type Checkpoint, parseTlogProof, type TlogProof } from '../log/index.js';
import { encodeHex } from '../protocol/index.js';
import { checkCheckpoint } from './checkpoint-steps.js';
import { type JsonObject, readCount } from './fields.js';
import { check, type Findings, malformed, unproven } from './findings.js';
import { checkInclusion } from './inclusion-steps.js';
import {
  checkNotaryLog,
  checkpointOfEntry,
  isNotaryEntry,
  readStreamBody,
  type StreamCheckpoint,
} from './notary-steps.js';
import type { Trust } from './trust.js';

/** A proof file whose entry is one of the notary log. Returns the notary's checkpoint. */
export function checkNotaryTlogProof(
  findings: Findings,
  proof: TlogProof & { readonly extra: Uint8Array },
  streams: readonly StreamCheckpoint[],
  trust: Trust,
): Checkpoint | undefined {
  const checkpoint = checkNotaryInclusion(findings, proof, trust);
  if (checkpoint === undefined) return undefined;
  const about = checkpointOfEntry(proof.extra, checkpoint.origin, streams);
  if (about !== undefined) {
    const { origin, size } = about.checkpoint;
    check(findings, 'the entry is that of a checkpoint given beside it', true, `size ${size} of ${origin}`);
  } else
    unproven(
      findings,
      "whose checkpoint it is: the entry names stream and checkpoint by hashes, and the stream's checkpoint was not given",
    );
  return checkpoint;
}

/**
 * The reply of `GET /api/v1/log/notary/proof`: `{checkpoint_body, tree_size, proof, …}`. The stream's checkpoint needs no signature
 * of its own, since the notary's covers it. Returns both checkpoints.
 */
export function checkNotaryEvidence(findings: Findings, reply: JsonObject, trust: Trust): Checkpoint[] {
  const { checkpoint_body, proof: text, tree_size } = reply;
  const stream = typeof checkpoint_body === 'string' ? readStreamBody(checkpoint_body) : undefined;
  const proof = parseTlogProof(typeof text === 'string' ? text : '');
  if (stream === undefined || readCount(tree_size) !== stream.checkpoint.size) {
    malformed(findings, 'checkpoint of the stream');
    return [];
  }
  if ('problem' in proof || !hasNotaryEntry(proof)) {
    malformed(findings, 'proof', 'problem' in proof ? proof.problem : 'it carries no entry of a notary log');
    return [];
  }
  const notary = checkNotaryInclusion(findings, proof, trust);
  if (notary === undefined) return [];
  const about = checkpointOfEntry(proof.extra, notary.origin, [stream]);
  const { origin, size, root } = stream.checkpoint;
  const what = `the entry is that of the stream's checkpoint`;
  check(findings, what, about !== undefined, `size ${size} of ${origin}, root ${encodeHex(root)}`);
  unproven(
    findings,
    "that an event is in the stream's log: that takes an inclusion proof at this size",
    'that the notary log holds no other entry of the stream that contradicts this one',
  );
  return [stream.checkpoint, notary];
}

export function hasNotaryEntry(proof: TlogProof): proof is TlogProof & { readonly extra: Uint8Array } {
  return proof.extra !== undefined && isNotaryEntry(proof.extra);
}

function checkNotaryInclusion(
  findings: Findings,
  { extra, index, hashes, checkpoint: note }: TlogProof & { readonly extra: Uint8Array },
  trust: Trust,
): Checkpoint | undefined {
  const checkpoint = checkCheckpoint(findings, note, trust);
  if (checkpoint === undefined) return undefined;
  checkNotaryLog(findings, checkpoint.origin);
  checkInclusion(findings, extra, index, hashes, checkpoint);
  return checkpoint;
}

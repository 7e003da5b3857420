/** Entries of the notary log: which stream's checkpoint one vouches for. */
import { type Checkpoint, notaryEntry } from '../log/index.js';
import { concatBytes, encodeUtf8, equalBytes, parseUuid, vesStreamId } from '../protocol/index.js';
import { check, type Findings, unproven } from './findings.js';
import { sha256Into } from './hashing.js';
import { streamOfOrigin } from './log-entry.js';

/** A stream's checkpoint and the text of its note, which the notary's entry covers. */
export interface StreamCheckpoint {
  readonly body: string;
  readonly checkpoint: Checkpoint;
}

const HEADER = encodeUtf8('ves-notary/v1\n');

export function isNotaryEntry(entry: Uint8Array): boolean {
  return equalBytes(entry.subarray(0, HEADER.length), HEADER);
}

/** Checks that the entry belongs to the notary log, and to one of the given streams' checkpoints, if there are any. */
export function checkNotaryEntry(
  findings: Findings,
  entry: Uint8Array,
  origin: string,
  streams: readonly StreamCheckpoint[],
): void {
  check(findings, 'the log is a notary log', origin.endsWith('/notary'), origin);
  const base = origin.slice(0, -'notary'.length);
  if (streams.length === 0) {
    unproven(
      findings,
      "whose checkpoint it is: the entry names stream and checkpoint by hashes only; give the stream's checkpoint",
    );
    return;
  }
  const same = streams.find(({ body, checkpoint }) => {
    const stream = streamOfOrigin(checkpoint.origin);
    if (stream === undefined || !checkpoint.origin.startsWith(base)) return false;
    const id = vesStreamId(concatBytes(parseUuid(stream.tenantId)!, parseUuid(stream.storeId)!));
    return equalBytes(notaryEntry(id, body, sha256Into), entry);
  });
  const detail = same && `size ${same.checkpoint.size} of ${same.checkpoint.origin}`;
  check(findings, 'the entry is that of the given checkpoint', same !== undefined, detail);
}

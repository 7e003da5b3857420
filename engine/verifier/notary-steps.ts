/** Entries of the notary log: which stream's checkpoint one vouches for. Through them witnesses vouch for every stream. */
import { type Checkpoint, notaryEntry, parseCheckpoint, parseNote } from '../log/index.js';
import { concatBytes, encodeHex, encodeUtf8, equalBytes, parseUuid, vesStreamId } from '../protocol/index.js';
import { check, type Findings } from './findings.js';
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

/** Reads the text of a stream's checkpoint, unverified; `undefined` unless it is one of a stream. */
export function readStreamBody(body: string): StreamCheckpoint | undefined {
  const checkpoint = parseCheckpoint(body);
  const stream = 'problem' in checkpoint ? undefined : streamOfOrigin(checkpoint.origin);
  return 'problem' in checkpoint || stream === undefined ? undefined : { body, checkpoint };
}

/** As {@link readStreamBody}, of a signed note. */
export function readStreamCheckpoint(note: string): StreamCheckpoint | undefined {
  const parsed = parseNote(note);
  return 'problem' in parsed ? undefined : readStreamBody(parsed.text);
}

/** The entry that the notary log has of a stream's checkpoint. */
export function notaryEntryOf({ body, checkpoint }: StreamCheckpoint): Uint8Array {
  const { tenantId, storeId } = streamOfOrigin(checkpoint.origin)!;
  return notaryEntry(vesStreamId(concatBytes(parseUuid(tenantId)!, parseUuid(storeId)!)), body, sha256Into);
}

/** What a set of verified entries holds of one. */
export const entryKey = (entry: Uint8Array): string => encodeHex(entry);

/** Checks that an entry stands in a notary log. */
export function checkNotaryLog(findings: Findings, origin: string): void {
  check(findings, 'the log is a notary log', origin.endsWith('/notary'), origin);
}

/** The one of the streams' checkpoints that the entry of this notary log is about. */
export function checkpointOfEntry(
  entry: Uint8Array,
  notaryOrigin: string,
  streams: readonly StreamCheckpoint[],
): StreamCheckpoint | undefined {
  const base = notaryOrigin.slice(0, -'notary'.length);
  return streams.find(
    (each) => each.checkpoint.origin.startsWith(base) && equalBytes(notaryEntryOf(each), entry),
  );
}

/** Entries of the notary log: which stream's checkpoint one vouches for. Through them witnesses vouch for every stream. */
import { type Checkpoint, notaryEntry, parseCheckpoint, parseNote } from '../log/index.js';
import { encodeHex, encodeUtf8, equalBytes, tenantStoreOf, vesStreamId } from '../protocol/index.js';
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
function notaryEntryOf({ body, checkpoint }: StreamCheckpoint): Uint8Array {
  const stream = streamOfOrigin(checkpoint.origin)!; // streams only
  return notaryEntry(vesStreamId(tenantStoreOf(stream)), body, sha256Into);
}

/** The notary log of the service that a stream belongs to: `<base>/notary` for `<base>/<tenant>/<store>`. */
function notaryOf({ checkpoint }: StreamCheckpoint): string {
  return checkpoint.origin.replace(/(?:\/[^/]+){2}$/, '/notary');
}

/** What a set of verified entries holds of one: an entry counts in the log it was found in, and nowhere else. */
export const entryKey = (notaryOrigin: string, entry: Uint8Array): string =>
  `${notaryOrigin}\n${encodeHex(entry)}`;

/** The member of such a set that covers a stream's checkpoint. */
export const entryKeyOf = (stream: StreamCheckpoint): string =>
  entryKey(notaryOf(stream), notaryEntryOf(stream));

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
  return streams.find((stream) => entryKeyOf(stream) === entryKey(notaryOrigin, entry));
}

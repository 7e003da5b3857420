/**
 * Entries of the notary log. One entry says: this stream had this checkpoint. It is blinded: it names the stream and the checkpoint by
 * hashes, so that only who knows both can recognise it, and nobody learns a name or a size from the log.
 */
import { encodeHex, encodeUtf8 } from '../protocol/index.js';
import { encodeBase64 } from './base64.js';
import { HASH_BYTES, type Sha256Into } from './tree.js';

const HEADER = 'ves-notary/v1';

/**
 * The log entry of a stream's checkpoint: three lines, `ves-notary/v1`, the stream id in lower-case hex, and the base64 of the SHA-256 of
 * the checkpoint's text (origin, size and root, as in its note).
 *
 * @param streamId `Uint8Array(32)`
 * @param body the text of the stream's checkpoint, final newline included
 * @throws RangeError when `streamId` has another length
 */
export function notaryEntry(streamId: Uint8Array, body: string, sha256: Sha256Into): Uint8Array {
  if (streamId.length !== HASH_BYTES) throw new RangeError('a stream id has 32 bytes');
  const bodyHash = new Uint8Array(HASH_BYTES);
  sha256(encodeUtf8(body), bodyHash, 0);
  return encodeUtf8(`${HEADER}\n${encodeHex(streamId)}\n${encodeBase64(bodyHash)}\n`);
}

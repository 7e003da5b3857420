/**
 * Witness cosignatures of checkpoints, Ed25519 (c2sp.org/tlog-cosignature, version 1): the statement that at this time this was
 * the largest consistent tree of the origin that the witness had seen.
 */
import {
  concatBytes,
  encodeUtf8,
  readU64,
  SIGNATURE_BYTES,
  verifyStrict,
  writeU64,
} from '../protocol/index.js';
import type { NoteSignature } from './note.js';
import { NOTE_COSIGNATURE, noteKeyId } from './verifier-key.js';

const TIMESTAMP_BYTES = 8;

/** What a witness signs: two header lines and the whole text of the checkpoint. `timestamp` in seconds since the epoch. */
export function cosignatureMessage(timestamp: number, body: string): Uint8Array {
  return encodeUtf8(`cosignature/v1\ntime ${timestamp}\n${body}`);
}

/**
 * Takes a cosignature apart: timestamp (seconds) and `Uint8Array(64)`. `undefined` when it has another length or a timestamp
 * beyond 2^53 - 1 (which is the year 285 million).
 */
export function readCosignature(
  sig: NoteSignature,
): { timestamp: number; signature: Uint8Array } | undefined {
  if (sig.signature.length !== TIMESTAMP_BYTES + SIGNATURE_BYTES) return undefined;
  const timestamp = Number(readU64(sig.signature, 0));
  if (!Number.isSafeInteger(timestamp)) return undefined;
  return { timestamp, signature: sig.signature.slice(TIMESTAMP_BYTES) };
}

/** Verifies a cosignature of the checkpoint text `body`; its timestamp (seconds) when it is good. */
export function verifyCosignature(
  sig: NoteSignature,
  body: string,
  publicKey: Uint8Array,
): number | undefined {
  const read = readCosignature(sig);
  if (read === undefined) return undefined;
  const good = verifyStrict(read.signature, cosignatureMessage(read.timestamp, body), publicKey);
  return good ? read.timestamp : undefined;
}

/** Makes a cosignature, as a witness does. `timestamp` in seconds. */
export function cosign(
  body: string,
  timestamp: number,
  witness: { name: string; publicKey: Uint8Array; sign(message: Uint8Array): Uint8Array },
): NoteSignature {
  const time = new Uint8Array(TIMESTAMP_BYTES);
  writeU64(time, 0, timestamp);
  return {
    name: witness.name,
    keyId: noteKeyId(witness.name, NOTE_COSIGNATURE, witness.publicKey),
    signature: concatBytes(time, witness.sign(cosignatureMessage(timestamp, body))),
  };
}

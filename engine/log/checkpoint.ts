/**
 * Checkpoints (c2sp.org/tlog-checkpoint): the text of a signed note that states origin, size and root hash of a log.
 */
import { decodeBase64, encodeBase64 } from './base64.js';
import { parseDecimal } from './decimal.js';
import type { Problem } from './note.js';
import { HASH_BYTES } from './tree.js';

/** `root` is `Uint8Array(32)`; `extensions` are the opaque lines behind it, without newlines (ours have none). */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly extensions: readonly string[];
}

/** The text of the note. Throws `RangeError` when it would not be a checkpoint. */
export function formatCheckpoint(checkpoint: { origin: string; size: number; root: Uint8Array }): string {
  const { origin, size, root } = checkpoint;
  const body = `${origin}\n${size}\n${encodeBase64(root)}\n`;
  const parsed = parseCheckpoint(body);
  if ('problem' in parsed) throw new RangeError(parsed.problem);
  if (parsed.origin !== origin) throw new RangeError('An origin is one line');
  return body;
}

/** Reads the text of a note as a checkpoint. Whether the note is signed is another matter: see `verifyNote`. */
export function parseCheckpoint(body: string): Checkpoint | Problem {
  if (!body.endsWith('\n')) return { problem: 'The checkpoint does not end in a newline' };
  const [origin, sizeText, rootText, ...extensions] = body.slice(0, -1).split('\n');
  if (origin === undefined || sizeText === undefined || rootText === undefined)
    return { problem: 'The checkpoint has fewer than three lines' };
  if (origin === '' || extensions.includes('')) return { problem: 'The checkpoint has an empty line' };
  if (/[^\P{Cc}\n]|\p{Cs}/u.test(body)) return { problem: 'The checkpoint holds a control character' };
  const size = parseDecimal(sizeText);
  if (size === undefined)
    return { problem: 'The second line of the checkpoint is not a tree size without leading zeroes' };
  const root = decodeBase64(rootText, HASH_BYTES);
  if (root === undefined)
    return { problem: 'The third line of the checkpoint is not the base64 of 32 bytes' };
  return { origin, size, root, extensions };
}

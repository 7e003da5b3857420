/**
 * Proof files (c2sp.org/tlog-proof@v1): an entry's index, its inclusion path and the checkpoint of the tree it leads to, in one
 * text that is verified offline. Ours carry the log entry as extra data, so that nothing else is needed.
 */
import { decodeBase64, encodeBase64 } from './base64.js';
import { parseCheckpoint } from './checkpoint.js';
import { parseDecimal } from './decimal.js';
import { NOTE_BYTES_MAX, type Problem, parseNote } from './note.js';
import { HASH_BYTES } from './tree.js';

const HEADER = 'c2sp.org/tlog-proof@v1';
/** Longest inclusion path of a tree with less than 2^63 leaves. */
export const PROOF_HASHES_MAX = 63;
/** Greatest length of a proof file: a note, the path, and as much extra data again. */
export const TLOG_PROOF_BYTES_MAX = 2 * NOTE_BYTES_MAX;

/** `index` counts from 0; `hashes` lead from the leaf's sibling to the root's child; `checkpoint` is the whole signed note. */
export interface TlogProof {
  /** Not authenticated by the format. Absent when there is none. */
  readonly extra?: Uint8Array;
  readonly index: number;
  readonly hashes: readonly Uint8Array[];
  readonly checkpoint: string;
}

/** Writes a proof file. Throws `RangeError` for what `parseTlogProof` would refuse. */
export function formatTlogProof(proof: TlogProof): string {
  const { extra, index, hashes, checkpoint } = proof;
  const lines = [HEADER];
  if (extra !== undefined && extra.length > 0) lines.push(`extra ${encodeBase64(extra)}`);
  lines.push(`index ${index}`, ...hashes.map(encodeBase64), '', checkpoint);
  const text = lines.join('\n');
  const parsed = parseTlogProof(text);
  if ('problem' in parsed) throw new RangeError(parsed.problem);
  return text;
}

/** Reads a proof file. Nothing is verified yet, except that its index lies in the checkpoint's tree. */
export function parseTlogProof(text: string): TlogProof | Problem {
  if (text.length > TLOG_PROOF_BYTES_MAX)
    return { problem: `The proof is larger than ${TLOG_PROOF_BYTES_MAX} bytes` };
  const split = text.indexOf('\n\n');
  if (split < 0) return { problem: 'The proof has no empty line in front of its checkpoint' };
  const lines = text.slice(0, split).split('\n');
  if (lines.shift() !== HEADER) return { problem: `The first line of the proof is not "${HEADER}"` };

  let extra: Uint8Array | undefined;
  if (lines[0]?.startsWith('extra ')) {
    extra = decodeBase64(lines.shift()!.slice('extra '.length));
    if (extra === undefined || extra.length === 0)
      return { problem: 'The extra data of the proof is not base64' };
  }
  const indexLine = lines.shift() ?? '';
  const index = indexLine.startsWith('index ') ? parseDecimal(indexLine.slice('index '.length)) : undefined;
  if (index === undefined) return { problem: 'The proof has no index without leading zeroes' };
  if (lines.length > PROOF_HASHES_MAX)
    return { problem: `The proof has more than ${PROOF_HASHES_MAX} hashes` };
  const hashes: Uint8Array[] = [];
  for (const [i, line] of lines.entries()) {
    const hash = decodeBase64(line, HASH_BYTES);
    if (hash === undefined) return { problem: `Hash ${i + 1} of the proof is not the base64 of 32 bytes` };
    hashes.push(hash);
  }

  const checkpoint = text.slice(split + 2);
  const note = parseNote(checkpoint);
  if ('problem' in note) return note;
  const head = parseCheckpoint(note.text);
  if ('problem' in head) return head;
  if (index >= head.size)
    return { problem: `Index ${index} does not lie in the checkpoint's tree of size ${head.size}` };
  return { ...(extra === undefined ? {} : { extra }), index, hashes, checkpoint };
}

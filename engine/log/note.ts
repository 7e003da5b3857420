/**
 * Signed notes (c2sp.org/signed-note): a text that ends in a newline, an empty line, and one line per signature,
 * `— <key name> <base64 of key ID and signature>`. Parsing is strict: what is accepted is formatted to the same bytes again.
 */
import { checkedUtf8Length, concatBytes, encodeUtf8, equalBytes, verifyStrict } from '../protocol/index.js';
import { decodeBase64, encodeBase64 } from './base64.js';
import { verifyCosignature } from './cosignature.js';
import {
  isKeyName,
  NOTE_COSIGNATURE,
  NOTE_ED25519,
  NOTE_KEY_ID_BYTES,
  noteKeyId,
  type VerifierKey,
} from './verifier-key.js';

/** Greatest size of a note in bytes. */
export const NOTE_BYTES_MAX = 1_000_000;
/** Greatest number of signatures of a note. */
export const NOTE_SIGNATURES_MAX = 64;

const SIGNATURE_LINE = /^— ([^ ]+) ([^ ]+)$/;

/** One signature line. `keyId` is `Uint8Array(4)`, `signature` the bytes behind it, whose form depends on the key's type. */
export interface NoteSignature {
  readonly name: string;
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

/** Why something could not be read or was refused, as a sentence for people. */
export interface Problem {
  readonly problem: string;
}

/** Joins text and signatures. Throws `RangeError` for what `parseNote` would refuse. */
export function formatNote(text: string, signatures: readonly NoteSignature[]): string {
  const lines = signatures.map(
    ({ name, keyId, signature }) => `— ${name} ${encodeBase64(concatBytes(keyId, signature))}\n`,
  );
  const note = `${text}\n${lines.join('')}`;
  const parsed = parseNote(note);
  if ('problem' in parsed) throw new RangeError(parsed.problem);
  if (parsed.text !== text || parsed.signatures.length !== signatures.length)
    throw new RangeError('The text of a note must end in a newline');
  return note;
}

/** Takes a note apart without verifying it: its text (with the final newline) is not to be believed yet. */
export function parseNote(note: string): { text: string; signatures: NoteSignature[] } | Problem {
  const fault = textFault(note);
  if (fault !== undefined) return { problem: fault };
  const split = note.lastIndexOf('\n\n');
  if (split < 0) return { problem: 'The note has no empty line between text and signatures' };
  if (!note.endsWith('\n')) return { problem: 'The note does not end in a newline' };
  const tail = note.slice(split + 2, -1);
  if (tail === '') return { problem: 'The note has no signatures' };
  const lines = tail.split('\n', NOTE_SIGNATURES_MAX + 1);
  if (lines.length > NOTE_SIGNATURES_MAX)
    return { problem: `The note has more than ${NOTE_SIGNATURES_MAX} signatures` };
  const signatures: NoteSignature[] = [];
  for (const [i, line] of lines.entries()) {
    const signature = parseSignatureLine(line);
    if (signature === undefined)
      return { problem: `Line ${i + 1} of the note's signatures is not "— name base64"` };
    signatures.push(signature);
  }
  return { text: note.slice(0, split + 1), signatures };
}

/** Reads one signature line (without its newline), as in a note or in a witness's answer. */
export function parseSignatureLine(line: string): NoteSignature | undefined {
  const [, name, encoded] = SIGNATURE_LINE.exec(line) ?? [];
  if (name === undefined || encoded === undefined || !isKeyName(name)) return undefined;
  const bytes = decodeBase64(encoded);
  if (bytes === undefined || bytes.length <= NOTE_KEY_ID_BYTES) return undefined;
  return { name, keyId: bytes.slice(0, NOTE_KEY_ID_BYTES), signature: bytes.slice(NOTE_KEY_ID_BYTES) };
}

/** Signs a text with an Ed25519 key (type 0x01). Throws `RangeError` when no note can have this text or key name. */
export function signNote(
  text: string,
  signer: { name: string; publicKey: Uint8Array; sign(message: Uint8Array): Uint8Array },
): NoteSignature {
  const fault = textFault(text) ?? (text.endsWith('\n') ? undefined : 'The text does not end in a newline');
  if (fault !== undefined) throw new RangeError(fault);
  if (!isKeyName(signer.name)) throw new RangeError(`not a key name: ${JSON.stringify(signer.name)}`);
  return {
    name: signer.name,
    keyId: noteKeyId(signer.name, NOTE_ED25519, signer.publicKey),
    signature: signer.sign(encodeUtf8(text)),
  };
}

/** A note that somebody known has signed. */
export interface VerifiedNote {
  readonly text: string;
  /** The keys with at least one good signature, each once, in the order of the note. */
  readonly verifiedBy: readonly VerifierKey[];
  /** The good signatures that are witness cosignatures, with their time in seconds. */
  readonly cosignatures: readonly { readonly key: VerifierKey; readonly timestamp: number }[];
  /** All signature lines, those of unknown keys included. */
  readonly signatures: readonly NoteSignature[];
}

/**
 * Opens a note: signatures of unknown keys are ignored; one bad signature of a known key refuses the whole note, and so does the
 * lack of any good one. A key is known when name and key ID match.
 */
export function verifyNote(note: string, keys: readonly VerifierKey[]): VerifiedNote | Problem {
  const parsed = parseNote(note);
  if ('problem' in parsed) return parsed;
  const { text, signatures } = parsed;
  const message = encodeUtf8(text);
  const verifiedBy: VerifierKey[] = [];
  const cosignatures: { key: VerifierKey; timestamp: number }[] = [];
  for (const signature of signatures) {
    const known = keys.filter(
      ({ name, keyId }) => name === signature.name && equalBytes(keyId, signature.keyId),
    );
    if (known.length === 0) continue;
    const key = known.find((candidate) => {
      if (candidate.type === NOTE_ED25519)
        return verifyStrict(signature.signature, message, candidate.publicKey);
      if (candidate.type !== NOTE_COSIGNATURE) return false;
      const timestamp = verifyCosignature(signature, text, candidate.publicKey);
      if (timestamp !== undefined) cosignatures.push({ key: candidate, timestamp });
      return timestamp !== undefined;
    });
    if (key === undefined) return { problem: `The signature of ${signature.name} is wrong` };
    if (!verifiedBy.includes(key)) verifiedBy.push(key);
  }
  if (verifiedBy.length === 0) return { problem: 'The note has no signature of a known key' };
  return { text, verifiedBy, cosignatures, signatures };
}

/** Why this cannot be (part of) a note: too long, not well-formed Unicode, or control characters other than newline. */
function textFault(text: string): string | undefined {
  if (text.length > NOTE_BYTES_MAX) return `The note is larger than ${NOTE_BYTES_MAX} bytes`;
  const bytes = checkedUtf8Length(text);
  if (bytes === -1) return 'The note holds a lone surrogate and is not valid Unicode';
  if (bytes > NOTE_BYTES_MAX) return `The note is larger than ${NOTE_BYTES_MAX} bytes`;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 && code !== 0x0a) return 'The note holds a control character';
  }
  return undefined;
}

/** The client's side of c2sp.org/tlog-witness: one submission of a checkpoint, and every way it can end. */
import { encodeBase64, parseNote, verifyCosignature } from '../log/index.js';
import { equalBytes } from '../protocol/index.js';
import type { Witness } from './witness-policy.js';

/** A witness answers within this time, or not at all. */
const TIMEOUT_MS = 10_000;
/** Longest answer that is read. */
const ANSWER_BYTES_MAX = 64 * 1024;
/** A cosignature's time may be this far outside of what our clock says, in seconds. */
const CLOCK_SKEW_MAX_SECS = 300;

/** A checkpoint with the proof that it continues what the witness has seen. */
export interface Submission {
  /** Size the witness last cosigned, 0 for none. */
  readonly oldSize: number;
  /** Consistency proof from that size. */
  readonly proof: readonly Uint8Array[];
  /** Text of the checkpoint. */
  readonly body: string;
  /** The whole note: text and the log's signature. */
  readonly note: string;
  /** When the checkpoint was made, seconds since 1970: nobody can have cosigned it earlier. */
  readonly issuedAt: number;
}

/** How a submission ended. `problem` is a sentence for the log. */
export type SubmissionOutcome =
  /** A verified cosignature: its line without newline, and its time in seconds. */
  | { readonly kind: 'cosigned'; readonly line: string; readonly timestamp: number }
  /** 409: the witness last cosigned this size. */
  | { readonly kind: 'conflict'; readonly size: number }
  /** 422: the consistency proof does not fit what the witness has seen. */
  | { readonly kind: 'inconsistent'; readonly problem: string }
  /** 404 or 403: the witness does not know the log, or not its key. */
  | { readonly kind: 'not-admitted'; readonly problem: string }
  /** Any other answer that does not follow the protocol. */
  | { readonly kind: 'bad-answer'; readonly problem: string }
  /** No answer. */
  | { readonly kind: 'unreachable'; readonly problem: string }
  /** Given up because the caller's signal fired. */
  | { readonly kind: 'aborted' };

const badAnswer = (problem: string): SubmissionOutcome => ({ kind: 'bad-answer', problem });

/** Submits a checkpoint and verifies the answer. Never throws. */
export async function submitCheckpoint(
  witness: Witness,
  submission: Submission,
  signal: AbortSignal,
  { timeoutMs = TIMEOUT_MS, now = Date.now }: { timeoutMs?: number; now?: () => number } = {},
): Promise<SubmissionOutcome> {
  const deadline = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(witness.address, {
      method: 'POST',
      body: formatSubmission(submission),
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      // A redirect would send the request to an address that nobody configured.
      redirect: 'manual',
      signal: AbortSignal.any([signal, deadline]),
    });
    const text = await readText(response, ANSWER_BYTES_MAX);
    if (text === undefined)
      return badAnswer(`the answer is longer than ${ANSWER_BYTES_MAX} bytes or is not UTF-8`);
    return judge(witness, submission, response, text, now());
  } catch (error) {
    if (signal.aborted) return { kind: 'aborted' };
    if (deadline.aborted) return { kind: 'unreachable', problem: `no answer within ${timeoutMs} ms` };
    return { kind: 'unreachable', problem: reasonOf(error) };
  }
}

/** Body of the request: old size, proof, empty line, note. */
function formatSubmission({ oldSize, proof, note }: Submission): string {
  return `old ${oldSize}\n${proof.map((hash) => `${encodeBase64(hash)}\n`).join('')}\n${note}`;
}

/** The body as text; undefined when it is too long, in which case the rest is not read, or not UTF-8. */
async function readText(response: Response, bytesMax: number): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop cancels the rest of the body and gives the connection up.
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > bytesMax) return undefined;
    chunks.push(chunk);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  } catch {
    return undefined;
  }
}

function judge(
  witness: Witness,
  submission: Submission,
  response: Response,
  text: string,
  nowMs: number,
): SubmissionOutcome {
  switch (response.status) {
    case 200:
      return findCosignature(witness, submission, text, nowMs);
    case 409:
      return readConflict(response, text);
    case 403:
      return { kind: 'not-admitted', problem: 'the witness does not trust the key that signed (403)' };
    case 404:
      return {
        kind: 'not-admitted',
        problem: 'the witness does not know this log, or the address is wrong (404)',
      };
    case 422:
      return { kind: 'inconsistent', problem: 'the witness refuses the consistency proof (422)' };
  }
  if (response.status >= 300 && response.status < 400)
    return badAnswer(`the witness redirects (${response.status}), which is not followed`);
  return badAnswer(`the witness answers with status ${response.status}`);
}

function readConflict(response: Response, text: string): SubmissionOutcome {
  const type = response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  const size = /^(?:0|[1-9]\d{0,15})\n$/.test(text) ? Number(text) : undefined;
  if (type !== 'text/x.tlog.size' || !Number.isSafeInteger(size))
    return badAnswer('the witness reports a conflict (409) without saying its size');
  return { kind: 'conflict', size: size! };
}

/** Lines of other keys are ignored; of the witness's key one line must be good and none may be bad. */
function findCosignature(
  { key }: Witness,
  { body, issuedAt }: Submission,
  text: string,
  nowMs: number,
): SubmissionOutcome {
  // With the checkpoint's text in front the lines are a note, and the note's strict parser applies.
  const note = parseNote(`${body}\n${text}`);
  if ('problem' in note || note.text !== body)
    return badAnswer('the answer is not a sequence of signature lines');
  const lines = text.split('\n');
  const own = note.signatures
    .map((signature, i) => ({ signature, line: lines[i]! }))
    .filter(({ signature: { name, keyId } }) => name === key.name && equalBytes(keyId, key.keyId));
  const timestamps = own.map(({ signature }) => verifyCosignature(signature, body, key.publicKey));
  if (own.length === 0) return badAnswer('the answer holds no signature of the witness');
  if (timestamps.includes(undefined)) return badAnswer("the witness's signature is wrong");
  const timestamp = timestamps[0]!;
  if (timestamp > nowMs / 1000 + CLOCK_SKEW_MAX_SECS)
    return badAnswer(`the cosignature's time lies in the future: ${timestamp}`);
  if (timestamp < issuedAt - CLOCK_SKEW_MAX_SECS)
    return badAnswer(`the cosignature's time lies before the checkpoint's: ${timestamp}`);
  return { kind: 'cosigned', line: own[0]!.line, timestamp };
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? message ?? String(error);
}

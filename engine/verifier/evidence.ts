/** What a file holds: the kinds of evidence, told apart by their content. */
import { type Problem, parseNote } from '../log/index.js';
import { isObject, type JsonObject } from './fields.js';

export type Evidence =
  /** Reply of `GET /api/v1/ves/events/:event_id`. */
  | { readonly kind: 'event'; readonly reply: JsonObject }
  /** An event as its agent signed it, without any receipt. */
  | { readonly kind: 'signed-event'; readonly envelope: unknown }
  /** Reply of `POST /api/v1/ves/events/ingest`, with the events of its request as far as they are known. */
  | { readonly kind: 'ingest'; readonly reply: JsonObject; readonly events: readonly unknown[] }
  | { readonly kind: 'tlog-proof'; readonly text: string }
  | { readonly kind: 'cose-receipt'; readonly bytes: Uint8Array }
  | { readonly kind: 'checkpoint'; readonly note: string }
  /** `{from, to, hashes}`; `notes` when the file holds the checkpoints as well. */
  | { readonly kind: 'consistency'; readonly proof: JsonObject; readonly notes: readonly string[] }
  | { readonly kind: JsonKind; readonly json: JsonObject };

/** Kinds that are one JSON object. */
type JsonKind =
  | 'inclusion'
  | 'notary-proof'
  | 'ves-proof'
  | 'ves-commitment'
  | 'legacy-proof'
  | 'legacy-commitment'
  | 'agent-keys';

/** Names of the kinds for people. */
export const KIND_NAMES: Readonly<Record<Evidence['kind'], string>> = {
  event: 'event with receipt',
  'signed-event': 'event without receipt',
  ingest: 'ingest reply with receipts',
  'tlog-proof': 'proof file of an entry',
  'cose-receipt': 'COSE receipt',
  checkpoint: 'checkpoint',
  consistency: 'consistency proof',
  inclusion: "proof of inclusion in a stream's log",
  'notary-proof': 'proof that the notary log covers a stream',
  'ves-proof': 'proof of inclusion in a VES commitment',
  'ves-commitment': 'VES commitment',
  'legacy-proof': 'proof of inclusion in a legacy commitment',
  'legacy-commitment': 'legacy commitment',
  'agent-keys': "directory of an agent's keys",
};

/** Decodes UTF-8 strictly; `undefined` when the bytes are none. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Tells what the bytes of a file are. A list of commitments or events is as many pieces of evidence. */
export function readEvidence(bytes: Uint8Array): Evidence[] | Problem {
  // COSE_Sign1: tag 18, array of four. Read as text it would be one letter of an extinct alphabet.
  if (bytes[0] === 0xd2 && bytes[1] === 0x84) return [{ kind: 'cose-receipt', bytes }];
  const text = decodeText(bytes);
  if (text === undefined) return { problem: 'It is neither text nor a COSE receipt' };
  if (text.startsWith('c2sp.org/tlog-proof@')) return [{ kind: 'tlog-proof', text }];
  if (/^\s*[{[]/.test(text)) return readJson(text);
  if (text.includes('\n\n— ') || !('problem' in parseNote(text))) return [{ kind: 'checkpoint', note: text }];
  return { problem: 'It is none of the kinds of evidence that can be verified (verify --help names them)' };
}

function readJson(text: string): Evidence[] | Problem {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return { problem: `It is not valid JSON: ${(error as Error).message}` };
  }
  if (!isObject(json)) return { problem: 'It is JSON, but not an object' };
  const list = 'receipts' in json ? undefined : [json.commitments, json.events].find(Array.isArray);
  if (list === undefined) return classify(json);
  if (list.length === 0) return { problem: 'Its list is empty' };
  const all = list.map((each: unknown) => (isObject(each) ? classify(each) : NOTHING));
  const bad = all.find((each) => 'problem' in each);
  return bad ?? (all as Evidence[][]).flat();
}

const NOTHING: Problem = { problem: 'It is JSON, but none of the kinds of evidence that can be verified' };

function classify(json: JsonObject): Evidence[] | Problem {
  const has = (...names: string[]) => names.every((name) => name in json);
  if (has('envelope') && (has('receipt') || has('group_receipt'))) return [{ kind: 'event', reply: json }];
  if (has('request', 'reply')) return readExchange(json);
  if (has('receipts') || has('groupReceipts')) return [{ kind: 'ingest', reply: json, events: [] }];
  if (has('merkle_root', 'proof_path')) return [{ kind: 'ves-proof', json }];
  if (has('events_root', 'proof_path')) return [{ kind: 'legacy-proof', json }];
  if (has('merkle_root', 'new_state_root')) return [{ kind: 'ves-commitment', json }];
  if (has('events_root', 'new_state_root')) return [readCommitment(json)];
  if (has('checkpoint_body', 'proof')) return [{ kind: 'notary-proof', json }];
  if (has('leaf_index', 'hashes', 'checkpoint')) return [{ kind: 'inclusion', json }];
  if (has('old', 'new', 'hashes')) return readBundle(json);
  if (has('from', 'to', 'hashes')) return [{ kind: 'consistency', proof: json, notes: [] }];
  if (has('directorySignature')) return [{ kind: 'agent-keys', json }];
  if (has('public_keys')) return { problem: "It lists the sequencer's keys: give it with --keys" };
  if (has('envelope')) return [{ kind: 'signed-event', envelope: json.envelope }];
  if (has('ves_version', 'event_id')) return [{ kind: 'signed-event', envelope: json }];
  if (has('payload_hash', 'event_id'))
    return {
      problem: 'It is an event of the older stream, which nobody signs: give it with --event, beside a proof',
    };
  if (has('error')) return { problem: `It is an error of the server: ${JSON.stringify(json.error)}` };
  return NOTHING;
}

/** The list for programs that anchor gives VES commitments the names of legacy ones; their roots are written with `0x`. */
function readCommitment(json: JsonObject): Evidence {
  const { events_root, event_count, ...rest } = json;
  return typeof events_root === 'string' && events_root.startsWith('0x')
    ? { kind: 'ves-commitment', json: { ...rest, merkle_root: events_root, leaf_count: event_count } }
    : { kind: 'legacy-commitment', json };
}

/** `{request: {events}, reply}`: an ingest request and its reply in one file. */
function readExchange({ request, reply }: JsonObject): Evidence[] | Problem {
  const events = isObject(request) ? request.events : undefined;
  if (!Array.isArray(events) || !isObject(reply))
    return { problem: 'Its request has no list of events, or its reply is no object' };
  return [{ kind: 'ingest', reply, events }];
}

/** `{old, new, hashes}`: two checkpoints and the proof between them. */
function readBundle(json: JsonObject): Evidence[] | Problem {
  const { old, new: newer } = json;
  if (typeof old !== 'string' || typeof newer !== 'string')
    return { problem: 'Its "old" and "new" are not the texts of checkpoints' };
  return [{ kind: 'consistency', proof: json, notes: [old, newer] }];
}

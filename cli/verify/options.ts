/** The options of `verify`, checked. What is wrong with them is said before anything is read. */
import {
  NOTE_COSIGNATURE,
  type Problem,
  parseVerifierKey,
  type VerifierKey,
} from '../../engine/log/index.js';
import { checkPublicKey, decodeHex, encodeHex } from '../../engine/protocol/index.js';

/** As commander gives them. */
export interface VerifyOptions {
  readonly keys?: string;
  readonly publicKey: readonly string[];
  readonly agentKey: readonly string[];
  readonly agentKeys?: string;
  readonly witness: readonly string[];
  readonly quorum?: string;
  readonly event: readonly string[];
  readonly root: readonly string[];
  readonly origin?: string;
  readonly apiKey?: string;
  readonly json?: boolean;
}

/** Keys, witnesses and roots that stand on the command line. */
export interface ParsedOptions {
  readonly publicKeys: readonly Uint8Array[];
  readonly agentKeys: readonly Uint8Array[];
  readonly witnesses: readonly VerifierKey[];
  readonly quorum: number;
  readonly roots: readonly Uint8Array[];
}

export function parseOptions(options: VerifyOptions): ParsedOptions | Problem {
  const publicKeys = options.publicKey.map(readKey);
  const agentKeys = options.agentKey.map(readKey);
  const roots = options.root.map((text) => decodeHex(text, 32));
  const witnesses = options.witness.map(readWitness);
  if (!areRead(publicKeys))
    return { problem: '--public-key takes the 64 hex digits of an Ed25519 public key' };
  if (!areRead(agentKeys)) return { problem: '--agent-key takes the 64 hex digits of an Ed25519 public key' };
  if (!areRead(roots)) return { problem: '--root takes 64 hex digits' };
  if (!areRead(witnesses))
    return { problem: '--witness takes the verifier key of a witness: name+key id+base64 of type 4 and key' };
  if (new Set(witnesses.map((witness) => encodeHex(witness!.publicKey))).size < witnesses.length)
    return { problem: '--witness names a key twice: a witness counts once' };
  if (options.origin === '' || options.origin?.endsWith('/'))
    return { problem: '--origin takes an origin, without a slash at its end' };
  const quorum = options.quorum === undefined ? witnesses.length : Number(options.quorum);
  if (options.quorum !== undefined && (!/^[1-9]\d{0,5}$/.test(options.quorum) || quorum > witnesses.length))
    return { problem: '--quorum takes a number from 1 to the number of witnesses (--witness)' };
  return { publicKeys, agentKeys, witnesses, quorum, roots };
}

function areRead<T>(list: readonly (T | undefined)[]): list is readonly T[] {
  return !list.includes(undefined);
}

function readKey(text: string): Uint8Array | undefined {
  const key = decodeHex(text, 32);
  return key !== undefined && checkPublicKey(key) === 'ok' ? key : undefined;
}

function readWitness(text: string): VerifierKey | undefined {
  const key = parseVerifierKey(text);
  return key?.type === NOTE_COSIGNATURE && checkPublicKey(key.publicKey) === 'ok' ? key : undefined;
}

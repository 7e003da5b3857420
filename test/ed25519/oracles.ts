/** Independent implementations of the rule in engine/protocol/ed25519.ts: OpenSSL through Node, libsodium, noble. */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import sodium from 'sodium-native';
import { checkPublicKey, checkSignatureShape, createVerifier } from '../../engine/protocol/index.js';

export type Verdict = (message: Uint8Array, signature: Uint8Array) => boolean;

/** What the oracles know about one key. */
export interface JudgedKey {
  /** Whether the rule admits the key, by noble's arithmetic. */
  readonly usable: boolean;
  /** The same by libsodium, which knows no reasons. */
  readonly usableBySodium: boolean;
  /** OpenSSL behind the checks that need no curve arithmetic. */
  readonly native: Verdict;
  /** BigInt arithmetic: a millisecond each. */
  readonly portable: Verdict;
}

const NEVER: Verdict = () => false;
/** SubjectPublicKeyInfo of Ed25519 up to the key (RFC 8410). */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

/** Oracles of one public key. Costs two milliseconds: keep them. */
export function judgeKey(publicKey: Uint8Array): JudgedKey {
  const usable = checkPublicKey(publicKey) === 'ok';
  return {
    usable,
    usableBySodium: isValidPoint(publicKey),
    native: usable ? nativeVerdict(publicKey) : NEVER,
    portable: createVerifier(publicKey) === undefined ? NEVER : portableVerdict(publicKey),
  };
}

/** Oracles by key, at most `max` at a time. */
export function createJudge(max = 4096): (publicKey: Uint8Array) => JudgedKey {
  const known = new Map<string, JudgedKey>();
  return (publicKey) => {
    const name = Buffer.from(publicKey).toString('latin1');
    let judged = known.get(name);
    if (judged === undefined) {
      judged = judgeKey(publicKey);
      if (known.size >= max) known.clear();
      known.set(name, judged);
    }
    return judged;
  };
}

function nativeVerdict(publicKey: Uint8Array): Verdict {
  const key: KeyObject = createPublicKey({
    key: Buffer.concat([SPKI_HEAD, publicKey]),
    format: 'der',
    type: 'spki',
  });
  return (message, signature) => checkSignatureShape(signature) && verify(null, message, key, signature);
}

function portableVerdict(publicKey: Uint8Array): Verdict {
  const check = createVerifier(publicKey)!;
  return (message, signature) => check(signature, message);
}

/** Canonical, on the curve, in the subgroup of prime order and not its neutral element: libsodium decides as we do. */
function isValidPoint(publicKey: Uint8Array): boolean {
  return publicKey.length === 32 && sodium.crypto_core_ed25519_is_valid_point(Buffer.from(publicKey));
}

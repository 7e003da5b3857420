import { concatBytes } from './bytes.js';
import { DOMAIN } from './domains.js';
import { signEd25519, verifyStrict } from './ed25519.js';
import { portableSha256, type Sha256 } from './sha256.js';

/** Algorithm numbers of agent keys on the wire; 0 (unspecified) is stored as 1. */
export const KEY_ALGORITHM = {
  unspecified: 0,
  ed25519: 1,
  x25519: 2,
  mlDsa65: 3,
  mlKem768: 4,
  ed25519MlDsa65: 5,
  x25519MlKem768: 6,
} as const;

/** Signature schemes of envelopes and receipts on the wire; 0 (unspecified) means Ed25519. */
export const SIGNATURE_SCHEME = { unspecified: 0, ed25519: 1, mlDsa65: 2, ed25519MlDsa65: 3 } as const;

const KEY_ALGORITHM_NAMES = [
  'unspecified',
  'Ed25519',
  'X25519',
  'ML-DSA-65',
  'ML-KEM-768',
  'Ed25519+ML-DSA-65',
  'X25519+ML-KEM-768',
];

const UNSUPPORTED = 'Post-quantum signatures are not supported by this server yet:';

/** The algorithm a registration asks for: absent, 0 and unknown numbers mean Ed25519. */
export function normalizeKeyAlgorithm(algorithm: number | undefined): number {
  const known = algorithm !== undefined && algorithm > 0 && algorithm < KEY_ALGORITHM_NAMES.length;
  return known ? algorithm : KEY_ALGORITHM.ed25519;
}

/** The scheme an envelope asks for: absent and unknown numbers count as 0. */
export function normalizeSignatureScheme(scheme: number | undefined): number {
  return scheme === 1 || scheme === 2 || scheme === 3 ? scheme : SIGNATURE_SCHEME.unspecified;
}

/** Why a key of this (normalised) algorithm cannot be registered as a signing key, or `undefined` if it can. */
export function refuseKeyAlgorithm(algorithm: number): string | undefined {
  if (algorithm === KEY_ALGORITHM.unspecified || algorithm === KEY_ALGORITHM.ed25519) return undefined;
  const name = KEY_ALGORITHM_NAMES[algorithm] ?? 'unknown';
  if (algorithm === KEY_ALGORITHM.x25519)
    return `Key algorithm 2 (${name}) cannot sign; register an Ed25519 key`;
  return `${UNSUPPORTED} key algorithm ${algorithm} (${name}); register an Ed25519 key`;
}

/** Why an event of this (normalised) scheme cannot be verified, or `undefined` if it can. */
export function refuseSignatureScheme(scheme: number): string | undefined {
  if (scheme === SIGNATURE_SCHEME.unspecified || scheme === SIGNATURE_SCHEME.ed25519) return undefined;
  const name = scheme === SIGNATURE_SCHEME.mlDsa65 ? 'ML-DSA-65' : 'Ed25519+ML-DSA-65';
  return `${UNSUPPORTED} scheme ${scheme} (${name}); sign with Ed25519`;
}

/** `SHA-256("VES_POP_V1" || public key)`: the 32 bytes whose signature proves that the registrant holds the key. */
export function proofOfPossessionChallenge(
  publicKey: Uint8Array,
  sha256: Sha256 = portableSha256,
): Uint8Array {
  return sha256(concatBytes(DOMAIN.proofOfPossession, publicKey));
}

/** Makes an Ed25519 proof of possession from the key's seed. */
export function signProofOfPossession(publicKey: Uint8Array, seed: Uint8Array): Uint8Array {
  return signEd25519(proofOfPossessionChallenge(publicKey), seed);
}

/** Checks an Ed25519 proof of possession (64 bytes), strictly. */
export function verifyProofOfPossession(publicKey: Uint8Array, proof: Uint8Array): boolean {
  return verifyStrict(proof, proofOfPossessionChallenge(publicKey), publicKey);
}

/** A key's life as stored. Instants are microseconds since the epoch; `null` means unbounded or not set. */
export type KeyValidity = {
  status: 'active' | 'revoked' | 'expired';
  validFromMicros: number | bigint | null;
  validToMicros: number | bigint | null;
  revokedAtMicros: number | bigint | null;
};

export type KeyStatus = 'active' | 'not_yet_valid' | 'expired' | 'revoked';

/**
 * The key's status at an instant (the server's clock when it validates, not the event's `created_at`). Both bounds of
 * the validity are inclusive. A stored `expired` does not count: expiry follows from `validTo` alone.
 */
export function keyStatusAt(key: KeyValidity, nowMicros: number | bigint): KeyStatus {
  if (key.status === 'revoked') return 'revoked';
  if (key.validFromMicros !== null && nowMicros < key.validFromMicros) return 'not_yet_valid';
  if (key.validToMicros !== null && nowMicros > key.validToMicros) return 'expired';
  if (key.revokedAtMicros !== null && nowMicros >= key.revokedAtMicros) return 'revoked';
  return 'active';
}

/** Texts of the rejections `agent_key_invalid: <text>`. */
export const KEY_INVALID_TEXT: Record<Exclude<KeyStatus, 'active'> | 'not_found', string> = {
  not_found: 'Agent key not found',
  revoked: 'Agent key has been revoked',
  expired: 'Agent key has expired',
  not_yet_valid: 'Agent key is not yet valid',
};

import { concatBytes, decodeHex, encodeHex, encodeUtf8 } from './bytes.js';
import { DOMAIN } from './domains.js';
import { signEd25519, verifyStrict } from './ed25519.js';
import { canonicalize } from './jcs.js';
import { JcsError } from './jcs-fault.js';
import { parseInstant } from './rfc3339.js';
import { portableSha256, type Sha256 } from './sha256.js';

/** One signing key of an agent, as listed; revoked and expired keys are listed too. Instants are RFC 3339 or null. */
export type KeyDirectoryEntry = {
  keyId: number;
  algorithm: 'ed25519';
  /** `0x` and lower-case hex. */
  publicKey: string;
  publicKeyBundle: Record<string, string> | null;
  validFrom: string | null;
  validTo: string | null;
  revokedAt: string | null;
};

/** What the sequencer signs: all signing keys of one agent at one instant. */
export type KeyDirectoryBody = {
  agentId: string;
  tenantId: string;
  keys: KeyDirectoryEntry[];
  signedAt: string;
};

/** The signed directory; `directorySignature` is `0x` and lower-case hex. */
export type KeyDirectory = KeyDirectoryBody & { directorySignature: string };

/** A directory older than this is refused, in seconds. */
export const KEY_DIRECTORY_AGE_MAX_SECS = 86_400;
/** Tolerated clock difference into the future, in seconds. */
export const KEY_DIRECTORY_SKEW_MAX_SECS = 300;

/** `SHA-256("VES_KEYDIR_V1" || JCS(body without directorySignature))`. @returns `Uint8Array(32)` */
export function keyDirectoryHash(body: KeyDirectoryBody, sha256: Sha256 = portableSha256): Uint8Array {
  const { directorySignature: _, ...signed } = body as KeyDirectoryBody & { directorySignature?: string };
  return sha256(concatBytes(DOMAIN.keyDirectory, encodeUtf8(canonicalize(signed))));
}

/** Signs a directory with the sequencer's 32-byte seed. */
export function signKeyDirectory(body: KeyDirectoryBody, sequencerSeed: Uint8Array): KeyDirectory {
  return {
    ...body,
    directorySignature: `0x${encodeHex(signEd25519(keyDirectoryHash(body), sequencerSeed))}`,
  };
}

export type KeyDirectoryVerdict =
  | 'ok'
  | 'malformed'
  | 'wrong_agent'
  | 'stale'
  | 'in_future'
  | 'bad_signature';

/**
 * Checks a directory: about the agent asked for, recent, and signed by the sequencer.
 *
 * @param expected ids exactly as the directory prints them (lower-case hyphenated)
 */
export function verifyKeyDirectory(
  directory: KeyDirectory,
  expected: { agentId: string; tenantId: string; nowMicros: bigint },
  sequencerPublicKey: Uint8Array,
): KeyDirectoryVerdict {
  const { agentId, tenantId, signedAt, directorySignature } = directory;
  if (typeof directorySignature !== 'string' || typeof signedAt !== 'string') return 'malformed';
  const signature = decodeHex(directorySignature, 64);
  const signedAtMicros = parseInstant(signedAt);
  if (signature === undefined || signedAtMicros === undefined) return 'malformed';
  if (agentId !== expected.agentId || tenantId !== expected.tenantId) return 'wrong_agent';
  const ageMicros = expected.nowMicros - signedAtMicros;
  if (ageMicros > BigInt(KEY_DIRECTORY_AGE_MAX_SECS) * 1_000_000n) return 'stale';
  if (-ageMicros > BigInt(KEY_DIRECTORY_SKEW_MAX_SECS) * 1_000_000n) return 'in_future';
  const hash = hashOrUndefined(directory);
  if (hash === undefined) return 'malformed';
  return verifyStrict(signature, hash, sequencerPublicKey) ? 'ok' : 'bad_signature';
}

function hashOrUndefined(directory: KeyDirectory): Uint8Array | undefined {
  try {
    return keyDirectoryHash(directory);
  } catch (error) {
    if (error instanceof JcsError) return undefined;
    throw error;
  }
}

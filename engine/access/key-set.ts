/**
 * The public keys of a token issuer (a JWK Set, RFC 7517 section 5), from a URL or a file. They are loaded at the start and again when
 * they are old or a token names a key that is not among them, but never more often than the minimum interval: whoever sends tokens
 * with invented key ids makes no traffic.
 */
import { type CryptoKey, importJWK, type JWK } from 'jose';
import { ServiceError } from '../errors/index.js';

/** Signature algorithms taken with keys of a set; HMAC is not among them, so that no public key can ever be used as a secret. */
const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const;
export type KeySetAlgorithm = (typeof ALGORITHMS)[number];

export interface IssuerKey {
  readonly algorithm: KeySetAlgorithm;
  readonly key: CryptoKey;
}

export interface KeySetOptions {
  /** Reads the set; rejects when it cannot be had. */
  readonly load: () => Promise<unknown>;
  /** Least time between two loads. */
  readonly intervalMinMs: number;
  /** Age at which the set is loaded again although nothing is missing. */
  readonly ageMaxMs: number;
  /** Age at which keys are no longer trusted although newer ones cannot be had. */
  readonly staleMaxMs: number;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
  /** A key has gone or changed: what was accepted with it must be looked at again. */
  readonly onChange: () => void;
  readonly onError: (error: unknown) => void;
}

export interface KeySet {
  /**
   * The key with this id; `undefined` if the issuer has no such key.
   *
   * @throws ServiceError SERVICE_UNAVAILABLE when no set could be loaded
   */
  find(keyId: string, algorithm: string): Promise<IssuerKey | undefined>;
  /** Loads the set again if it is old; tells nobody about failures but `onError`. */
  refresh(): Promise<void>;
}

const KEYS_MAX = 100;
const RSA_BITS_MIN = 2048;

export function createKeySet(options: KeySetOptions): KeySet {
  const { load, intervalMinMs, ageMaxMs, staleMaxMs, now, onChange, onError } = options;
  let keys: ReadonlyMap<string, IssuerKey> = new Map();
  let fingerprint = '';
  let loadedAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  let loading: Promise<void> | undefined;

  async function reload(): Promise<void> {
    try {
      const set = await readSet(await load());
      const changed = fingerprint !== '' && fingerprint !== set.fingerprint;
      ({ keys, fingerprint } = set);
      loadedAt = now();
      if (changed) onChange();
    } catch (error) {
      onError(error);
    }
  }

  /** At most one load at a time, and none within the interval. */
  function reloadIfDue(): Promise<void> {
    if (loading !== undefined) return loading;
    if (now() - triedAt < intervalMinMs) return Promise.resolve();
    triedAt = now();
    loading = reload().finally(() => {
      loading = undefined;
    });
    return loading;
  }

  return {
    async find(keyId, algorithm) {
      const name = keyName(keyId, algorithm);
      if (now() - loadedAt >= ageMaxMs) await reloadIfDue();
      if (!keys.has(name)) await reloadIfDue();
      if (now() - loadedAt >= staleMaxMs)
        throw new ServiceError(
          'SERVICE_UNAVAILABLE',
          'The keys of the token issuer cannot be had; try again shortly',
        );
      return keys.get(name);
    },
    refresh: () => (now() - loadedAt >= ageMaxMs ? reloadIfDue() : Promise.resolve()),
  };
}

const keyName = (keyId: string, algorithm: string): string => `${algorithm} ${keyId}`;

async function readSet(
  value: unknown,
): Promise<{ keys: ReadonlyMap<string, IssuerKey>; fingerprint: string }> {
  const list = (value as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(list)) throw new Error('a JWK Set has a member keys, which is a list');
  if (list.length > KEYS_MAX) throw new Error(`a JWK Set of more than ${KEYS_MAX} keys is not read`);
  const keys = new Map<string, IssuerKey>();
  for (const jwk of list as readonly JWK[]) {
    const algorithm = algorithmOf(jwk);
    if (algorithm === undefined || typeof jwk.kid !== 'string') continue; // other uses of the set are none of our business
    const key = await importJWK(publicPart(jwk), algorithm).catch(() => undefined);
    if (key === undefined || key instanceof Uint8Array || !isStrong(key)) continue;
    const name = keyName(jwk.kid, algorithm);
    if (keys.has(name))
      throw new Error(`a JWK Set must not have two keys with the id ${JSON.stringify(jwk.kid)}`);
    keys.set(name, { algorithm, key });
  }
  return { keys, fingerprint: JSON.stringify(list) };
}

/** What a key may sign with; `undefined` for keys that are not for signatures, and for symmetric ones. */
function algorithmOf(jwk: JWK): KeySetAlgorithm | undefined {
  if (typeof jwk !== 'object' || jwk === null) return undefined;
  if (jwk.use !== undefined && jwk.use !== 'sig') return undefined;
  if (Array.isArray(jwk.key_ops) && !jwk.key_ops.includes('verify')) return undefined;
  const byType =
    jwk.kty === 'RSA'
      ? 'RS256'
      : jwk.kty === 'EC' && jwk.crv === 'P-256'
        ? 'ES256'
        : jwk.kty === 'OKP' && jwk.crv === 'Ed25519'
          ? 'EdDSA'
          : undefined;
  const named = jwk.alg === 'Ed25519' ? 'EdDSA' : jwk.alg;
  return named === undefined || named === byType ? byType : undefined;
}

/** Whoever publishes a private key by mistake must not have us sign with it. */
function publicPart({ kty, crv, x, y, n, e, kid }: JWK): JWK {
  const members = { kty, crv, x, y, n, e, kid };
  return Object.fromEntries(Object.entries(members).filter(([, member]) => member !== undefined)) as JWK;
}

function isStrong(key: CryptoKey): boolean {
  const { modulusLength } = key.algorithm as { modulusLength?: number };
  return modulusLength === undefined || modulusLength >= RSA_BITS_MIN;
}

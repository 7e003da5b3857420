/**
 * JSON Web Tokens (RFC 7519) in compact form. Two families that never meet: HS256/384/512 under the shared secret, RS256/ES256/EdDSA
 * under a key of the issuer's set. The header's algorithm chooses the family, and the family fixes which keys can be used: a token
 * signed with a public key as HMAC secret finds no such key, and `none` belongs to no family (RFC 8725 section 3.1).
 */
import { createSecretKey } from 'node:crypto';
import { type CryptoKey, compactVerify, decodeProtectedHeader, errors, type KeyObject } from 'jose';
import { ServiceError } from '../errors/index.js';
import type { KeySet } from './key-set.js';
import { readClaims, type TokenGrant, type TokenRules } from './token-claims.js';

/** Longer tokens are refused unread. */
export const TOKEN_CHARACTERS_MAX = 8192;

const SECRET_ALGORITHMS: readonly string[] = ['HS256', 'HS384', 'HS512'];
const KEY_SET_ALGORITHMS: readonly string[] = ['RS256', 'ES256', 'EdDSA'];
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const KEY_ID_CHARACTERS_MAX = 256;

export interface TokenVerifierOptions extends TokenRules {
  /** Unset: tokens under a secret are refused. */
  readonly secret: string | undefined;
  /** Unset: tokens under a key are refused. */
  readonly keySet: KeySet | undefined;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
}

/** Answers what a token grants. Rejects with ServiceError INVALID_TOKEN, TOKEN_EXPIRED or SERVICE_UNAVAILABLE. */
export type TokenVerifier = (token: string) => Promise<TokenGrant>;

const refuse = (message: string): never => {
  throw new ServiceError('INVALID_TOKEN', message);
};

export function createTokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  const { keySet, nowMs } = options;
  const secret =
    options.secret === undefined ? undefined : createSecretKey(Buffer.from(options.secret, 'utf8'));

  async function keyFor(token: string): Promise<{ key: CryptoKey | KeyObject; algorithm: string }> {
    const { alg, kid } = headerOf(token);
    if (typeof alg === 'string' && SECRET_ALGORITHMS.includes(alg) && secret !== undefined)
      return { key: secret, algorithm: alg };
    if (typeof alg === 'string' && KEY_SET_ALGORITHMS.includes(alg) && keySet !== undefined) {
      if (typeof kid !== 'string' || kid.length > KEY_ID_CHARACTERS_MAX)
        return refuse('The token names no key (kid)');
      const found = await keySet.find(kid, alg);
      return found ?? refuse('The token names a key that its issuer does not have');
    }
    return refuse('The token’s signature algorithm is not accepted by this server');
  }

  return async (token) => {
    if (token.length > TOKEN_CHARACTERS_MAX) refuse(`A token has at most ${TOKEN_CHARACTERS_MAX} characters`);
    if (!COMPACT.test(token)) refuse('The token is not a signed JWT in compact form');
    const { key, algorithm } = await keyFor(token);
    const claims = await verified(token, key, algorithm);
    const verdict = readClaims(claims, options, nowMs());
    if (verdict.ok) return verdict.grant;
    throw new ServiceError(verdict.expired ? 'TOKEN_EXPIRED' : 'INVALID_TOKEN', verdict.message);
  };
}

function headerOf(token: string): { alg?: unknown; kid?: unknown } {
  try {
    return decodeProtectedHeader(token);
  } catch {
    return refuse('The token’s header cannot be read');
  }
}

async function verified(
  token: string,
  key: CryptoKey | KeyObject,
  algorithm: string,
): Promise<Record<string, unknown>> {
  try {
    const { payload } = await compactVerify(token, key, { algorithms: [algorithm] });
    const claims: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
    if (typeof claims === 'object' && claims !== null && !Array.isArray(claims))
      return claims as Record<string, unknown>;
  } catch (cause) {
    if (!(cause instanceof errors.JOSEError || cause instanceof SyntaxError || cause instanceof TypeError))
      throw cause;
  }
  return refuse('The token’s signature does not hold, or its claims cannot be read');
}

import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import {
  createKeySet,
  createTokenVerifier,
  fetchKeySet,
  type KeySet,
  readKeySetFile,
  type TokenGrant,
} from '../../engine/access/index.js';
import type { Config } from '../../engine/config/index.js';
import { ServiceError } from '../../engine/errors/index.js';
import { type AuthContext, authContext } from './context.js';
import type { OnTrouble, Validator } from './validator.js';

/** Accepted tokens remembered, by hash: the token itself is not kept. */
const ENTRIES_MAX = 10_000;
const STALE_MAX_MS = 24 * 3_600_000;
const FROM_URL = { intervalMinMs: 10_000, ageMaxMs: 300_000, staleMaxMs: STALE_MAX_MS };
const FROM_FILE = { intervalMinMs: 1000, ageMaxMs: 10_000, staleMaxMs: STALE_MAX_MS };

/** `Bearer` tokens. A token that was accepted is known until it expires or the issuer's keys change. */
export function createTokenValidator(config: Config['auth']['tokens'], onTrouble: OnTrouble): Validator {
  const accepted = new LRUCache<string, AuthContext>({ max: ENTRIES_MAX });
  /** Counts changes of the issuer's keys: what was verified under the old ones must not be remembered. */
  let changes = 0;
  const keySet = openKeySet(config, onTrouble, () => {
    changes++;
    accepted.clear();
  });
  void keySet?.refresh();
  const enabled = config.secret !== undefined || keySet !== undefined;
  const verify = createTokenVerifier({ ...config, keySet, nowMs: Date.now });

  async function check(token: string, hash: string): Promise<AuthContext> {
    const before = changes;
    const auth = contextOf(await verify(token));
    if (before === changes) accepted.set(hash, auth);
    return auth;
  }

  return {
    validate(credentials) {
      if (credentials.kind !== 'token') return undefined;
      if (!enabled)
        throw new ServiceError(
          'INVALID_TOKEN',
          'JWT credentials are not enabled on this server; send an API key as `Authorization: ApiKey <key>`',
        );
      void keySet?.refresh();
      const hash = createHash('sha256').update(credentials.token).digest('base64');
      const known = accepted.get(hash);
      if (known === undefined) return check(credentials.token, hash);
      if (Date.now() >= known.expiresAtMs!) {
        accepted.delete(hash);
        throw new ServiceError('TOKEN_EXPIRED');
      }
      return known;
    },
  };
}

function openKeySet(
  { keySetUrl, keySetFile }: Config['auth']['tokens'],
  onTrouble: OnTrouble,
  onChange: () => void,
): KeySet | undefined {
  const common = {
    now: () => performance.now(),
    onChange,
    onError: (error: unknown) => onTrouble(error, 'cannot load the keys of the token issuer'),
  };
  if (keySetUrl !== undefined)
    return createKeySet({ ...FROM_URL, ...common, load: () => fetchKeySet(keySetUrl) });
  if (keySetFile !== undefined)
    return createKeySet({ ...FROM_FILE, ...common, load: () => readKeySetFile(keySetFile) });
  return undefined;
}

const contextOf = (grant: TokenGrant): AuthContext =>
  authContext({
    tenant: grant.tenantId,
    stores: grant.storeIds,
    agent: grant.agentId,
    canRead: grant.canRead,
    canWrite: grant.canWrite,
    canAdmin: grant.canAdmin,
    rateLimit: null,
    rateCaller: `${grant.tenantId}/${grant.agentId ?? ''}`,
    expiresAtMs: grant.expiresAtMs,
  });

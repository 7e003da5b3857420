import { ServiceError } from '../../engine/errors/index.js';
import { API_KEY_PREFIX, findApiKey, hashApiKey } from '../../engine/keys/api-keys.js';
import { openChangeFeed } from '../../engine/store/change-feed.js';
import type { Sql } from '../../engine/store/connection.js';
import { type AuthContext, authContext } from './context.js';
import { createCredentialCache } from './credential-cache.js';
import { type OnTrouble, unavailable, type Validator } from './validator.js';

/** API keys of the `api_keys` table; keys that change anywhere are forgotten within a second. */
export function createApiKeyValidator(sql: Sql, options: { ttlMs: number; onTrouble: OnTrouble }): Validator {
  const cache = createCredentialCache<AuthContext>({
    ttlMs: options.ttlMs,
    trusted: () => feed.alive(),
    load: (keyHash) => loadContext(sql, keyHash),
    now: () => performance.now(),
  });
  const feed = openChangeFeed(sql, 'api_keys', {
    onChange: cache.forget,
    onGap: cache.forgetAll,
    onError: (error) =>
      options.onTrouble(error, 'cannot listen for changes of API keys; cached ones are trusted briefly'),
  });
  return {
    validate(credentials) {
      if (credentials.kind !== 'api-key') return undefined;
      if (!credentials.key.startsWith(API_KEY_PREFIX)) throw new ServiceError('INVALID_API_KEY');
      const found = cache.get(hashApiKey(credentials.key));
      return found instanceof Promise ? found.then(orRefuse, unavailable) : orRefuse(found);
    },
    close: feed.close,
  };
}

/** Unknown, revoked and expired keys are told the same (no oracle); all of them are looked up the same way. */
function orRefuse(auth: AuthContext | undefined): AuthContext {
  if (auth === undefined || (auth.expiresAtMs !== null && Date.now() >= auth.expiresAtMs))
    throw new ServiceError('INVALID_API_KEY');
  return auth;
}

async function loadContext(sql: Sql, keyHash: string): Promise<AuthContext | undefined> {
  const key = await findApiKey(sql, keyHash);
  if (key === undefined || !key.active) return undefined;
  return authContext({
    tenant: key.tenantId,
    stores: key.storeIds,
    agent: key.agentId,
    canRead: key.canRead,
    canWrite: key.canWrite,
    canAdmin: key.canAdmin,
    rateLimit: key.rateLimit,
    rateCaller: key.agentId === null ? keyHash : `${key.tenantId}/${key.agentId}`,
    expiresAtMs: key.expiresAtMs,
  });
}

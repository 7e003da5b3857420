import { createHash, timingSafeEqual } from 'node:crypto';
import type { Config } from '../../engine/config/index.js';
import { ServiceError } from '../../engine/errors/index.js';
import { API_KEY_PREFIX, findApiKey, hashApiKey } from '../../engine/keys/api-keys.js';
import { openChangeFeed } from '../../engine/store/change-feed.js';
import type { Sql } from '../../engine/store/connection.js';
import { createApiKeyCache } from './api-key-cache.js';
import { ANONYMOUS_CONTEXT, type AuthContext, authContext, BOOTSTRAP_CONTEXT } from './context.js';
import { readCredentials } from './credentials.js';

/** Longer keys are refused unread. */
const KEY_LENGTH_MAX = 512;

/** Decides who is calling. */
export interface Authenticator {
  /**
   * At once for keys in the cache, otherwise after a lookup. Throws or rejects with ServiceError AUTH_REQUIRED,
   * INVALID_API_KEY, INVALID_TOKEN or SERVICE_UNAVAILABLE.
   *
   * @param required unset: yes; otherwise a request without credentials is nobody's, not refused
   */
  authenticate(authorization: string, apiKey: string, required?: boolean): AuthContext | Promise<AuthContext>;
  close(): Promise<void>;
}

const invalidKey = () => new ServiceError('INVALID_API_KEY');
const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** An authenticator on the `api_keys` table; keys that change anywhere are forgotten within a second. */
export function createAuthenticator(
  config: Config['auth'],
  sql: Sql,
  onError: (error: unknown, what: string) => void,
): Authenticator {
  const bootstrapHash =
    config.bootstrapAdminApiKey === undefined ? undefined : sha256(config.bootstrapAdminApiKey);
  const cache = createApiKeyCache({
    ttlMs: config.apiKeyCacheTtlMs,
    trusted: () => feed.alive(),
    load: (keyHash) => loadContext(sql, keyHash),
    now: () => performance.now(),
  });
  const feed = openChangeFeed(sql, 'api_keys', {
    onChange: cache.forget,
    onGap: cache.forgetAll,
    onError: (error) =>
      onError(error, 'cannot listen for changes of API keys; cached ones are trusted briefly'),
  });

  /** Compares digests, so that neither time nor length tells anything about the configured key. */
  const isBootstrapKey = (key: string) =>
    bootstrapHash !== undefined && timingSafeEqual(sha256(key), bootstrapHash);

  function byApiKey(key: string): AuthContext | Promise<AuthContext> {
    if (key.length > KEY_LENGTH_MAX) throw invalidKey();
    if (isBootstrapKey(key)) return BOOTSTRAP_CONTEXT;
    if (!key.startsWith(API_KEY_PREFIX)) throw invalidKey();
    const found = cache.get(hashApiKey(key));
    if (found instanceof Promise) return found.then(orRefuse, unavailable);
    return orRefuse(found);
  }

  function check(authorization: string, apiKey: string, required = true): AuthContext | Promise<AuthContext> {
    const credentials = readCredentials(authorization, apiKey);
    switch (credentials.kind) {
      case 'missing':
        if (!required) return ANONYMOUS_CONTEXT;
        throw new ServiceError('AUTH_REQUIRED');
      case 'token':
        throw new ServiceError(
          'INVALID_TOKEN',
          'JWT credentials are not enabled on this server; send an API key as `Authorization: ApiKey <key>`',
        );
      case 'api-key':
        return byApiKey(credentials.key);
    }
  }

  function checkLeniently(authorization: string, apiKey: string): AuthContext | Promise<AuthContext> {
    try {
      const auth = check(authorization, apiKey);
      return auth instanceof Promise ? auth.catch(() => BOOTSTRAP_CONTEXT) : auth;
    } catch {
      return BOOTSTRAP_CONTEXT;
    }
  }

  return {
    authenticate: config.mode === 'disabled' ? checkLeniently : check,
    close: feed.close,
  };
}

function orRefuse(auth: AuthContext | undefined): AuthContext {
  if (auth === undefined) throw invalidKey();
  return auth;
}

function unavailable(cause: unknown): never {
  throw new ServiceError(
    'SERVICE_UNAVAILABLE',
    'Credentials cannot be checked at present; try again shortly',
    {
      cause,
    },
  );
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
  });
}

import { createAddressList, type SignedRequest } from '../../engine/access/index.js';
import type { Config } from '../../engine/config/index.js';
import { ServiceError } from '../../engine/errors/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { createApiKeyValidator } from './api-key-validator.js';
import { createBootstrapValidator } from './bootstrap-validator.js';
import { ANONYMOUS_CONTEXT, type AuthContext, BOOTSTRAP_CONTEXT, withoutAdmin } from './context.js';
import { readCredentials } from './credentials.js';
import { createSignatureValidator } from './signature-validator.js';
import { createTokenValidator } from './token-validator.js';
import type { OnTrouble, Validator } from './validator.js';

/** Longer keys are refused unread. */
const KEY_LENGTH_MAX = 512;

/** What else of a request says who sends it. */
export interface Sender {
  /** The client's address. Unset: unknown, which no list of addresses has. */
  readonly address?: (() => string) | undefined;
  /** What a signature may cover. Unset: the request carries none. */
  readonly signed?: SignedRequest | undefined;
  /** Who they were found to be when the request came; set when its credentials are looked at again while its answer goes on. */
  readonly before?: AuthContext | undefined;
}

/** Decides who is calling. */
export interface Authenticator {
  /**
   * At once for credentials in a cache, otherwise after a lookup. Throws or rejects with ServiceError AUTH_REQUIRED, INVALID_API_KEY,
   * INVALID_TOKEN, TOKEN_EXPIRED, INVALID_REQUEST_SIGNATURE or SERVICE_UNAVAILABLE.
   *
   * @param required unset: yes; otherwise a request without credentials is nobody's, not refused
   */
  authenticate(
    authorization: string,
    apiKey: string,
    required?: boolean,
    sender?: Sender,
  ): AuthContext | Promise<AuthContext>;
  close(): Promise<void>;
}

/** One authenticator of several validators: the first that knows the kind of the credentials decides, and no other is asked after it. */
export function createAuthenticator(config: Config['auth'], sql: Sql, onTrouble: OnTrouble): Authenticator {
  const { apiKeyCacheTtlMs: ttlMs, signatureWindowSecs: windowSecs } = config;
  const signatures = createSignatureValidator(sql, { windowSecs, ttlMs, onTrouble });
  const validators: readonly Validator[] = [
    createBootstrapValidator(config.bootstrapAdminApiKey),
    createApiKeyValidator(sql, { ttlMs, onTrouble }),
    createTokenValidator(config.tokens, onTrouble),
    signatures,
  ];
  const adminAddresses =
    config.adminAddresses === undefined ? undefined : createAddressList(config.adminAddresses);

  type Check = (
    authorization: string,
    apiKey: string,
    required: boolean,
    sender: Sender,
  ) => AuthContext | Promise<AuthContext>;

  const check: Check = (authorization, apiKey, required, { signed, before }) => {
    const credentials = readCredentials(authorization, apiKey, signed);
    if (credentials.kind === 'missing') {
      if (!required) return ANONYMOUS_CONTEXT;
      throw new ServiceError('AUTH_REQUIRED');
    }
    if (credentials.kind === 'api-key' && credentials.key.length > KEY_LENGTH_MAX)
      throw new ServiceError('INVALID_API_KEY');
    // A signature counts once and for a short time: of what goes on, only the key it was made with is looked at again.
    if (credentials.kind === 'signature' && before !== undefined) return signatures.again(before);
    for (const validator of validators) {
      const verdict = validator.validate(credentials);
      if (verdict !== undefined) return verdict;
    }
    throw new ServiceError('AUTH_REQUIRED');
  };

  const checkLeniently: Check = (...request) => {
    try {
      const auth = check(...request);
      return auth instanceof Promise ? auth.catch(() => BOOTSTRAP_CONTEXT) : auth;
    } catch {
      return BOOTSTRAP_CONTEXT;
    }
  };

  const checked = config.mode === 'disabled' ? checkLeniently : check;

  return {
    authenticate(authorization, apiKey, required = true, sender = {}) {
      const auth = checked(authorization, apiKey, config.mode === 'disabled' || required, sender);
      if (adminAddresses === undefined) return auth;
      // Now: the connection may be gone after a lookup.
      const isAdminPlace = sender.address !== undefined && adminAddresses.has(sender.address());
      const restrict = (found: AuthContext) =>
        found.canAdmin && !isAdminPlace ? withoutAdmin(found) : found;
      return auth instanceof Promise ? auth.then(restrict) : restrict(auth);
    },
    close: async () => {
      await Promise.all(validators.map((validator) => validator.close?.()));
    },
  };
}

import { createPublicKey, type KeyObject } from 'node:crypto';
import {
  createNonceCache,
  findAgentDetails,
  type SigningKeyName,
  verifyRequestSignature,
} from '../../engine/access/index.js';
import { ServiceError } from '../../engine/errors/index.js';
import { type AgentKeyRow, findAgentKeys } from '../../engine/keys/agent-keys.js';
import { keyStatusAt } from '../../engine/protocol/index.js';
import { openChangeFeed } from '../../engine/store/change-feed.js';
import type { Sql } from '../../engine/store/connection.js';
import { type AuthContext, authContext } from './context.js';
import { createCredentialCache } from './credential-cache.js';
import { type OnTrouble, unavailable, type Validator } from './validator.js';

/** Nonces remembered: of one tenant, and of all. */
const NONCES = { ownerMax: 100_000, totalMax: 1_000_000 };

const KEY_GONE = 'The key that signed this request is no longer valid; sign with another one';

export interface SignatureValidator extends Validator {
  /** Whether the key still counts that signed the request which was accepted as `auth`: a signature is not sent twice. */
  again(auth: AuthContext): AuthContext | Promise<AuthContext>;
}

interface SigningAgent {
  readonly key: KeyObject;
  readonly row: AgentKeyRow;
  readonly auth: AuthContext;
  /** In the cache. */
  readonly name: string;
}

/**
 * Requests that an agent signed with a registered key (RFC 9421). They may read and write all stores of the agent's tenant, as that agent
 * only; what it may write, its policy narrows at ingest. They never administer.
 */
export function createSignatureValidator(
  sql: Sql,
  options: { windowSecs: number; ttlMs: number; onTrouble: OnTrouble },
): SignatureValidator {
  const nonces = createNonceCache(NONCES);
  const cache = createCredentialCache<SigningAgent>({
    ttlMs: options.ttlMs,
    trusted: () => feed.alive(),
    load: (name) => loadAgent(sql, name),
    now: () => performance.now(),
  });
  const feed = openChangeFeed(sql, 'agent_keys', {
    onChange: cache.forget,
    onGap: cache.forgetAll,
    onError: (error) =>
      options.onTrouble(error, 'cannot listen for changes of agents’ keys; cached ones are trusted briefly'),
  });

  /** Keys of the requests that were accepted, for those whose answers go on. */
  const names = new WeakMap<AuthContext, string>();

  const ifValid = (agent: SigningAgent | undefined): SigningAgent | undefined =>
    agent && keyStatusAt(agent.row, Date.now() * 1000) === 'active' ? agent : undefined;

  return {
    validate(credentials) {
      if (credentials.kind !== 'signature') return undefined;
      let agent: SigningAgent | undefined;
      const keyOf = (found: SigningAgent | undefined) => {
        agent = ifValid(found);
        return agent?.key;
      };
      const verdict = verifyRequestSignature(credentials.request, {
        windowSecs: options.windowSecs,
        nonces,
        nowMs: Date.now,
        findKey(name) {
          const found = cache.get(cacheName(name));
          return found instanceof Promise ? found.then(keyOf, unavailable) : keyOf(found);
        },
      });
      const accepted = (): AuthContext => {
        names.set(agent!.auth, agent!.name);
        return agent!.auth;
      };
      return verdict instanceof Promise ? verdict.then(accepted) : accepted();
    },
    again(auth) {
      const name = names.get(auth);
      const judge = (found: SigningAgent | undefined): AuthContext => {
        if (ifValid(found) === undefined) throw new ServiceError('INVALID_REQUEST_SIGNATURE', KEY_GONE);
        return auth;
      };
      const found = name === undefined ? undefined : cache.get(name);
      return found instanceof Promise ? found.then(judge, unavailable) : judge(found);
    },
    close: feed.close,
  };
}

/** As the notifications of the `agent_keys` channel write it. */
const cacheName = ({ tenantId, agentId, keyId }: SigningKeyName): string => `${tenantId}/${agentId}/${keyId}`;

async function loadAgent(sql: Sql, name: string): Promise<SigningAgent | undefined> {
  const [tenantId, agentId, keyText] = name.split('/') as [string, string, string];
  const [row] = await findAgentKeys(sql, [{ tenant: tenantId, agent: agentId, keyId: Number(keyText) }]);
  if (row === undefined) return undefined;
  const x = row.publicKey.toString('base64url');
  // What its API keys are limited to, the agent's signed requests are limited to as well.
  const rateLimit = (await findAgentDetails(sql, { tenantId, agentId }))?.rateLimit ?? null;
  return {
    name,
    row,
    key: createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }),
    auth: authContext({
      tenant: tenantId,
      stores: [],
      agent: agentId,
      canRead: true,
      canWrite: true,
      canAdmin: false,
      rateLimit,
      rateCaller: `${tenantId}/${agentId}`,
    }),
  };
}

import { z } from 'zod';
import { listAllAgentKeys } from '../../engine/keys/list-agent-keys.js';
import { encodeHex, type KeyDirectoryBody, keyDirectoryHash } from '../../engine/protocol/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { resolveTenant } from '../auth/scopes.js';
import { answering, type Exchange } from '../http/exchange.js';
import { json, type Reply } from '../http/reply.js';
import type { Route } from '../http/router.js';
import type { GatewayIdentity } from '../identity.js';
import { uuid } from '../input/fields.js';
import { parseQuery, pathValue } from '../input/parse.js';
import { timestampOrNull } from '../render/timestamp.js';

const DirectoryQuery = z.object({ tenant_id: uuid().optional() });

/**
 * The signed directory of an agent's signing keys, revoked and expired ones included, for receivers who verify events
 * themselves. Readable with any credentials of the tenant.
 */
export const signingKeyRoutes = (deps: { sql: Sql; identity: GatewayIdentity }): Route[] => [
  {
    method: 'GET',
    path: '/api/v1/agents/:agent_id/signing-keys',
    scope: 'authenticated',
    handler: answering((exchange) => directory(deps, exchange)),
  },
];

async function directory(
  { sql, identity }: { sql: Sql; identity: GatewayIdentity },
  exchange: Exchange,
): Promise<Reply> {
  const agentId = pathValue(exchange, 0, 'agent_id', uuid());
  const query = parseQuery(DirectoryQuery, exchange);
  const tenantId = resolveTenant(exchange.auth, query.tenant_id, 'tenant_id');
  const keys = await listAllAgentKeys(sql, { tenantId, agentId });
  const body: KeyDirectoryBody = {
    agentId,
    tenantId,
    keys: keys.map((key) => ({
      keyId: key.keyId,
      algorithm: 'ed25519',
      publicKey: `0x${key.publicKey}`,
      publicKeyBundle: null,
      validFrom: timestampOrNull(key.validFrom),
      validTo: timestampOrNull(key.validTo),
      revokedAt: timestampOrNull(key.revokedAt),
    })),
    signedAt: new Date().toISOString(),
  };
  const directorySignature = `0x${encodeHex(identity.sign(keyDirectoryHash(body)))}`;
  return json({ ...body, directorySignature });
}

/** `agents list|show`. */
import { Command } from 'commander';
import { ServiceError } from '../../engine/errors/index.js';
import { permissionsText } from '../../engine/keys/api-keys.js';
import { listTenantAgentKeys } from '../../engine/keys/list-agent-keys.js';
import { listTenantApiKeys } from '../../engine/keys/tenant-api-keys.js';
import { readAgentFigures } from '../../engine/store/admin-statistics.js';
import {
  type CommonOptions,
  databaseCommand,
  runOnDatabase,
  table,
  uuidArgument,
  wholeArgument,
} from './command.js';

const LIST_DEFAULT = 200;
const LIST_MAX = 100_000;

export const agentsCommand = (): Command =>
  new Command('agents').description('agents and their keys').addCommand(list()).addCommand(show());

const list = () =>
  databaseCommand('list', 'agents that have keys or cursors, those with the newest keys first')
    .option('--tenant-id <uuid>', 'only agents of this tenant', uuidArgument)
    .option('--limit <n>', 'agents to list', wholeArgument(1, LIST_MAX), LIST_DEFAULT)
    .action((options: CommonOptions & { tenantId?: string; limit: number }) =>
      runOnDatabase(options, async ({ sql }) => {
        const agents = await readAgentFigures(sql, options);
        const rows = agents.map((each) => [
          each.tenantId,
          each.agentId,
          `${each.activeSigningKeys}/${each.signingKeyCount}`,
          `${each.activeApiKeys}/${each.apiKeyCount}`,
          each.lastSyncAt,
        ]);
        const header = ['tenant', 'agent', 'signing keys', 'API keys', 'last cursor'];
        return {
          lines: [`${agents.length} agents`, ...(agents.length > 0 ? table(header, rows) : [])],
          json: {
            count: agents.length,
            agents: agents.map((each) => ({
              tenant_id: each.tenantId,
              agent_id: each.agentId,
              signing_keys: each.signingKeyCount,
              active_signing_keys: each.activeSigningKeys,
              api_keys: each.apiKeyCount,
              active_api_keys: each.activeApiKeys,
              first_key_at: each.firstKeyAt,
              last_key_at: each.lastKeyAt,
              last_sync_at: each.lastSyncAt,
              acknowledged_sequence: each.acknowledgedSequence,
            })),
          },
        };
      }),
    );

const show = () =>
  databaseCommand('show', 'an agent with all its keys')
    .requiredOption('--tenant-id <uuid>', 'the tenant', uuidArgument)
    .requiredOption('--agent-id <uuid>', 'the agent', uuidArgument)
    .action((options: CommonOptions & { tenantId: string; agentId: string }) =>
      runOnDatabase(options, async ({ sql }) => {
        const { tenantId, agentId } = options;
        const signing = await listTenantAgentKeys(sql, tenantId, agentId);
        const api = await listTenantApiKeys(sql, { tenantId, agentId });
        if (signing.length + api.length === 0)
          throw new ServiceError('RESOURCE_NOT_FOUND', `The tenant has no agent ${agentId} with keys`);
        return {
          lines: [
            `agent ${agentId} of tenant ${tenantId}`,
            ...table(
              ['signing key', 'status', 'public key', 'created'],
              signing.map((key) => [key.keyId, key.status, key.publicKey, key.createdAt]),
            ),
            ...table(
              ['API key', 'permissions', 'state', 'created'],
              api.map((key) => [
                key.keyHash.slice(0, 16),
                permissionsText(key),
                key.active ? 'active' : 'revoked',
                key.createdAt,
              ]),
            ),
          ],
          json: {
            tenant_id: tenantId,
            agent_id: agentId,
            signing_keys: signing.map((key) => ({
              key_id: key.keyId,
              status: key.status,
              public_key: key.publicKey,
              valid_from: key.validFrom,
              valid_to: key.validTo,
              revoked_at: key.revokedAt,
              created_at: key.createdAt,
            })),
            api_keys: api.map((key) => ({
              key_hash_prefix: key.keyHash.slice(0, 16),
              permissions: permissionsText(key),
              store_ids: key.storeIds,
              active: key.active,
              created_at: key.createdAt,
            })),
          },
        };
      }),
    );

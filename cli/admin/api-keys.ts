/** `api-keys create|list|revoke|rotate`. */
import { Command, Option } from 'commander';
import { generateApiKey, hashApiKey, insertApiKey, permissionsText } from '../../engine/keys/api-keys.js';
import { apiKeyCreated } from '../../engine/keys/key-acts.js';
import {
  grantOf,
  listTenantApiKeys,
  revokeApiKeyByPrefix,
  rotateApiKey,
} from '../../engine/keys/tenant-api-keys.js';
import {
  type CommonOptions,
  confirm,
  databaseCommand,
  destructive,
  instantArgument,
  prefixArgument,
  runOnDatabase,
  table,
  uuidArgument,
  uuidsArgument,
  wholeArgument,
} from './command.js';

const RATE_MAX = 1_000_000;
const PREFIX_DIGITS = 16;

interface CreateOptions extends CommonOptions {
  readonly tenantId: string;
  readonly agentId?: string;
  readonly storeId?: string[];
  readonly permissions: 'read' | 'read_write' | 'admin';
  readonly rateLimit?: number;
  readonly expiresAt?: string;
}

interface NamedOptions extends CommonOptions {
  readonly tenantId: string;
  readonly agentId?: string;
  readonly prefix: string;
}

export const apiKeysCommand = (): Command =>
  new Command('api-keys')
    .description('API keys of a tenant')
    .addCommand(create())
    .addCommand(list())
    .addCommand(revoke())
    .addCommand(rotate());

const tenantCommand = (name: string, description: string): Command =>
  databaseCommand(name, description).requiredOption('--tenant-id <uuid>', 'the tenant', uuidArgument);

const create = () =>
  tenantCommand('create', 'make an API key; it is shown once and stored nowhere')
    .option('--agent-id <uuid>', 'the agent the key belongs to', uuidArgument)
    .option(
      '--store-id <uuid>',
      'a store the key reaches, repeatable; without it all stores of the tenant',
      uuidsArgument,
    )
    .addOption(
      new Option('--permissions <what>', 'what the key may do')
        .choices(['read', 'read_write', 'admin'])
        .default('read_write'),
    )
    .option('--rate-limit <n>', 'requests per minute', wholeArgument(1, RATE_MAX))
    .option('--expires-at <time>', 'RFC 3339; without it until it is revoked', instantArgument)
    .action((options: CreateOptions) =>
      runOnDatabase(options, async ({ sql, actor }) => {
        const { tenantId } = options;
        const grant = grantOf(options.permissions, {
          tenantId,
          storeIds: options.storeId ?? [],
          agentId: options.agentId ?? null,
          rateLimit: options.rateLimit ?? null,
          expiresAt: options.expiresAt ?? null,
        });
        const apiKey = generateApiKey(tenantId);
        const keyHash = hashApiKey(apiKey);
        await insertApiKey(sql, keyHash, grant, actor && { ...apiKeyCreated(keyHash, grant), ...actor });
        const prefix = keyHash.slice(0, PREFIX_DIGITS);
        return {
          lines: [`API key created, shown only this once`, apiKey, `prefix of its hash: ${prefix}`],
          json: { api_key: apiKey, key_hash_prefix: prefix, permissions: options.permissions },
        };
      }),
    );

const list = () =>
  databaseCommand('list', 'API keys, oldest first, with the beginnings of their hashes')
    .option('--tenant-id <uuid>', 'only keys of this tenant', uuidArgument)
    .option('--agent-id <uuid>', 'only keys of this agent', uuidArgument)
    .action((options: Partial<NamedOptions>) =>
      runOnDatabase(options, async ({ sql }) => {
        const keys = await listTenantApiKeys(sql, options);
        const rows = keys.map((key) => [
          key.keyHash.slice(0, PREFIX_DIGITS),
          key.tenantId,
          key.agentId,
          permissionsText(key),
          key.storeIds.length === 0 ? 'all' : key.storeIds.length,
          key.active ? 'active' : 'revoked',
          key.createdAt,
        ]);
        const header = ['hash prefix', 'tenant', 'agent', 'permissions', 'stores', 'state', 'created'];
        return {
          lines: [`${keys.length} keys`, ...(keys.length > 0 ? table(header, rows) : [])],
          json: {
            count: keys.length,
            keys: keys.map((key) => ({
              key_hash_prefix: key.keyHash.slice(0, PREFIX_DIGITS),
              tenant_id: key.tenantId,
              agent_id: key.agentId,
              permissions: permissionsText(key),
              store_ids: key.storeIds,
              rate_limit: key.rateLimit,
              active: key.active,
              expires_at: key.expiresAt,
              created_at: key.createdAt,
            })),
          },
        };
      }),
    );

const named = (name: string, description: string): Command =>
  destructive(
    tenantCommand(name, description).requiredOption(
      '--prefix <hex>',
      "beginning of the key's hash, as `api-keys list` shows it",
      prefixArgument,
    ),
  );

const revoke = () =>
  named('revoke', 'end an API key for good').action((options: NamedOptions) =>
    runOnDatabase(options, async ({ sql, actor }) => {
      await confirm(options, `Whoever uses the API key ${options.prefix} will be refused, for good. Go on?`);
      const key = await revokeApiKeyByPrefix(sql, options.tenantId, options.prefix, actor);
      const prefix = key.keyHash.slice(0, PREFIX_DIGITS);
      return {
        lines: [key.active ? `API key ${prefix} revoked` : `API key ${prefix} was revoked already`],
        json: { key_hash_prefix: prefix, revoked: key.active },
      };
    }),
  );

const rotate = () =>
  named('rotate', 'make an API key that may do the same as another, and end that one').action(
    (options: NamedOptions) =>
      runOnDatabase(options, async ({ sql, actor }) => {
        await confirm(options, `Whoever still uses the API key ${options.prefix} will be refused. Go on?`);
        const { apiKey, keyHash, old } = await rotateApiKey(sql, options.tenantId, options.prefix, actor);
        const prefix = keyHash.slice(0, PREFIX_DIGITS);
        const before = old.keyHash.slice(0, PREFIX_DIGITS);
        return {
          lines: [
            `API key ${before} replaced; the new one is shown only this once`,
            apiKey,
            `prefix of its hash: ${prefix}`,
          ],
          json: { api_key: apiKey, key_hash_prefix: prefix, replaced_key_hash_prefix: before },
        };
      }),
  );

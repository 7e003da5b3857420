/** `list-agent-keys`, `register-agent-key`, `rotate-keys`, `revoke-agent-key`. */
import type { Command } from 'commander';
import { ServiceError } from '../../engine/errors/index.js';
import { agentKeyRegistered, agentKeyRevoked } from '../../engine/keys/key-acts.js';
import { listTenantAgentKeys } from '../../engine/keys/list-agent-keys.js';
import { type AgentKeyRegistration, registerAgentKey } from '../../engine/keys/register-agent-key.js';
import { revokeAgentKey } from '../../engine/keys/revoke-agent-key.js';
import { rotateAgentKey } from '../../engine/keys/rotate-agent-key.js';
import {
  type CommonOptions,
  confirm,
  databaseCommand,
  destructive,
  instantArgument,
  keyArgument,
  runOnDatabase,
  table,
  uuidArgument,
  wholeArgument,
} from './command.js';

const KEY_ID_MAX = 0xffff_ffff;

interface KeyOptions extends CommonOptions {
  readonly tenantId: string;
  readonly agentId: string;
  readonly keyId: number;
  readonly newKeyId: number;
  readonly publicKey: Uint8Array;
  readonly validFrom?: string;
  readonly validTo?: string;
  readonly revokeOld?: boolean;
}

export const agentKeyCommands = (): Command[] => [listKeys(), registerKey(), rotateKeys(), revokeKey()];

const listKeys = () =>
  databaseCommand('list-agent-keys', "agents' signing keys, revoked and expired ones too")
    .requiredOption('--tenant-id <uuid>', 'the tenant', uuidArgument)
    .option('--agent-id <uuid>', 'only keys of this agent', uuidArgument)
    .action((options: CommonOptions & { tenantId: string; agentId?: string }) =>
      runOnDatabase(options, async ({ sql }) => {
        const keys = await listTenantAgentKeys(sql, options.tenantId, options.agentId);
        const rows = keys.map((key) => [
          key.agentId,
          key.keyId,
          key.status,
          key.publicKey,
          key.validFrom,
          key.validTo,
          key.revokedAt,
        ]);
        const header = ['agent', 'key', 'status', 'public key', 'valid from', 'valid to', 'revoked at'];
        return {
          lines: [`${keys.length} keys`, ...(keys.length > 0 ? table(header, rows) : [])],
          json: {
            count: keys.length,
            keys: keys.map((key) => ({
              agent_id: key.agentId,
              key_id: key.keyId,
              key_algorithm: key.keyAlgorithm,
              public_key: key.publicKey,
              status: key.status,
              valid_from: key.validFrom,
              valid_to: key.validTo,
              revoked_at: key.revokedAt,
              created_at: key.createdAt,
            })),
          },
        };
      }),
    );

const agentCommand = (name: string, description: string): Command =>
  databaseCommand(name, description)
    .requiredOption('--tenant-id <uuid>', 'the tenant', uuidArgument)
    .requiredOption('--agent-id <uuid>', 'the agent', uuidArgument);

const withKey = (command: Command): Command =>
  command
    .requiredOption('--public-key <hex>', 'Ed25519 public key, 64 hexadecimal digits', keyArgument)
    .option('--valid-from <time>', 'RFC 3339; without it at once', instantArgument)
    .option('--valid-to <time>', 'RFC 3339; without it until it is revoked', instantArgument);

const registrationOf = (options: KeyOptions, keyId: number): AgentKeyRegistration => ({
  tenantId: options.tenantId,
  agentId: options.agentId,
  keyId,
  publicKey: options.publicKey,
  validFrom: options.validFrom ?? null,
  validTo: options.validTo ?? null,
  proofOfPossession: undefined,
});

const registerKey = () =>
  withKey(
    agentCommand('register-agent-key', "register an agent's signing key").requiredOption(
      '--key-id <n>',
      'number of the key',
      wholeArgument(0, KEY_ID_MAX),
    ),
  ).action((options: KeyOptions) =>
    runOnDatabase(options, async ({ sql, actor }) => {
      const registration = registrationOf(options, options.keyId);
      const isNew = await registerAgentKey(
        sql,
        registration,
        actor && { ...agentKeyRegistered(registration), ...actor },
      );
      const what = isNew ? 'registered' : 'was registered already';
      return {
        lines: [`key ${options.keyId} of agent ${options.agentId} ${what}`],
        json: { agent_id: options.agentId, key_id: options.keyId, registered: isNew },
      };
    }),
  );

const rotateKeys = () =>
  destructive(
    withKey(
      agentCommand(
        'rotate-keys',
        "register an agent's next signing key, and revoke the others if asked to",
      ).requiredOption('--new-key-id <n>', 'number of the new key', wholeArgument(0, KEY_ID_MAX)),
    ).option('--revoke-old', 'revoke all other active keys of the agent in the same transaction', false),
  ).action((options: KeyOptions) =>
    runOnDatabase(options, async ({ sql, actor }) => {
      if (options.revokeOld)
        await confirm(
          options,
          `Events signed with the other keys of agent ${options.agentId} will be refused. Go on?`,
        );
      const { isNew, revoked } = await rotateAgentKey(sql, registrationOf(options, options.newKeyId), {
        revokeOld: options.revokeOld ?? false,
        actor,
      });
      const what = isNew ? 'registered' : 'was registered already';
      const rest = options.revokeOld
        ? [`revoked ${revoked.length} keys: ${revoked.join(', ') || 'none'}`]
        : [];
      return {
        lines: [`key ${options.newKeyId} of agent ${options.agentId} ${what}`, ...rest],
        json: {
          agent_id: options.agentId,
          key_id: options.newKeyId,
          registered: isNew,
          revoked_key_ids: revoked,
        },
      };
    }),
  );

const revokeKey = () =>
  destructive(
    agentCommand('revoke-agent-key', "revoke an agent's signing key for good").requiredOption(
      '--key-id <n>',
      'number of the key',
      wholeArgument(0, KEY_ID_MAX),
    ),
  ).action((options: KeyOptions) =>
    runOnDatabase(options, async ({ sql, actor }) => {
      const { tenantId, agentId, keyId } = options;
      await confirm(
        options,
        `Events signed with key ${keyId} of agent ${agentId} will be refused, for good. Go on?`,
      );
      const revokedAt = await revokeAgentKey(
        sql,
        tenantId,
        agentId,
        keyId,
        actor && { ...agentKeyRevoked({ tenantId, agentId, keyId }), ...actor },
      );
      if (revokedAt === undefined)
        throw new ServiceError('AGENT_KEY_NOT_FOUND', `Agent ${agentId} has no key with id ${keyId}`);
      return {
        lines: [`key ${keyId} of agent ${agentId} revoked at ${revokedAt}`],
        json: { agent_id: agentId, key_id: keyId, revoked_at: revokedAt },
      };
    }),
  );

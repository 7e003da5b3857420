/** Commands of the administrator about payload encryption. */
import { type Command, InvalidArgumentError } from 'commander';
import { loadConfig } from '../../engine/config/index.js';
import { toServiceError } from '../../engine/errors/index.js';
import { parseUuid } from '../../engine/protocol/index.js';
import type { EventTable } from '../../engine/store/sealed-tuples.js';
import { eraseTenant, rewrapTenantKeys, rotateTenantKey } from '../../engine/vault/index.js';
import { openVaultDatabase, type VaultDatabase, type WhichDatabase } from './database.js';
import { type ReencryptFlags, reencrypt } from './reencrypt.js';

const BATCH_SIZE = 500;
const BATCH_SIZE_MAX = 10_000;

/** Adds `reencrypt-events`, `reencrypt-ves-events`, `rewrap-keys`, `rotate-tenant-key` and `erase-tenant` to a (sub)command. */
export function addReencryptCommands(program: Command): void {
  addReencrypt(program, 'reencrypt-events', 'legacy', 'legacy events');
  addReencrypt(program, 'reencrypt-ves-events', 'ves', 'VES events');
  common(program.command('rewrap-keys'))
    .description(
      'wrap the keys of all tenants with the current master key: after a new one was put first in PAYLOAD_ENCRYPTION_KEYS',
    )
    .action((options: WhichDatabase & Actor) =>
      withVault(options, async ({ sql, vault }) => {
        say(`${await rewrapTenantKeys(sql, vault.masters, actorOf(options))} keys wrapped anew`);
      }),
    );
  common(program.command('rotate-tenant-key'))
    .description('give a tenant a new key; re-encrypt its events afterwards')
    .requiredOption('--tenant-id <id>', 'the tenant', uuid)
    .action((options: WhichDatabase & Actor & { readonly tenantId: string }) =>
      withVault(options, async ({ sql, vault }) => {
        const version = await rotateTenantKey(sql, vault.masters, options.tenantId, actorOf(options));
        say(`the tenant's key is version ${version} now`);
      }),
    );
  common(program.command('erase-tenant'))
    .description(
      'make the payloads of a tenant unreadable for ever by destroying its keys; receipts, proofs and commitments stay valid',
    )
    .requiredOption('--tenant-id <id>', 'the tenant', uuid)
    .requiredOption('--confirm <id>', 'the tenant once more', uuid)
    .requiredOption('--reason <text>', 'why; it is recorded')
    .option('--despite-unsealed', 'even though payloads that are not encrypted will stay readable', false)
    .action((options: EraseFlags) => withVault(options, (database) => erase(database, options)));
}

interface Actor {
  readonly actor?: string;
}

interface EraseFlags extends WhichDatabase, Actor {
  readonly tenantId: string;
  readonly confirm: string;
  readonly reason: string;
  readonly despiteUnsealed: boolean;
}

function addReencrypt(program: Command, name: string, table: EventTable, what: string): void {
  common(program.command(name))
    .description(
      `encrypt the payloads of stored ${what} with the current keys; may be interrupted and run again`,
    )
    .option('--tenant-id <id>', 'of this tenant only', uuid)
    .option('--store-id <id>', 'of this store only', uuid)
    .option('--batch-size <count>', 'events in one transaction', count(BATCH_SIZE_MAX), BATCH_SIZE)
    .option('--limit <count>', 'events to re-encrypt at most', count(Number.MAX_SAFE_INTEGER))
    .option('--dry-run', 'count, change nothing', false)
    .option('--force', 'also what is encrypted with the current key already', false)
    .action((options: ReencryptFlags & WhichDatabase & Actor) =>
      withVault(options, ({ sql, vault }) => reencrypt(sql, vault, table, options, actorOf(options))),
    );
}

const common = (command: Command): Command =>
  command
    .option(
      '--database-url <url>',
      'the database; without it DATABASE_URL, or the embedded one of the data directory',
    )
    .option('--data-dir <dir>', 'data directory with an embedded database; without it DATA_DIR')
    .option(
      '--actor <name>',
      'who does it, for the record; without it the name of the operating system’s user',
    );

async function erase({ sql }: VaultDatabase, options: EraseFlags): Promise<void> {
  if (options.confirm !== options.tenantId) {
    process.stderr.write('error: --confirm must name the same tenant\n');
    process.exitCode = 2;
    return;
  }
  const { tenantId: tenant, reason, despiteUnsealed } = options;
  const report = await eraseTenant(sql, { tenant, actor: actorOf(options), reason, despiteUnsealed });
  say(`${report.keysDestroyed} keys destroyed: the payloads encrypted with them are gone`);
  if (report.unsealed > 0)
    say(`${report.unsealed} payloads or more were not encrypted and can still be read`);
}

async function withVault(
  which: WhichDatabase,
  work: (database: VaultDatabase) => Promise<void>,
): Promise<void> {
  let database: VaultDatabase | undefined;
  try {
    database = await openVaultDatabase(loadConfig(), which);
    await work(database);
  } catch (error) {
    process.stderr.write(`error: ${toServiceError(error).message}\n`);
    process.exitCode = 2;
  } finally {
    await database?.close();
  }
}

const actorOf = ({ actor }: Actor): string => actor ?? process.env.USER ?? `uid ${process.getuid?.() ?? '?'}`;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function uuid(text: string): string {
  const bytes = parseUuid(text);
  if (!bytes) throw new InvalidArgumentError('A UUID is needed.');
  return Buffer.from(bytes).toString('hex');
}

const count =
  (max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < 1 || value > max)
      throw new InvalidArgumentError(`A whole number from 1 to ${max} is needed.`);
    return value;
  };

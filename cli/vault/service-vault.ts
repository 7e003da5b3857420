import type { Logger } from 'pino';
import type { Config } from '../../engine/config/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { attachOpener } from '../../engine/store/sealed-payload.js';
import { listKeysToRewrap, openVault } from '../../engine/vault/index.js';

/** Lets the pools read encrypted payloads, and tells the operator what should be done about keys. */
export interface ServiceVault {
  attach(pool: Sql): void;
}

/**
 * @param sql the primary database: a replica may not have the newest keys yet
 * @throws ServiceError CONFIGURATION_INVALID when there are no keys
 */
export async function openServiceVault(
  sql: Sql,
  encryption: Config['encryption'],
  log: Pick<Logger, 'warn'>,
): Promise<ServiceVault> {
  const vault = openVault(sql, encryption);
  if (!vault) {
    const [row] = await sql<{ used: boolean }[]>`select exists (select from vault_data_keys) as used`;
    if (row!.used)
      log.warn(
        'there are encrypted payloads in the database, and PAYLOAD_ENCRYPTION_MODE is disabled: they cannot be read, and new ones are stored in clear text',
      );
    return { attach: () => {} };
  }
  const { waiting, lost } = await listKeysToRewrap(sql, vault.masters);
  if (waiting > 0)
    log.warn(
      { keys: waiting },
      'tenants’ keys are wrapped with an earlier master key: run `admin rewrap-keys` before you take it away',
    );
  if (lost.length > 0)
    log.warn(
      { master_keys: lost },
      'tenants’ keys are wrapped with master keys that are not configured: their payloads cannot be read',
    );
  return { attach: (pool) => void attachOpener(pool, vault.opener) };
}

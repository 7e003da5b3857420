import type { Config } from '../../engine/config/index.js';
import { ServiceError } from '../../engine/errors/index.js';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { openVault, type Vault } from '../../engine/vault/index.js';
import { openFsckDatabase } from '../fsck-database.js';

export interface WhichDatabase {
  readonly databaseUrl?: string;
  readonly dataDir?: string;
}

export interface VaultDatabase {
  readonly sql: Sql;
  readonly vault: Vault;
  close(): Promise<void>;
}

const CONNECTIONS = 3;

/**
 * Opens the database (joining the server of a running service) and its keys.
 *
 * @throws ServiceError CONFIGURATION_INVALID when encryption is disabled or there are no keys
 */
export async function openVaultDatabase(config: Config, which: WhichDatabase): Promise<VaultDatabase> {
  if (config.encryption.mode === 'disabled')
    throw new ServiceError(
      'CONFIGURATION_INVALID',
      'Payload encryption is disabled: set PAYLOAD_ENCRYPTION_MODE and the keys as for the service',
    );
  const opened = await openFsckDatabase(config, which, CONNECTIONS, () => {});
  const sql = connectDatabase(opened.target, {
    max: CONNECTIONS,
    applicationName: 'stateset-sequencer vault',
  });
  const close = async () => {
    await sql.end({ timeout: 2 });
    await opened.close();
  };
  try {
    return { sql, vault: openVault(sql, config.encryption)!, close };
  } catch (error) {
    await close();
    throw error;
  }
}

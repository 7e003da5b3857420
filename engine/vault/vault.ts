/** Everything a thread needs to write and read sealed payloads. */
import type { Config } from '../config/index.js';
import type { Sql } from '../store/connection.js';
import { configuredMasterKeys, type MasterKeys } from './master-keys.js';
import { createOpener, type VaultOpener } from './opener.js';
import { createSealers, type Sealers } from './sealers.js';
import { createTenantKeys, type TenantKeys } from './tenant-keys.js';

export interface Vault {
  readonly masters: MasterKeys;
  readonly tenantKeys: TenantKeys;
  readonly sealers: Sealers;
  readonly opener: VaultOpener;
}

/**
 * Makes the vault of a thread; undefined where encryption is disabled: payloads are then written in clear text, and sealed ones are
 * refused to readers with an error that says so.
 *
 * @param sql any pool, which stays the caller's
 * @throws ServiceError CONFIGURATION_INVALID when there are no keys
 */
export function openVault(sql: Sql, encryption: Config['encryption']): Vault | undefined {
  if (encryption.mode === 'disabled') return undefined;
  return createVault(sql, configuredMasterKeys(encryption), encryption.mode === 'optional');
}

/** @param acceptsPlain whether payloads in clear text may be read */
export function createVault(sql: Sql, masters: MasterKeys, acceptsPlain: boolean): Vault {
  const tenantKeys = createTenantKeys(sql, masters);
  return {
    masters,
    tenantKeys,
    sealers: createSealers(sql, tenantKeys),
    opener: createOpener(sql, { tenantKeys, masters, acceptsPlain }),
  };
}

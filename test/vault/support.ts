import { createHash } from 'node:crypto';
import { loadConfig } from '../../engine/config/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { openVault, type Vault } from '../../engine/vault/index.js';

/** A master key. */
export const masterKey = (name: string): string => createHash('sha256').update(name).digest('hex');

/** Settings of encryption. */
export const encryption = (env: Readonly<Record<string, string>>) => loadConfig(env).encryption;

/** A vault with these master keys, the current one first. */
export const vaultWith = (sql: Sql, keys: readonly string[], mode = 'optional'): Vault =>
  openVault(
    sql,
    encryption({ PAYLOAD_ENCRYPTION_MODE: mode, PAYLOAD_ENCRYPTION_KEYS: keys.map(masterKey).join() }),
  )!;

export const hex = (uuid: string): string => uuid.replaceAll('-', '');

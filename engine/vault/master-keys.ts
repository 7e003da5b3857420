/** Master keys: they wrap tenants' keys and never touch the database. */
import { createHash, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Config } from '../config/index.js';
import { ServiceError } from '../errors/index.js';
import { KEY_BYTES, toKey, unwrap, wrap } from './gcm.js';

/** A wrapped key, and which master key it was wrapped with. */
export interface Wrapped {
  readonly masterKey: string;
  readonly bytes: Uint8Array;
}

/**
 * Who holds master keys. The functions may take their time: a key management service answers over the network. Tenants are named by 32
 * hex digits, and `context` must be bound to what is wrapped.
 */
export interface MasterKeys {
  /** Name of the key that wraps from now on; a wrapped key with another name should be wrapped anew. */
  current(tenant: string): string;
  /** Whether this key can unwrap. */
  holds(tenant: string, masterKey: string): boolean;
  wrap(tenant: string, secret: Uint8Array, context: Uint8Array): Promise<Wrapped>;
  /** @throws ServiceError ENCRYPTION_ERROR when the key is not held, or does not fit */
  unwrap(tenant: string, wrapped: Wrapped, context: Uint8Array): Promise<Uint8Array>;
  /** Keys that payloads of the tenant may have been sealed with directly (SSE1 records); none where keys do not leave their holder. */
  ring(tenant: string): readonly KeyObject[];
}

interface NamedKey {
  readonly name: string;
  readonly key: KeyObject;
}

type Encryption = Config['encryption'];

/**
 * The master keys of the configuration: first key = current, the others open what was wrapped before. A tenant with keys of its own uses
 * those, and the common ones for what was wrapped before it had them.
 *
 * @throws ServiceError CONFIGURATION_INVALID when a key file cannot be read, or there is no key
 */
export function configuredMasterKeys(encryption: Encryption): MasterKeys {
  const common = [...encryption.keys, ...readKeyFile(encryption.keyFile)].map(named);
  const own = new Map(
    Object.entries(encryption.keysByTenant).map(([tenant, keys]) => [
      tenant.replaceAll('-', ''),
      keys.map(named),
    ]),
  );
  const ringOf = (tenant: string): NamedKey[] => [...(own.get(tenant) ?? []), ...common];
  const currentOf = (tenant: string): NamedKey => {
    const [first] = ringOf(tenant);
    if (first) return first;
    throw new ServiceError('ENCRYPTION_ERROR', `There is no master key for tenant ${tenant}`);
  };
  if (common.length === 0 && own.size === 0)
    throw new ServiceError(
      'CONFIGURATION_INVALID',
      'PAYLOAD_ENCRYPTION_KEYS (or PAYLOAD_ENCRYPTION_KEY, or PAYLOAD_ENCRYPTION_KEY_FILE) is needed to encrypt payloads',
    );
  return {
    current: (tenant) => currentOf(tenant).name,
    holds: (tenant, masterKey) => ringOf(tenant).some(({ name }) => name === masterKey),
    async wrap(tenant, secret, context) {
      const { name, key } = currentOf(tenant);
      return { masterKey: name, bytes: wrap(key, context, secret) };
    },
    async unwrap(tenant, { masterKey, bytes }, context) {
      const found = ringOf(tenant).find(({ name }) => name === masterKey);
      if (!found)
        throw new ServiceError(
          'ENCRYPTION_ERROR',
          `The master key ${masterKey}, with which a key of tenant ${tenant} is wrapped, is not among the configured ones`,
        );
      const secret = unwrap(found.key, context, bytes);
      if (secret) return secret;
      throw new ServiceError(
        'ENCRYPTION_ERROR',
        `A wrapped key of tenant ${tenant} was changed, or is not its own`,
      );
    },
    ring: (tenant) => ringOf(tenant).map(({ key }) => key),
  };
}

/** 64 bits of a hash tell keys apart and nothing about them. */
function named(secret: Uint8Array): NamedKey {
  const digest = createHash('sha256').update('STATESET_MASTER_KEY_NAME_V1').update(secret).digest('hex');
  return { name: digest.slice(0, 16), key: toKey(secret) };
}

/** One key per line, as 64 hexadecimal digits or base64; the first is the current one. Empty lines and lines with # are left out. */
function readKeyFile(path: string | undefined): Uint8Array[] {
  if (path === undefined) return [];
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ServiceError('CONFIGURATION_INVALID', `PAYLOAD_ENCRYPTION_KEY_FILE: ${path} cannot be read`, {
      cause,
    });
  }
  const lines = text.split('\n').map((line) => line.trim());
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const hex = /^(?:0x)?([0-9a-fA-F]{64})$/.exec(line)?.[1];
      const bytes = Buffer.from(hex ?? line, hex ? 'hex' : 'base64');
      if (bytes.length === KEY_BYTES) return bytes;
      throw new ServiceError(
        'CONFIGURATION_INVALID',
        `PAYLOAD_ENCRYPTION_KEY_FILE: ${path} must hold keys of 32 bytes, one per line, as hexadecimal digits or base64`,
      );
    });
}

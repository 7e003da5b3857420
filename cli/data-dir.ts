/** What the service keeps in DATA_DIR besides the database: its signing key, its id, the first administrator's key. */
import { randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ServiceError } from '../engine/errors/index.js';
import { decodeHex, parseUuid } from '../engine/protocol/index.js';

/** File in DATA_DIR that holds the administrator's key when none is configured. */
export const ADMIN_KEY_FILE = 'admin.key';
const SIGNING_KEY_FILE = 'sequencer.key';
const SEQUENCER_ID_FILE = 'sequencer.id';

/** Reads a one-line file, or makes it with mode 600 (by rename, so that a crash leaves none or a whole one). */
function keepLine(dataDir: string, file: string, make: () => string): string {
  const path = join(dataDir, file);
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const line = make();
  const partial = `${path}.${process.pid}`;
  writeFileSync(partial, `${line}\n`, { mode: 0o600, flush: true });
  chmodSync(partial, 0o600);
  renameSync(partial, path);
  return line;
}

function broken(dataDir: string, file: string, expected: string): never {
  throw new ServiceError(
    'CONFIGURATION_INVALID',
    `${join(dataDir, file)} must hold ${expected}; restore it from a backup, or move it away to have a new one made`,
  );
}

/** The Ed25519 seed receipts are signed with: 32 bytes, made once. */
export function keepSigningKey(dataDir: string): Uint8Array {
  const line = keepLine(dataDir, SIGNING_KEY_FILE, () => randomBytes(32).toString('hex'));
  return decodeHex(line, 32) ?? broken(dataDir, SIGNING_KEY_FILE, '64 hex digits');
}

/** The sequencer's UUID, made once. */
export function keepSequencerId(dataDir: string): string {
  const line = keepLine(dataDir, SEQUENCER_ID_FILE, randomUUID);
  return parseUuid(line) ? line : broken(dataDir, SEQUENCER_ID_FILE, 'a UUID');
}

/** The administrator's API key, made once. */
export function keepAdminKey(dataDir: string): string {
  const line = keepLine(dataDir, ADMIN_KEY_FILE, () => `ss_${randomBytes(32).toString('base64url')}`);
  return /^ss_[\w-]{32,}$/.test(line)
    ? line
    : broken(dataDir, ADMIN_KEY_FILE, 'an API key that starts with ss_');
}

/** What the service keeps in DATA_DIR besides the database: its signing key, its id, the first administrator's key. */
import { randomBytes, randomUUID } from 'node:crypto';
import { appendFileSync, chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ServiceError } from '../engine/errors/index.js';
import { decodeHex, parseUuid } from '../engine/protocol/index.js';

/** File in DATA_DIR that holds the administrator's key when none is configured. */
export const ADMIN_KEY_FILE = 'admin.key';
const SIGNING_KEY_FILE = 'sequencer.key';
/** Seeds that signed before, oldest first, one a line. */
const RETIRED_KEYS_FILE = 'sequencer-retired.keys';
const SEQUENCER_ID_FILE = 'sequencer.id';

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
}

/** Reads a one-line file, or makes it. */
function keepLine(dataDir: string, file: string, make: () => string): string {
  const kept = readIfThere(join(dataDir, file));
  if (kept !== undefined) return kept;
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const line = make();
  writeLine(join(dataDir, file), line);
  return line;
}

/** Writes a one-line file with mode 600, by rename, so that a crash leaves the old one or the whole new one. */
function writeLine(path: string, line: string): void {
  const partial = `${path}.${process.pid}`;
  writeFileSync(partial, `${line}\n`, { mode: 0o600, flush: true });
  chmodSync(partial, 0o600);
  renameSync(partial, path);
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

/** The signing seed if there is one already. */
export function readSigningKey(dataDir: string): Uint8Array | undefined {
  return readIfThere(join(dataDir, SIGNING_KEY_FILE)) === undefined ? undefined : keepSigningKey(dataDir);
}

/** The seeds that signed before the present one, oldest first. */
export function readRetiredKeys(dataDir: string): Uint8Array[] {
  const lines = (readIfThere(join(dataDir, RETIRED_KEYS_FILE)) ?? '')
    .split('\n')
    .filter((line) => line !== '');
  return lines.map(
    (line) => decodeHex(line.trim(), 32) ?? broken(dataDir, RETIRED_KEYS_FILE, 'lines of 64 hex digits'),
  );
}

/**
 * Replaces the signing key: the present one goes to the retired ones, a new one is made. A crash in between leaves the present
 * key in both places, which means the same as before.
 */
export function rotateSigningKey(dataDir: string): {
  readonly before: Uint8Array;
  readonly after: Uint8Array;
} {
  const before = keepSigningKey(dataDir);
  const line = Buffer.from(before).toString('hex');
  const path = join(dataDir, RETIRED_KEYS_FILE);
  if (!(readIfThere(path) ?? '').split('\n').includes(line)) {
    appendFileSync(path, `${line}\n`, { mode: 0o600, flush: true });
    chmodSync(path, 0o600);
  }
  const after = randomBytes(32);
  writeLine(join(dataDir, SIGNING_KEY_FILE), after.toString('hex'));
  return { before, after };
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

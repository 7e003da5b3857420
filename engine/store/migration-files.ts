import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ServiceError } from '../errors/index.js';

/** One numbered step of the database schema. */
export type Migration = {
  readonly version: number;
  /** File name without `.sql`, e.g. `001_events`. */
  readonly name: string;
  readonly text: string;
  /** SHA-256 of the text with LF line ends, hexadecimal: a checkout with CRLF must not look like a change. */
  readonly checksum: string;
};

const FILE_NAME = /^(\d{3,6})_[a-z0-9_]+\.sql$/;

/**
 * The migrations of a directory in their order: files `NNN_name.sql`, numbered from 001 without holes.
 *
 * @throws ServiceError MIGRATION_FAILED when a number is missing or taken twice.
 */
export const readMigrations = async (directory: string): Promise<Migration[]> => {
  const files = (await readdir(directory)).filter((file) => file.endsWith('.sql')).sort();
  const migrations = await Promise.all(files.map((file) => readMigration(directory, file)));
  migrations.sort((a, b) => a.version - b.version);
  migrations.forEach((migration, index) => {
    if (migration.version !== index + 1)
      throw new ServiceError(
        'MIGRATION_FAILED',
        `Migrations are numbered from 001 without holes; ${migration.name}.sql should have number ${index + 1}.`,
      );
  });
  return migrations;
};

async function readMigration(directory: string, file: string): Promise<Migration> {
  const match = FILE_NAME.exec(file);
  if (!match)
    throw new ServiceError(
      'MIGRATION_FAILED',
      `Migration file ${file} must be named NNN_name.sql with lower-case letters, digits and underscores.`,
    );
  const text = (await readFile(join(directory, file), 'utf8')).replaceAll('\r\n', '\n');
  const checksum = createHash('sha256').update(text).digest('hex');
  return { version: Number(match[1]), name: file.slice(0, -'.sql'.length), text, checksum };
}

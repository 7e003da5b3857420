import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';
import { connectDatabase, type DatabaseTarget } from '../../engine/store/connection.js';
import { migrate } from '../../engine/store/migrate.js';

export type TestDatabase = {
  readonly target: DatabaseTarget;
  /** Removes the database; connections that are still open are cut. */
  drop(): Promise<void>;
};

/** The migrations of the repository. */
export const MIGRATIONS_DIRECTORY = fileURLToPath(new URL('../../migrations/postgres', import.meta.url));

/**
 * A fresh database on the server of this test run; typically one per test file, made in `beforeAll` and dropped in
 * `afterAll`. `migrated: true` also brings it up to date.
 */
export const createTestDatabase = async ({ migrated = false } = {}): Promise<TestDatabase> => {
  const server = inject('postgresServer');
  const database = `test_${randomBytes(8).toString('hex')}`;
  await asAdministrator(server, `create database ${database}`);
  const target = withDatabase(server, database);
  if (migrated) await migrateDatabase(target);
  return { target, drop: () => asAdministrator(server, `drop database if exists ${database} with (force)`) };
};

function withDatabase(server: DatabaseTarget, database: string): DatabaseTarget {
  if ('url' in server) throw new Error('the test server is reached by its socket');
  return { ...server, database };
}

async function asAdministrator(server: DatabaseTarget, statement: string): Promise<void> {
  const sql = connectDatabase(server, { max: 1, applicationName: 'test-administrator' });
  try {
    await sql.unsafe(statement);
  } finally {
    await sql.end();
  }
}

async function migrateDatabase(target: DatabaseTarget): Promise<void> {
  const sql = connectDatabase(target, { max: 1, applicationName: 'test-migrations' });
  try {
    await migrate(sql, MIGRATIONS_DIRECTORY);
  } finally {
    await sql.end();
  }
}

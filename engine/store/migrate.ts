/**
 * Forward-only migrations. Many processes may start at once on one database: the whole run holds a session-level
 * advisory lock, so one of them works and the others find nothing left to do. Each migration and its row in
 * `schema_migrations` are one transaction; a failing or killed run leaves the steps before it applied and nothing else.
 */
import type { ReservedSql } from 'postgres';
import { ServiceError } from '../errors/index.js';
import type { Sql } from './connection.js';
import { type Migration, readMigrations } from './migration-files.js';

/** Key of the advisory lock (per database): the bytes "SeqMigr1". */
const LOCK_KEY = '6009333855090602545';

type AppliedMigration = { readonly version: number; readonly name: string; readonly checksum: string };

/**
 * Brings the database up to date with a directory of migrations and answers the names of those it applied.
 *
 * @throws ServiceError MIGRATION_FAILED when a statement fails, when an applied file has changed or is missing, or when
 * the database is newer than the directory. Nothing is applied in the last two cases.
 */
export const migrate = async (sql: Sql, directory: string): Promise<{ applied: string[] }> => {
  const migrations = await readMigrations(directory);
  return withLock(sql, async (session) => {
    const pending = pendingAfter(await readApplied(session), migrations);
    for (const migration of pending) await apply(session, migration);
    return { applied: pending.map((migration) => migration.name) };
  });
};

/**
 * The names of the migrations that the database still needs, without touching it.
 *
 * @throws ServiceError MIGRATION_FAILED as `migrate` does for a changed, missing or unknown migration.
 */
export const pendingMigrations = async (sql: Sql, directory: string): Promise<string[]> => {
  const migrations = await readMigrations(directory);
  const [table] = await sql`select to_regclass('schema_migrations') is not null as known`;
  const applied = table?.known ? await selectApplied(sql) : [];
  return pendingAfter(applied, migrations).map((migration) => migration.name);
};

/** A session of its own: the lock belongs to the connection, and waiting for it must not run into a timeout. */
async function withLock<T>(sql: Sql, work: (session: ReservedSql) => Promise<T>): Promise<T> {
  const session = (await sql.reserve()) as unknown as ReservedSql;
  try {
    await session`select set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false)`;
    await session`select pg_advisory_lock(${LOCK_KEY}::int8)`;
    try {
      return await work(session);
    } finally {
      await session`select pg_advisory_unlock(${LOCK_KEY}::int8)`;
      await session`reset statement_timeout`;
      await session`reset lock_timeout`;
    }
  } finally {
    session.release();
  }
}

async function readApplied(session: ReservedSql): Promise<readonly AppliedMigration[]> {
  await session`
    create table if not exists schema_migrations (
      version int primary key,
      name text not null,
      checksum text not null,
      applied_at timestamptz not null default now()
    )`;
  return selectApplied(session);
}

const selectApplied = (session: Pick<ReservedSql, 'unsafe'> | Sql): Promise<readonly AppliedMigration[]> =>
  session.unsafe<AppliedMigration[]>(
    'select version, name, checksum from schema_migrations order by version',
  );

/** Compares what the database has with what the code knows. Applied versions are always 1..n, as files are. */
function pendingAfter(
  applied: readonly AppliedMigration[],
  known: readonly Migration[],
): readonly Migration[] {
  for (const { version, name, checksum } of applied) {
    const migration = known[version - 1];
    if (!migration)
      throw new ServiceError(
        'MIGRATION_FAILED',
        `The database is newer than this version of the service: it has migration ${name}, and this version knows ${known.length}. Run the newer version, or restore a backup from before the upgrade.`,
      );
    if (migration.name !== name || migration.checksum !== checksum)
      throw new ServiceError(
        'MIGRATION_FAILED',
        `Migration ${name} was applied to this database, but ${migration.name}.sql has other content now. Applied migrations never change: restore the file, and put the change into a new one.`,
      );
  }
  return known.slice(applied.length);
}

async function apply(session: ReservedSql, migration: Migration): Promise<void> {
  await session`begin`;
  try {
    await session.unsafe(migration.text).simple();
    await session`
      insert into schema_migrations (version, name, checksum)
      values (${migration.version}, ${migration.name}, ${migration.checksum})`;
    await session`commit`;
  } catch (cause) {
    await session`rollback`.catch(() => {}); // a lost connection has rolled back already
    throw new ServiceError('MIGRATION_FAILED', describeFailure(migration, cause), { cause });
  }
}

function describeFailure(migration: Migration, cause: unknown): string {
  const { message, position } = cause as { message?: string; position?: string };
  const line = position ? migration.text.slice(0, Number(position)).split('\n').length : undefined;
  return `Migration ${migration.name}.sql failed${line === undefined ? '' : ` at line ${line}`}: ${message ?? cause}`;
}

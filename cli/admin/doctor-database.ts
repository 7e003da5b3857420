/** What `doctor` looks at in the database. */
import { toServiceError } from '../../engine/errors/index.js';
import { pendingMigrations } from '../../engine/store/migrate.js';
import { MIGRATIONS } from '../fsck-database.js';
import type { AdminContext } from './command.js';
import type { DoctorFinding } from './doctor.js';

const VERSION_MIN = 160_000;
const SKEW_WARNING_MS = 500;
const SKEW_PROBLEM_MS = 5000;
/** Share of the server's connections that may be in use. */
const CONNECTIONS_FULL = 0.9;

type Settings = Record<string, string>;

export async function databaseFindings(context: AdminContext): Promise<DoctorFinding[]> {
  const settings = await readSettings(context);
  return [
    version(settings),
    ...durability(settings),
    await migrations(context),
    await rights(context),
    await immutability(context),
    await clock(context),
    await connections(context, settings),
    await extensions(context),
    ...encoding(settings),
  ];
}

async function readSettings({ sql }: AdminContext): Promise<Settings> {
  const rows = await sql<{ name: string; setting: string }[]>`
    select name, setting from pg_settings where name in ('server_version', 'server_version_num', 'fsync', 'full_page_writes',
      'synchronous_commit', 'wal_level', 'data_checksums', 'max_connections', 'server_encoding', 'transaction_read_only',
      'default_transaction_isolation')`;
  return Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
}

const judge = (
  check: string,
  good: boolean,
  found: string,
  fix: string,
  bad: 'warning' | 'problem' = 'problem',
) => (good ? ({ check, verdict: 'good', found } as const) : ({ check, verdict: bad, found, fix } as const));

const version = (settings: Settings): DoctorFinding =>
  judge(
    'PostgreSQL version',
    Number(settings.server_version_num) >= VERSION_MIN,
    String(settings.server_version),
    'Use PostgreSQL 16 or newer.',
  );

/** Each of these off can lose events that were acknowledged (the durability promise). */
function durability(settings: Settings): DoctorFinding[] {
  const on = (name: string) =>
    judge(
      name,
      settings[name] === 'on',
      String(settings[name]),
      `alter system set ${name} = on; select pg_reload_conf(); — without it a crash loses acknowledged events.`,
    );
  const commit = settings.synchronous_commit ?? '';
  return [
    on('fsync'),
    on('full_page_writes'),
    judge(
      'synchronous_commit',
      ['on', 'remote_apply', 'remote_write', 'local'].includes(commit),
      commit,
      "alter system set synchronous_commit = on; select pg_reload_conf(); — 'off' acknowledges events before they are on disk.",
    ),
    judge(
      'data_checksums',
      settings.data_checksums === 'on',
      String(settings.data_checksums),
      'Stop the server and run pg_checksums --enable, so that bad pages are noticed.',
      'warning',
    ),
    judge(
      'writable',
      settings.transaction_read_only === 'off',
      settings.transaction_read_only === 'off' ? 'yes' : 'read-only',
      'The service needs the primary, not a replica.',
    ),
  ];
}

const encoding = (settings: Settings): DoctorFinding[] => [
  judge(
    'server_encoding',
    settings.server_encoding === 'UTF8',
    String(settings.server_encoding),
    "Create the database with encoding 'UTF8'.",
  ),
];

async function migrations({ sql }: AdminContext): Promise<DoctorFinding> {
  const check = 'migrations';
  try {
    const pending = await pendingMigrations(sql, MIGRATIONS);
    const found = pending.length === 0 ? 'up to date' : `pending: ${pending.join(', ')}`;
    return judge(
      check,
      pending.length === 0,
      found,
      'Run `stateset-sequencer admin migrate`, or start the service.',
      'warning',
    );
  } catch (error) {
    return {
      check,
      verdict: 'problem',
      found: toServiceError(error).message,
      fix: 'Use the version that fits the database.',
    };
  }
}

const WRITTEN = [
  'ves_events',
  'events',
  'ves_sequencer_receipts',
  'ves_sequence_counters',
  'sequence_counters',
  'api_keys',
];

async function rights({ sql }: AdminContext): Promise<DoctorFinding> {
  const [row] = await sql<{ missing: string[] | null; superuser: boolean }[]>`
    select array_agg(name) filter (where not has_table_privilege(name, 'select') or not has_table_privilege(name, 'insert')) as missing,
      (select rolsuper from pg_roles where rolname = current_user) as superuser
    from unnest(${WRITTEN}::text[]) as name where to_regclass(name) is not null`;
  const missing = row?.missing ?? [];
  return judge(
    'rights of the role',
    missing.length === 0,
    missing.length === 0
      ? row?.superuser
        ? 'superuser'
        : 'sufficient'
      : `no access to ${missing.join(', ')}`,
    'grant select, insert, update on all tables of the schema to this role, or make it their owner.',
  );
}

const GUARDED = [
  'ves_events',
  'events',
  'ves_sequencer_receipts',
  'ves_commitments',
  'commitments',
  'audit_log',
];

/** A trigger that somebody switched off protects nothing. */
async function immutability({ sql }: AdminContext): Promise<DoctorFinding> {
  const rows = await sql<{ name: string }[]>`
    select t.name from unnest(${GUARDED}::text[]) as t (name)
    where to_regclass(t.name) is not null and not exists (
      select from pg_trigger g where g.tgrelid = to_regclass(t.name) and not g.tgisinternal and g.tgenabled in ('O', 'A')
        and g.tgtype & 24 > 0)`;
  return judge(
    'append-only tables',
    rows.length === 0,
    rows.length === 0 ? 'guarded' : `not guarded: ${rows.map(({ name }) => name).join(', ')}`,
    'alter table <name> enable trigger all; — then run `stateset-sequencer fsck`.',
  );
}

async function clock({ sql }: AdminContext): Promise<DoctorFinding> {
  await sql`select 1`; // the connection is open: what is measured is the round trip alone
  const before = Date.now();
  const [row] = await sql<
    { ms: number }[]
  >`select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`;
  const skew = Math.round((row?.ms ?? before) - (before + Date.now()) / 2);
  return judge(
    'clock against the database',
    Math.abs(skew) < SKEW_WARNING_MS,
    `${skew} ms apart`,
    'Let both machines keep their clocks with NTP (chrony, systemd-timesyncd).',
    Math.abs(skew) < SKEW_PROBLEM_MS ? 'warning' : 'problem',
  );
}

async function connections({ sql, config }: AdminContext, settings: Settings): Promise<DoctorFinding> {
  const [row] = await sql<{ used: number }[]>`
    select count(*)::float8 as used from pg_stat_activity where backend_type = 'client backend'`;
  const used = row?.used ?? 0;
  const max = Number(settings.max_connections);
  const found = `${used} of ${max} in use; the pool of a service takes up to ${config.database.connectionsMax} and its threads some more`;
  return judge(
    'connections',
    used < max * CONNECTIONS_FULL,
    found,
    'Raise max_connections, or lower MAX_DB_CONNECTIONS.',
    'warning',
  );
}

async function extensions({ sql }: AdminContext): Promise<DoctorFinding> {
  const rows = await sql<
    { name: string }[]
  >`select extname as name from pg_extension where extname <> 'plpgsql' order by 1`;
  const found = rows.length === 0 ? 'none' : rows.map(({ name }) => name).join(', ');
  return { check: 'extensions', verdict: 'good', found: `${found} (none is needed)` };
}

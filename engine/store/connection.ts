import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, type PeerCertificate } from 'node:tls';
// Not the room's index: every worker thread would load the schema of the settings.
import { type ParsedDatabaseUrl, parseDatabaseUrl } from '../config/database-url.js';
import { ServiceError } from '../errors/index.js';
import postgres from './driver/index.js';
import { refusingWhen } from './refusing-when.js';

/** Which database to talk to. Structured-cloneable: worker threads get it and open their own connections. */
export type DatabaseTarget =
  | { readonly url: string }
  | { readonly socketDir: string; readonly port: number; readonly user: string; readonly database: string };

/** A pool of connections; `int8` values are `bigint`, timestamps stay the server's text (always UTC, microseconds). */
export type Sql = postgres.Sql<{ bigint: bigint }>;

/** Inside `sql.begin(...)`. */
export type TransactionSql = postgres.TransactionSql<{ bigint: bigint }>;

/** How long things may last in the sessions of a pool. */
export type SessionLimits = {
  /** The server gives up a statement after this time; 0 or unset: never. */
  readonly statementTimeoutMs?: number;
  /** The server gives up waiting for a lock after this time; 0 or unset: never. */
  readonly lockTimeoutMs?: number;
  /** The server ends a session that sits in an open transaction for this long; 0 or unset: the server's default. */
  readonly idleInTransactionTimeoutMs?: number;
  /** Connections that were not used for this long are closed; 0 or unset: never. */
  readonly idleTimeoutSecs?: number;
  /** Connections are replaced at a random age between half of this and all of it; 0: never. Unset: an hour. */
  readonly lifetimeMaxSecs?: number;
};

export type ConnectOptions = SessionLimits & {
  /** Most connections of this pool; they are opened on demand. */
  readonly max: number;
  /** Seen in `pg_stat_activity`. */
  readonly applicationName: string;
  /** Unset: 10 s. */
  readonly connectTimeoutMs?: number;
  /**
   * `false`: a connection gets its next statement only when the one before is over. Needed where statements read with COPY: the driver
   * would send others in between, and they fail with COPY_IN_PROGRESS. Unset: true.
   */
  readonly pipelining?: boolean;
  /**
   * The server plans a statement once, not for every set of parameters. For pools whose statements find what they want by primary keys:
   * planning them takes as long as carrying them out. Unset: false.
   */
  readonly genericPlans?: boolean;
  /** Server notices; unset: dropped. */
  readonly onNotice?: (notice: postgres.Notice) => void;
  /** A connection of the pool was closed, for whatever reason. */
  readonly onClose?: () => void;
};

const CONNECT_TIMEOUT_MS = 10_000;
const LIFETIME_SECS = 3600;

/**
 * Opens a pool. Nothing is sent until the first query.
 *
 * - TCP sockets get TCP_NODELAY. The driver never sets it, and Nagle's algorithm together with delayed
 *   acknowledgements then costs 40 ms on every COPY.
 * - Every new connection first asks the server for its array types (some milliseconds). Without that question
 *   (`fetch_types: false`) the driver knows no array parameters, and `reserve()` on a pool that has no open connection
 *   never settles.
 * - Arrays are parameters where the statement tells their type: `= any(${ids}::uuid[])`. An array of `bigint`, `boolean`
 *   or bytes must be wrapped, `sql.array(values)`, because the driver takes its type from the first element.
 *
 * @throws ServiceError CONFIGURATION_INVALID when the target's URL is not one.
 */
export const connectDatabase = (target: DatabaseTarget, options: ConnectOptions): Sql => {
  const endpoint = 'url' in target ? fromUrl(target.url) : fromSocket(target);
  const { onNotice, onClose, idleTimeoutSecs = 0, lifetimeMaxSecs = LIFETIME_SECS } = options;
  const pool = postgres({
    ...endpoint,
    max: options.max,
    prepare: true,
    fetch_types: true,
    connect_timeout: Math.ceil((options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS) / 1000),
    idle_timeout: idleTimeoutSecs,
    // Asked once per connection: a pool that was opened at once is not closed at once.
    max_lifetime: (() => lifetimeMaxSecs * (0.5 + Math.random() / 2)) as unknown as number,
    onnotice: onNotice ?? (() => {}),
    ...(options.pipelining === false ? { max_pipeline: 0 } : {}),
    ...(onClose ? { onclose: () => onClose() } : {}),
    types: TYPES,
    connection: {
      ...endpoint.connection,
      application_name: options.applicationName,
      TimeZone: 'UTC',
      DateStyle: 'ISO',
      ...(options.genericPlans ? { plan_cache_mode: 'force_generic_plan' } : {}),
      ...serverTimeouts(options),
    },
  }) as unknown as Sql;
  return endingTransactions(pool);
};

/**
 * A transaction whose connection has ended must not go on: the driver would send the rest of it on whatever session the connection
 * has next, outside of any transaction or inside somebody else's.
 */
function endingTransactions(pool: Sql): Sql {
  const begin = pool.begin.bind(pool) as (...args: unknown[]) => Promise<unknown>;
  const guarded = (...args: unknown[]) => {
    const work = args.pop() as (sql: TransactionSql) => unknown;
    let over = false;
    const end = () => {
      over = true;
    };
    const transaction = begin(...args, (sql: TransactionSql) => work(refusingWhen(() => over, sql)));
    transaction.then(end, end);
    return transaction;
  };
  return Object.assign(pool, { begin: guarded }) as Sql;
}

function serverTimeouts(options: ConnectOptions): Record<string, number> {
  const timeouts: Record<string, number> = {};
  if (options.statementTimeoutMs) timeouts.statement_timeout = options.statementTimeoutMs;
  if (options.lockTimeoutMs) timeouts.lock_timeout = options.lockTimeoutMs;
  if (options.idleInTransactionTimeoutMs)
    timeouts.idle_in_transaction_session_timeout = options.idleInTransactionTimeoutMs;
  return timeouts;
}

/** What the driver is told about where to connect. */
type Endpoint = {
  readonly [option: string]: unknown;
  readonly connection: Record<string, string>;
};

function fromSocket(target: Extract<DatabaseTarget, { socketDir: string }>): Endpoint {
  return {
    path: socketPath(target.socketDir, target.port),
    host: [target.socketDir], // only named in error texts
    port: [target.port],
    user: target.user,
    database: target.database,
    ssl: false,
    connection: {},
  };
}

const socketPath = (directory: string, port: number) => `${directory.replace(/\/+$/, '')}/.s.PGSQL.${port}`;

function fromUrl(text: string): Endpoint {
  const url = parseDatabaseUrl(text);
  if (!url) throw new ServiceError('CONFIGURATION_INVALID', 'The database URL is not a PostgreSQL URL.');
  const {
    sslrootcert,
    sslcert,
    sslkey,
    application_name: _,
    connect_timeout: __,
    ...connection
  } = url.parameters;
  const common = {
    ...(url.user === undefined ? {} : { user: url.user }),
    ...(url.password === undefined ? {} : { password: url.password }),
    ...(url.database === undefined ? {} : { database: url.database }),
    connection,
  };
  if (url.socketDir !== undefined)
    return {
      ...common,
      path: socketPath(url.socketDir, url.port),
      host: [url.socketDir],
      port: [url.port],
      ssl: false,
    };
  return {
    ...common,
    host: url.hosts.map((each) => each.host),
    port: url.hosts.map((each) => each.port),
    ssl: tlsOptions(url, { sslrootcert, sslcert, sslkey }),
    socket: openSocket(url.hosts),
  };
}

/**
 * The driver's hook for making sockets. It must hand out the socket before it is connected: the driver attaches its
 * error handling only afterwards, and would lose the pool's slot if this function failed. Node buffers what is written
 * meanwhile. The driver reads `host` for the TLS server name.
 *
 * A server, or a proxy without one, that closes the connection before it has said anything makes the driver connect
 * again at once and for ever; as an error it reaches the query.
 */
function openSocket(hosts: ParsedDatabaseUrl['hosts']): () => Socket {
  let attempt = 0;
  return () => {
    const { host, port } = hosts[attempt++ % hosts.length]!;
    const socket = connect({ host, port, noDelay: true });
    socket.once('end', () => {
      if (socket.bytesRead === 0) socket.destroy(connectionClosed(host, port));
    });
    return Object.assign(socket, { host, port });
  };
}

const connectionClosed = (host: string, port: number): Error =>
  Object.assign(new Error(`${host}:${port} closed the connection without an answer`), { code: 'ECONNRESET' });

type CertificateFiles = Record<'sslrootcert' | 'sslcert' | 'sslkey', string | undefined>;

/** libpq's `sslmode`: `require` encrypts without checking who answers, unless a root certificate is given. */
function tlsOptions(url: ParsedDatabaseUrl, files: CertificateFiles): false | 'prefer' | ConnectionOptions {
  const system = files.sslrootcert === 'system';
  const mode = url.sslMode ?? (system ? 'verify-full' : 'disable');
  if (mode === 'disable') return false;
  if (mode === 'allow' || mode === 'prefer') return 'prefer';
  const root = system ? undefined : files.sslrootcert;
  const checksName = mode === 'verify-full' || system;
  return {
    rejectUnauthorized: checksName || mode === 'verify-ca' || root !== undefined,
    ...(root === undefined ? {} : { ca: readFileSync(root) }),
    ...(files.sslcert === undefined ? {} : { cert: readFileSync(files.sslcert) }),
    ...(files.sslkey === undefined ? {} : { key: readFileSync(files.sslkey) }),
    checkServerIdentity: (_, certificate) => (checksName ? checkNames(url.hosts, certificate) : undefined),
  };
}

/**
 * The driver does not tell Node which host it means when that is an IP address, and Node would then accept a certificate for
 * `localhost`. A certificate for any of the configured hosts is right: the operator named them all.
 */
function checkNames(hosts: ParsedDatabaseUrl['hosts'], certificate: PeerCertificate): Error | undefined {
  const errors = hosts.map(({ host }) => checkServerIdentity(host, certificate));
  return errors.includes(undefined) ? undefined : errors[0];
}

/** The driver's type codecs beyond its own: name -> oids, both directions. */
const TYPES = {
  bigint: { to: 20, from: [20], serialize: (value: bigint) => value.toString(), parse: BigInt },
  // A JavaScript Date would lose the microseconds.
  date: {
    to: 1184,
    from: [1082, 1114, 1184],
    serialize: (value: Date | string) => (typeof value === 'string' ? value : value.toISOString()),
    parse: (text: string) => text,
  },
};

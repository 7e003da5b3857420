import { isIP } from 'node:net';
import { z } from 'zod';
import { isPlaintextToRemoteHost, parseDatabaseUrl } from './database-url.js';
import * as parse from './parsers.js';

/** What the documentation, `--help` and the error messages know about a setting besides its type. */
export type SettingMeta = {
  readonly section: 'Network' | 'Storage' | 'Security' | 'Sequencer' | 'Proofs' | 'Limits' | 'Operation';
  readonly description: string;
  /** Completes "NAME must be …". */
  readonly accepts: string;
  readonly secret?: boolean;
  /** Shown instead of the default value, e.g. when it is computed from the machine. */
  readonly defaultText?: string;
};

/** Attaches the description to a setting's type. */
const setting = <T extends z.ZodType>(type: T, meta: SettingMeta): T => type.meta(meta) as T;

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

const FLAG = 'one of 1, true, on, yes, 0, false, off, no';
const count = (min: number, max: number) => `a whole number from ${min} to ${max}`;
const size = (min: string, max: string) => `a size from ${min} to ${max}, in bytes or with kB, MB, GB`;

/** An address to listen on: an IP address, or a host name that resolves to one of this machine's. */
const isListenAddress = (host: string) =>
  isIP(host) !== 0 || (/^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$/.test(host) && !/^[0-9.]+$/.test(host));

/**
 * Every setting of the service: environment variable -> type, default and description. The typed configuration
 * (`load.ts`), the table in `docs/configuration.md` and `--help` are derived from it.
 */
export const EnvironmentSchema = z
  .object({
    HOST: setting(parse.text(253).refine(isListenAddress).default('0.0.0.0'), {
      section: 'Network',
      description: 'Address to listen on.',
      accepts: 'an IP address or a host name',
    }),
    PORT: setting(parse.integer(0, 65535).default(8080), {
      section: 'Network',
      description: 'Port for HTTP and WebSocket; 0 takes any free one and logs it.',
      accepts: 'a port number from 0 to 65535',
    }),
    REQUEST_TIMEOUT_SECS: setting(parse.integer(1, 3600).default(30), {
      section: 'Network',
      description:
        'A request that has no answer after this many seconds is answered 504; its outcome is unknown.',
      accepts: count(1, 3600),
    }),
    BODY_TIMEOUT_SECS: setting(parse.integer(1, 3600).default(10), {
      section: 'Network',
      description: 'A body that has not arrived after this many seconds is answered 408.',
      accepts: count(1, 3600),
    }),

    STREAM_HEARTBEAT_SECS: setting(parse.integer(1, 3600).default(15), {
      section: 'Network',
      description: 'Silent streams of events carry a sign of life this often.',
      accepts: count(1, 3600),
    }),
    SLOW_CONSUMER_SECS: setting(parse.integer(1, 3600).default(30), {
      section: 'Network',
      description:
        'A subscriber that has not read for this many seconds is cut off; it goes on later from its cursor.',
      accepts: count(1, 3600),
    }),

    GRPC_ENABLED: setting(parse.flag().optional(), {
      section: 'Network',
      description: 'Whether gRPC is served.',
      accepts: FLAG,
      defaultText: 'true',
    }),
    GRPC_DISABLED: setting(parse.flag().optional(), {
      section: 'Network',
      description: 'The opposite of `GRPC_ENABLED`, for those who are used to it; set one of them.',
      accepts: FLAG,
      defaultText: 'unset: `GRPC_ENABLED`',
    }),
    GRPC_HOST: setting(parse.text(253).refine(isListenAddress).optional(), {
      section: 'Network',
      description: 'Address to listen on for gRPC.',
      accepts: 'an IP address or a host name',
      defaultText: '`HOST`',
    }),
    GRPC_PORT: setting(parse.integer(0, 65535).optional(), {
      section: 'Network',
      description: 'Port for gRPC; 0 takes any free one and logs it.',
      accepts: 'a port number from 0 to 65535',
      defaultText: '`PORT` plus 1; any free one if that is 0',
    }),
    GRPC_REQUEST_TIMEOUT_SECS: setting(parse.integer(1, 3600).default(30), {
      section: 'Network',
      description:
        'A unary call that has no answer after this many seconds ends with DEADLINE_EXCEEDED, if the client set no earlier deadline.',
      accepts: count(1, 3600),
    }),
    GRPC_MAX_MESSAGE_BYTES: setting(parse.byteSize(KIB, GIB).optional(), {
      section: 'Network',
      description: 'Largest message of a gRPC client.',
      accepts: size('1kB', '1GB'),
      defaultText: '`MAX_BODY_SIZE_BYTES`',
    }),
    GRPC_MAX_STREAMS: setting(parse.integer(1, 1_000_000).default(1000), {
      section: 'Network',
      description: 'Most calls at once on one gRPC connection.',
      accepts: count(1, 1_000_000),
    }),
    GRPC_TLS_CERT: setting(parse.text(4096).optional(), {
      section: 'Network',
      description: 'PEM file with the certificate chain of the gRPC port.',
      accepts: 'a path',
      defaultText: 'unset: gRPC without TLS',
    }),
    GRPC_TLS_KEY: setting(parse.text(4096).optional(), {
      section: 'Network',
      description: 'PEM file with the private key that belongs to it.',
      accepts: 'a path',
      defaultText: 'unset: gRPC without TLS',
    }),
    GRPC_TLS_CLIENT_CA: setting(parse.text(4096).optional(), {
      section: 'Network',
      description: 'PEM file with the authorities whose client certificates are demanded on the gRPC port.',
      accepts: 'a path',
      defaultText: 'unset: clients need no certificate',
    }),

    WS_ENABLED: setting(parse.flag().default(true), {
      section: 'Network',
      description: 'Whether `/ws` takes binary WebSocket connections.',
      accepts: FLAG,
    }),
    WS_CONNECTIONS_MAX: setting(parse.integer(1, 1_000_000).default(10_000), {
      section: 'Network',
      description: 'WebSocket connections at once; more are answered 503.',
      accepts: count(1, 1_000_000),
    }),
    WS_TENANT_CONNECTIONS_MAX: setting(parse.integer(1, 1_000_000).default(2000), {
      section: 'Network',
      description: 'WebSocket connections of one tenant at once.',
      accepts: count(1, 1_000_000),
    }),
    WS_MAX_FRAME_BYTES: setting(parse.byteSize(KIB, GIB).default(10 * MIB), {
      section: 'Network',
      description: 'Largest WebSocket message; a connection that sends a larger one is closed.',
      accepts: size('1kB', '1GB'),
    }),
    WS_INFLIGHT_PUSHES_MAX: setting(parse.integer(1, 100_000).default(64), {
      section: 'Network',
      description: 'Pushes of one WebSocket connection being worked on at once; more are refused.',
      accepts: count(1, 100_000),
    }),
    WS_INFLIGHT_BYTES_MAX: setting(parse.byteSize(KIB, GIB).default(16 * MIB), {
      section: 'Network',
      description: 'Bytes of the pushes of one WebSocket connection being worked on at once.',
      accepts: size('1kB', '1GB'),
    }),
    WS_SUBSCRIPTIONS_MAX: setting(parse.integer(1, 100_000).default(64), {
      section: 'Network',
      description: 'Subscriptions of one WebSocket connection.',
      accepts: count(1, 100_000),
    }),
    WS_IDLE_TIMEOUT_SECS: setting(parse.integer(8, 960).default(60), {
      section: 'Network',
      description:
        'A WebSocket peer that sends nothing, not even the pongs to our pings, for this many seconds is gone. Rounded up to 4.',
      accepts: count(8, 960),
    }),
    WS_BUFFER_BYTES_MAX: setting(parse.byteSize(16 * KIB, GIB).default(MIB), {
      section: 'Network',
      description: 'Unsent bytes of a WebSocket connection beyond which its subscriptions pause.',
      accepts: size('16kB', '1GB'),
    }),
    WS_SLOW_CONSUMER_TIMEOUT_SECS: setting(parse.integer(1, 3600).optional(), {
      section: 'Network',
      description: 'A WebSocket peer that reads nothing of what waits for it for this many seconds is cut.',
      accepts: count(1, 3600),
      defaultText: '`SLOW_CONSUMER_SECS`',
    }),
    WS_COMPRESSION: setting(parse.flag().default(false), {
      section: 'Network',
      description: 'Whether permessage-deflate is offered. It costs much CPU time and saves some bandwidth.',
      accepts: FLAG,
    }),

    CORS_ALLOW_ORIGINS: setting(parse.corsOrigins().optional(), {
      section: 'Network',
      description:
        'Origins whose pages may call the service from a browser, separated by commas; `*` for all. Credentials of the browser are never asked for.',
      accepts: 'origins such as https://console.example.com, separated by commas, or *',
      defaultText: 'unset: none',
    }),
    TLS_CERT_FILE: setting(parse.text(4096).optional(), {
      section: 'Network',
      description: 'PEM file with the certificate chain of the port for HTTP and WebSocket.',
      accepts: 'a path',
      defaultText: 'unset: no TLS',
    }),
    TLS_KEY_FILE: setting(parse.text(4096).optional(), {
      section: 'Network',
      description: 'PEM file with the private key that belongs to it.',
      accepts: 'a path',
      defaultText: 'unset: no TLS',
    }),
    TLS_KEY_PASSPHRASE: setting(parse.text(1024).optional(), {
      section: 'Network',
      description: 'What the private key is encrypted with.',
      accepts: 'a passphrase',
      secret: true,
      defaultText: 'unset: the key is not encrypted',
    }),
    TLS_CLIENT_CA_FILE: setting(parse.text(4096).optional(), {
      section: 'Network',
      description:
        'PEM file with the authorities whose client certificates are demanded on the port for HTTP and WebSocket.',
      accepts: 'a path',
      defaultText: 'unset: clients need no certificate',
    }),

    DATA_DIR: setting(parse.text(4096).default('./data'), {
      section: 'Storage',
      description:
        'Directory of what the service keeps itself: the keys that it made, and the embedded PostgreSQL cluster.',
      accepts: 'a path',
    }),
    DATABASE_URL: setting(
      parse
        .text(8192)
        .refine((url) => parseDatabaseUrl(url) !== undefined)
        .optional(),
      {
        section: 'Storage',
        description:
          'A PostgreSQL server (16 or newer) of your own. Unset: an embedded server is started in `DATA_DIR`.',
        accepts: 'a PostgreSQL URL such as postgres://user:password@host:5432/database?sslmode=require',
        secret: true,
        defaultText: 'unset: embedded server',
      },
    ),
    ALLOW_INSECURE_LOCAL_DB: setting(parse.flag().default(false), {
      section: 'Storage',
      description:
        'Allows `DATABASE_URL` to reach another host without TLS. Only for trusted private networks: otherwise ask for `sslmode=require` or stronger.',
      accepts: FLAG,
    }),
    MAX_DB_CONNECTIONS: setting(parse.integer(2, 1000).default(10), {
      section: 'Storage',
      description: 'Connections for reads and administration. Each partition holds one more for its commits.',
      accepts: count(2, 1000),
    }),
    DB_APPLICATION_NAME: setting(parse.token(1, 40).default('stateset-sequencer'), {
      section: 'Storage',
      description:
        'Name of the service’s connections in `pg_stat_activity`; those with a special task have its name behind it.',
      accepts: '1 to 40 printable ASCII characters without spaces',
    }),
    DB_ACQUIRE_TIMEOUT_MS: setting(parse.integer(0, 3_600_000).default(10_000), {
      section: 'Storage',
      description:
        'Milliseconds for which a request waits for a free connection, then it is answered `503 OVERLOADED`; 0 for ever.',
      accepts: count(0, 3_600_000),
    }),
    DB_IDLE_TIMEOUT_SECS: setting(parse.integer(0, 86_400).default(600), {
      section: 'Storage',
      description: 'Seconds after which a connection that is not used is closed; 0 for never.',
      accepts: count(0, 86_400),
    }),
    DB_MAX_LIFETIME_SECS: setting(parse.integer(0, 604_800).default(3600), {
      section: 'Storage',
      description:
        'Seconds after which a connection is replaced at the latest, each at random in the second half of that time; 0 for never. Partitions keep theirs.',
      accepts: count(0, 604_800),
    }),
    DB_STATEMENT_TIMEOUT_MS: setting(parse.integer(0, 3_600_000).default(30_000), {
      section: 'Storage',
      description: 'Milliseconds after which the database gives up a statement; 0 for never.',
      accepts: count(0, 3_600_000),
    }),
    DB_LOCK_TIMEOUT_MS: setting(parse.integer(0, 3_600_000).default(10_000), {
      section: 'Storage',
      description: 'Milliseconds after which a statement stops waiting for a lock; 0 for never.',
      accepts: count(0, 3_600_000),
    }),
    DB_IDLE_IN_TX_TIMEOUT_MS: setting(parse.integer(0, 3_600_000).default(60_000), {
      section: 'Storage',
      description:
        'Milliseconds after which the database ends a session that sits in an open transaction; 0 for never.',
      accepts: count(0, 3_600_000),
    }),
    DB_STARTUP_MAX_RETRIES: setting(parse.integer(0, 10_000).default(10), {
      section: 'Storage',
      description: 'How often the first connection is tried again before the service gives up.',
      accepts: count(0, 10_000),
    }),
    DB_STARTUP_RETRY_DELAY_SECS: setting(parse.integer(0, 3600).default(3), {
      section: 'Storage',
      description: 'Seconds between these tries.',
      accepts: count(0, 3600),
    }),
    DB_MIGRATE_ON_STARTUP: setting(parse.flag().default(true), {
      section: 'Storage',
      description: 'Whether the service brings the database schema up to date when it starts.',
      accepts: FLAG,
    }),
    READ_DATABASE_URL: setting(
      parse
        .text(8192)
        .refine((url) => parseDatabaseUrl(url) !== undefined)
        .optional(),
      {
        section: 'Storage',
        description:
          'A replica of `DATABASE_URL` for reads that may be a little behind: legacy events and entity histories. Everything that decides, signs or must be the newest is read from the primary.',
        accepts: 'a PostgreSQL URL such as postgres://user:password@host:5432/database?sslmode=require',
        secret: true,
        defaultText: 'unset: reads go to the primary',
      },
    ),
    READ_MAX_DB_CONNECTIONS: setting(parse.integer(1, 1000).optional(), {
      section: 'Storage',
      description: 'Connections to the replica.',
      accepts: count(1, 1000),
      defaultText: '`MAX_DB_CONNECTIONS`',
    }),
    READ_DB_ACQUIRE_TIMEOUT_MS: setting(parse.integer(0, 3_600_000).optional(), {
      section: 'Storage',
      description: 'Milliseconds for which a request waits for a free connection to the replica; 0 for ever.',
      accepts: count(0, 3_600_000),
      defaultText: '`DB_ACQUIRE_TIMEOUT_MS`',
    }),
    READ_DB_IDLE_TIMEOUT_SECS: setting(parse.integer(0, 86_400).optional(), {
      section: 'Storage',
      description: 'Seconds after which a connection to the replica that is not used is closed; 0 for never.',
      accepts: count(0, 86_400),
      defaultText: '`DB_IDLE_TIMEOUT_SECS`',
    }),
    READ_DB_MAX_LIFETIME_SECS: setting(parse.integer(0, 604_800).optional(), {
      section: 'Storage',
      description: 'Seconds after which a connection to the replica is replaced at the latest; 0 for never.',
      accepts: count(0, 604_800),
      defaultText: '`DB_MAX_LIFETIME_SECS`',
    }),
    READ_DB_STATEMENT_TIMEOUT_MS: setting(parse.integer(0, 3_600_000).optional(), {
      section: 'Storage',
      description: 'Milliseconds after which the replica gives up a statement; 0 for never.',
      accepts: count(0, 3_600_000),
      defaultText: '`DB_STATEMENT_TIMEOUT_MS`',
    }),
    READ_DB_APPLICATION_NAME: setting(parse.token(1, 63).optional(), {
      section: 'Storage',
      description: 'Name of the connections to the replica in its `pg_stat_activity`.',
      accepts: '1 to 63 printable ASCII characters without spaces',
      defaultText: '`DB_APPLICATION_NAME` with `-read`',
    }),
    PG_SHARED_BUFFERS: setting(parse.byteSize(16 * MIB, 256 * GIB).optional(), {
      section: 'Storage',
      description: 'Shared buffers of the embedded PostgreSQL server.',
      accepts: size('16MB', '256GB'),
      defaultText: '15 % of the memory, 128MB to 4GB',
    }),

    SEQUENCER_ENV: setting(parse.text(64).optional(), {
      section: 'Security',
      description:
        'Kind of deployment. `local`, `dev`, `development`, `test`, `testing`, `ci`, `staging` and unset allow conveniences; anything else is production and demands secrets of 32 characters or more.',
      accepts: 'a word of at most 64 characters',
      defaultText: 'unset: `ENVIRONMENT`',
    }),
    ENVIRONMENT: setting(parse.text(64).optional(), {
      section: 'Security',
      description: 'Read when `SEQUENCER_ENV` is unset.',
      accepts: 'a word of at most 64 characters',
      defaultText: 'unset: not production',
    }),
    AUDIT_LOG_ENABLED: setting(parse.flag().default(true), {
      section: 'Security',
      description: 'Whether administrative acts are recorded in the audit log.',
      accepts: FLAG,
    }),
    REQUIRE_KEY_POP: setting(parse.flag().default(false), {
      section: 'Security',
      description:
        'Whether registering an agent’s key takes a proof that the agent holds it. Unset, a proof is checked where there is one.',
      accepts: FLAG,
    }),
    AUTH_MODE: setting(parse.oneOf('required', 'disabled').default('required'), {
      section: 'Security',
      description:
        '`disabled` treats requests without valid credentials as the administrator. It needs `ALLOW_AUTH_DISABLED=true` and is refused in production.',
      accepts: 'required or disabled',
    }),
    ALLOW_AUTH_DISABLED: setting(parse.flag().default(false), {
      section: 'Security',
      description: 'The second key to `AUTH_MODE=disabled`.',
      accepts: FLAG,
    }),
    BOOTSTRAP_ADMIN_API_KEY: setting(parse.token(8, 512).optional(), {
      section: 'Security',
      description: 'An API key with every permission, in force from the start of the service.',
      accepts: '8 to 512 printable ASCII characters without spaces (32 or more in production)',
      secret: true,
      defaultText: 'unset: made once, kept in `DATA_DIR/admin.key`',
    }),
    JWT_SECRET: setting(parse.token(8, 1024).optional(), {
      section: 'Security',
      description: 'Shared secret of tokens that are signed with HS256, HS384 or HS512.',
      accepts: '8 to 1024 printable ASCII characters without spaces (32 or more in production)',
      secret: true,
      defaultText: 'unset: such tokens are refused',
    }),
    JWKS_URL: setting(parse.httpUrl().optional(), {
      section: 'Security',
      description:
        'Where the token issuer publishes its keys, for tokens that are signed with RS256, ES256 or EdDSA. In production https, or this machine.',
      accepts: 'an http or https URL without credentials',
      defaultText: 'unset: such tokens are refused',
    }),
    JWKS_FILE: setting(parse.text(4096).optional(), {
      section: 'Security',
      description: 'The same keys in a file (a JWK Set); changes are noticed. Instead of `JWKS_URL`.',
      accepts: 'a path',
      defaultText: 'unset',
    }),
    JWT_ISSUER: setting(parse.text(1024).default('stateset-sequencer'), {
      section: 'Security',
      description: 'What `iss` of a token must be.',
      accepts: 'a text of at most 1024 characters',
    }),
    JWT_AUDIENCE: setting(parse.text(1024).default('stateset-api'), {
      section: 'Security',
      description: 'What `aud` of a token must be or contain.',
      accepts: 'a text of at most 1024 characters',
    }),
    REQUEST_SIGNATURE_WINDOW_SECS: setting(parse.integer(5, 300).default(60), {
      section: 'Security',
      description:
        'How far `created` of a request that an agent signed (RFC 9421) may lie from this clock. For as long its nonce is remembered.',
      accepts: count(5, 300),
    }),
    ADMIN_IP_ALLOWLIST: setting(parse.addressRanges(1000).optional(), {
      section: 'Security',
      description:
        'Addresses from which administrators’ permission counts. From anywhere else such credentials may only do what their other permissions allow.',
      accepts: 'IP addresses and CIDR ranges, separated by commas',
      defaultText: 'unset: from anywhere',
    }),
    TRUST_PROXY_HEADERS: setting(parse.flag().default(false), {
      section: 'Security',
      description:
        'Whether proxies are believed about the client’s address (`X-Forwarded-For`, else `X-Real-IP`, else `Forwarded`).',
      accepts: FLAG,
    }),
    TRUST_PROXY_ALLOWLIST: setting(parse.addressRanges(1000).optional(), {
      section: 'Security',
      description: 'Which peers are such proxies.',
      accepts: 'IP addresses and CIDR ranges, separated by commas',
      defaultText: 'private and loopback ranges',
    }),
    PUBLIC_AGENT_REGISTRATION_ENABLED: setting(parse.flag().default(false), {
      section: 'Security',
      description:
        'Whether anybody may register an agent, which gets a tenant of its own and an API key (`POST /api/v1/agents/register`).',
      accepts: FLAG,
    }),
    PUBLIC_AGENT_REGISTRATION_RATE_LIMIT_PER_MINUTE: setting(parse.integer(1, 1000).default(30), {
      section: 'Security',
      description: 'Most registrations from one address in the window.',
      accepts: count(1, 1000),
    }),
    PUBLIC_AGENT_REGISTRATION_WINDOW_SECONDS: setting(parse.integer(1, 86_400).default(60), {
      section: 'Security',
      description: 'Length of this window.',
      accepts: count(1, 86_400),
    }),
    PUBLIC_AGENT_REGISTRATION_MAX_ENTRIES: setting(parse.integer(1, 1_000_000).default(10_000), {
      section: 'Security',
      description: 'Most addresses counted at once.',
      accepts: count(1, 1_000_000),
    }),
    METRICS_PUBLIC: setting(parse.flag().default(false), {
      section: 'Security',
      description: 'Whether `/metrics` answers without administrator credentials.',
      accepts: FLAG,
    }),

    PAYLOAD_ENCRYPTION_MODE: setting(parse.encryptionMode().default('disabled'), {
      section: 'Security',
      description:
        'Encryption of payloads at rest. `optional` encrypts what is written and reads both; `required` also refuses to read payloads in clear text; both need a key.',
      accepts: 'disabled, optional or required',
    }),
    PAYLOAD_ENCRYPTION_KEYS: setting(parse.secrets32(16).optional(), {
      section: 'Security',
      description:
        'Master keys that wrap the tenants’ keys, separated by commas: the first is the current one, the others open what was wrapped before.',
      accepts: 'up to 16 keys of 32 bytes as hexadecimal digits or base64, separated by commas',
      secret: true,
      defaultText: 'unset: `PAYLOAD_ENCRYPTION_KEY`',
    }),
    PAYLOAD_ENCRYPTION_KEY: setting(parse.secret32().optional(), {
      section: 'Security',
      description: 'The master key, if there is one only. Read when `PAYLOAD_ENCRYPTION_KEYS` is unset.',
      accepts: '32 bytes as 64 hexadecimal digits or as base64',
      secret: true,
      defaultText: 'unset: `PAYLOAD_ENCRYPTION_KEY_FILE`',
    }),
    PAYLOAD_ENCRYPTION_KEY_FILE: setting(parse.text(4096).optional(), {
      section: 'Security',
      description: 'File with master keys, one per line, the current one first; instead of the two above.',
      accepts: 'a path',
      defaultText: 'unset: none',
    }),
    PAYLOAD_ENCRYPTION_KEYS_BY_TENANT: setting(parse.tenantSecrets32(10_000).optional(), {
      section: 'Security',
      description:
        'Master keys of certain tenants, used instead of the common ones: JSON such as `{"<tenant>":["<current key>","<earlier key>"]}`.',
      accepts:
        'a JSON object of tenants’ UUIDs and lists of keys of 32 bytes as hexadecimal digits or base64',
      secret: true,
      defaultText: 'unset: none',
    }),

    VES_SEQUENCER_ID: setting(parse.uuid().optional(), {
      section: 'Sequencer',
      description: 'Identity in every receipt.',
      accepts: 'a UUID with hyphens',
      defaultText: 'unset: made once, kept in `DATA_DIR/sequencer.id`',
    }),
    VES_SEQUENCER_SIGNING_KEY: setting(parse.secret32().optional(), {
      section: 'Sequencer',
      description: 'Ed25519 seed that signs receipts and checkpoints.',
      accepts: '32 bytes as 64 hexadecimal digits or as base64',
      secret: true,
      defaultText: 'unset: made once, kept in `DATA_DIR/sequencer.key`',
    }),
    VES_STRICT_FORMAT_VALIDATION: setting(parse.flag().default(false), {
      section: 'Sequencer',
      description: 'Accept only the one canonical spelling of hexadecimal and base64url values in events.',
      accepts: FLAG,
    }),
    VES_SEQUENCER_RETIRED_KEYS: setting(parse.secrets32(16).optional(), {
      section: 'Sequencer',
      description:
        'Ed25519 seeds that signed before `VES_SEQUENCER_SIGNING_KEY`, separated by commas. With them a repeated event gets the very receipt it got first; without them the present key vouches for it.',
      accepts: 'up to 16 seeds of 32 bytes as hexadecimal digits or base64, separated by commas',
      secret: true,
      defaultText: 'unset: those in `DATA_DIR/sequencer-retired.keys`',
    }),
    VERIFY_THREADS: setting(parse.integer(1, 256).optional(), {
      section: 'Sequencer',
      description: 'Threads that parse, hash and verify events.',
      accepts: count(1, 256),
      defaultText: 'number of processors',
    }),
    SIGNATURE_ENGINE: setting(parse.oneOf('own', 'libsodium').default('own'), {
      section: 'Sequencer',
      description:
        'What checks the signatures of events: the project’s own engine with tables per key, or libsodium. Their verdicts are the same.',
      accepts: 'own or libsodium',
    }),
    SIGNATURE_TABLE_BYTES_MAX: setting(parse.byteSize(0, 4 * GIB - 1).default(64 * MIB), {
      section: 'Sequencer',
      description:
        'Memory of each verify worker for tables of keys in use, 51 KiB each. Keys without a table are checked three times slower.',
      accepts: size('0', '4GB'),
    }),
    SIGNATURE_CROSS_CHECK_EVERY: setting(parse.integer(0, 1_000_000_000).default(1000), {
      section: 'Sequencer',
      description:
        'One in so many signatures, at random, is checked by OpenSSL as well; at a difference the engine is given up. 0: none.',
      accepts: count(0, 1_000_000_000),
    }),
    PARTITIONS: setting(parse.integer(1, 64).optional(), {
      section: 'Sequencer',
      description: 'Threads that number and commit; every stream belongs to one of them.',
      accepts: count(1, 64),
      defaultText: '1 up to 4 processors, then a quarter of them, at most 8',
    }),
    GROUP_MAX_EVENTS: setting(parse.integer(1, 100_000).default(5000), {
      section: 'Sequencer',
      description: 'Most events that share one commit.',
      accepts: count(1, 100_000),
    }),
    GROUP_MAX_BYTES: setting(parse.byteSize(64 * KIB, GIB).default(8 * MIB), {
      section: 'Sequencer',
      description: 'Most bytes of rows that share one commit. One larger request still passes, alone.',
      accepts: size('64kB', '1GB'),
    }),
    COMMIT_TIMEOUT_MS: setting(parse.integer(100, 600_000).default(10_000), {
      section: 'Sequencer',
      description:
        'Milliseconds after which a commit counts as lost: its connection is cut and its events are looked up again.',
      accepts: count(100, 600_000),
    }),

    LOG_ORIGIN: setting(parse.logOrigin().default('localhost/log'), {
      section: 'Proofs',
      description:
        'Name of this service in checkpoints: a stream’s log is `LOG_ORIGIN/<tenant>/<store>`. Choose one that is yours for ever, best the host and path under which `/log` is reached. After a change all logs count as new ones.',
      accepts:
        'a host name and optional path without scheme, spaces or plus signs, such as log.example.com/log',
    }),
    PUBLIC_LOGS: setting(parse.publicLogs().optional(), {
      section: 'Proofs',
      description:
        'Logs that anybody may read under `/log`, separated by commas: `notary`, `<tenant>`, `<tenant>/<store>`, or `*` for all. The entries of a stream’s log hold ids, numbers, hashes and signatures, no payloads.',
      accepts: 'notary, *, or tenant and store UUIDs, separated by commas',
      defaultText: 'unset: none',
    }),
    NOTARY_INTERVAL_SECS: setting(parse.integer(1, 86_400).default(10), {
      section: 'Proofs',
      description: 'Seconds between two checkpoints of the notary log, which covers the streams’ logs.',
      accepts: count(1, 86_400),
    }),
    LOG_WITNESSES: setting(parse.witnesses(64).optional(), {
      section: 'Proofs',
      description:
        'Witnesses that cosign the notary’s checkpoints: pairs of verifier key and URL (separated by a space), separated by commas.',
      accepts:
        'pairs such as "witness.example/w1+1a2b3c4d+BASE64 https://witness.example/w1", separated by commas',
      defaultText: 'unset: none',
    }),
    LOG_WITNESS_QUORUM: setting(parse.integer(0, 64).optional(), {
      section: 'Proofs',
      description: 'Cosignatures that make a checkpoint of the notary a witnessed one.',
      accepts: count(0, 64),
      defaultText: 'all of `LOG_WITNESSES`',
    }),
    COMMITMENT_MAX_EVENTS: setting(parse.integer(0, 1_000_000).default(10_000), {
      section: 'Proofs',
      description:
        'Uncommitted events of a stream that make the background commit them. 0: commitments are made on request only.',
      accepts: count(0, 1_000_000),
    }),
    COMMITMENT_INTERVAL_SECS: setting(parse.integer(1, 86_400).default(60), {
      section: 'Proofs',
      description: 'Seconds after which fewer events are committed as well.',
      accepts: count(1, 86_400),
    }),
    WORKER_LEADER_ELECTION: setting(parse.flag().default(true), {
      section: 'Proofs',
      description:
        'Whether only one of several processes on a database notarises, asks witnesses and writes tiles. Without, each does, which costs double work and changes no result: for databases behind a pooler that shares sessions, where the advisory lock that chooses the one does not hold.',
      accepts: FLAG,
    }),
    PROOF_THREADS: setting(parse.integer(1, 64).default(1), {
      section: 'Proofs',
      description:
        'Threads that build trees, tiles, commitments and proofs, apart from those that take events.',
      accepts: count(1, 64),
    }),

    MAX_BODY_SIZE_BYTES: setting(parse.byteSize(KIB, GIB).default(10 * MIB), {
      section: 'Limits',
      description: 'Largest body of a request; larger ones are answered 413.',
      accepts: size('1kB', '1GB'),
    }),
    MAX_EVENTS_PER_BATCH: setting(parse.integer(1, 100_000).default(1000), {
      section: 'Limits',
      description: 'Most events in one request.',
      accepts: count(1, 100_000),
    }),
    MAX_EVENT_PAYLOAD_SIZE: setting(parse.byteSize(1, GIB).default(MIB), {
      section: 'Limits',
      description: 'Largest payload of one event, as compact JSON in UTF-8.',
      accepts: size('1', '1GB'),
    }),
    MAX_INFLIGHT_BYTES: setting(parse.byteSize(MIB, 64 * GIB).default(64 * MIB), {
      section: 'Limits',
      description: 'Bytes of request bodies being worked on at once; beyond it requests are answered 503.',
      accepts: size('1MB', '64GB'),
    }),
    MAX_INFLIGHT_REQUESTS: setting(parse.integer(1, 1_000_000).default(4096), {
      section: 'Limits',
      description: 'Requests being worked on at once; beyond it requests are answered 503.',
      accepts: count(1, 1_000_000),
    }),
    MAX_TENANT_INFLIGHT_BYTES: setting(parse.byteSize(MIB, 64 * GIB).optional(), {
      section: 'Limits',
      description:
        'The same for the bodies of one tenant. Whatever it is, a tenant may hold at most three times what is still free, three quarters when it is alone.',
      accepts: size('1MB', '64GB'),
      defaultText: '`MAX_INFLIGHT_BYTES`',
    }),
    MAX_TENANT_INFLIGHT_REQUESTS: setting(parse.integer(1, 1_000_000).optional(), {
      section: 'Limits',
      description: 'The same for the ingest requests of one tenant.',
      accepts: count(1, 1_000_000),
      defaultText: '`MAX_INFLIGHT_REQUESTS`',
    }),
    MAX_TENANT_REQUESTS: setting(parse.integer(1, 1_000_000).default(3000), {
      section: 'Limits',
      description:
        'Requests and calls of one tenant under way at once, reads and streams included; beyond it they are answered 429.',
      accepts: count(1, 1_000_000),
    }),
    RATE_LIMIT_PER_MINUTE: setting(parse.integer(1, 10_000_000).optional(), {
      section: 'Limits',
      description:
        'Most requests of a tenant in a minute, over all its keys and all protocols, counted in each process; beyond it they are answered 429. API keys and agents can have limits of their own as well.',
      accepts: count(1, 10_000_000),
      defaultText: 'unset: no limit',
    }),
    RATE_LIMIT_WINDOW_SECONDS: setting(parse.integer(1, 86_400).default(60), {
      section: 'Limits',
      description: 'Seconds over which the limits of API keys and agents are counted.',
      accepts: count(1, 86_400),
    }),
    RATE_LIMIT_MAX_ENTRIES: setting(parse.integer(1, 1_000_000).default(10_000), {
      section: 'Limits',
      description:
        'Most callers counted at once, of each kind (keys and agents, tenants, addresses); the one that was quiet for longest is forgotten first.',
      accepts: count(1, 1_000_000),
    }),
    PUBLIC_LOG_RATE_LIMIT_PER_MINUTE: setting(parse.integer(0, 10_000_000).default(6000), {
      section: 'Limits',
      description:
        'Most requests in a minute that one client address (of IPv6: one /64) may send without credentials to logs that are public. 0: no limit.',
      accepts: count(0, 10_000_000),
    }),
    API_KEY_CACHE_TTL_SECS: setting(parse.integer(0, 86_400).default(60), {
      section: 'Limits',
      description:
        'Seconds for which a looked-up API key is remembered. Changes reach every process within a second whatever this is.',
      accepts: count(0, 86_400),
    }),
    CACHE_AGENT_KEY_MAX: setting(parse.integer(1, 10_000_000).default(100_000), {
      section: 'Limits',
      description: 'Agents’ public keys kept in memory by each verify worker, and as many of their policies.',
      accepts: count(1, 10_000_000),
    }),
    CACHE_AGENT_KEY_TTL_SECS: setting(parse.integer(1, 86_400).default(60), {
      section: 'Limits',
      description:
        'Seconds for which they are kept. Changes reach every process within a second whatever this is.',
      accepts: count(1, 86_400),
    }),

    CACHE_COMMITMENT_MAX: setting(parse.integer(1, 10_000_000).default(1000), {
      section: 'Limits',
      description: 'Legacy commitments kept in memory.',
      accepts: count(1, 10_000_000),
    }),
    CACHE_COMMITMENT_TTL_SECS: setting(parse.integer(1, 86_400).default(300), {
      section: 'Limits',
      description: 'Seconds for which they are kept.',
      accepts: count(1, 86_400),
    }),
    CACHE_PROOF_MAX: setting(parse.integer(1, 10_000_000).default(5000), {
      section: 'Limits',
      description: 'Inclusion proofs in legacy commitments kept in memory.',
      accepts: count(1, 10_000_000),
    }),
    CACHE_PROOF_TTL_SECS: setting(parse.integer(1, 86_400).default(600), {
      section: 'Limits',
      description: 'Seconds for which they are kept.',
      accepts: count(1, 86_400),
    }),
    CACHE_VES_COMMITMENT_MAX: setting(parse.integer(1, 10_000_000).optional(), {
      section: 'Limits',
      description: 'VES commitments kept in memory.',
      accepts: count(1, 10_000_000),
      defaultText: '`CACHE_COMMITMENT_MAX`',
    }),
    CACHE_VES_COMMITMENT_TTL_SECS: setting(parse.integer(1, 86_400).optional(), {
      section: 'Limits',
      description: 'Seconds for which they are kept.',
      accepts: count(1, 86_400),
      defaultText: '`CACHE_COMMITMENT_TTL_SECS`',
    }),
    CACHE_VES_PROOF_MAX: setting(parse.integer(1, 10_000_000).optional(), {
      section: 'Limits',
      description: 'Inclusion proofs in VES commitments kept in memory.',
      accepts: count(1, 10_000_000),
      defaultText: '`CACHE_PROOF_MAX`',
    }),
    CACHE_VES_PROOF_TTL_SECS: setting(parse.integer(1, 86_400).optional(), {
      section: 'Limits',
      description: 'Seconds for which they are kept.',
      accepts: count(1, 86_400),
      defaultText: '`CACHE_PROOF_TTL_SECS`',
    }),

    OTEL_EXPORTER_OTLP_ENDPOINT: setting(parse.httpUrl().optional(), {
      section: 'Operation',
      description:
        'Base address of an OpenTelemetry collector (OTLP over HTTP) that traces are sent to: `/v1/traces` below it.',
      accepts: 'a URL such as http://collector:4318',
      defaultText: 'unset: no traces',
    }),
    OTEL_EXPORTER_OTLP_HEADERS: setting(parse.headerList(32).optional(), {
      section: 'Operation',
      description:
        'Headers for the collector, such as its credentials: pairs `name=value`, separated by commas.',
      accepts: 'pairs such as authorization=Bearer%20TOKEN, separated by commas',
      secret: true,
      defaultText: 'unset: none',
    }),
    OTEL_SERVICE_NAME: setting(parse.text(128).default('stateset-sequencer'), {
      section: 'Operation',
      description: 'Name of this service in traces.',
      accepts: 'a text of at most 128 characters',
    }),
    OTEL_SAMPLE_RATE: setting(parse.fraction().default(0.1), {
      section: 'Operation',
      description:
        'Part of the requests that are traced, when the client does not say by `traceparent` whether it wants that.',
      accepts: 'a number from 0 to 1, such as 0.05',
    }),
    LOG_FORMAT: setting(parse.oneOf('text', 'json').default('text'), {
      section: 'Operation',
      description: 'Form of the log on standard output.',
      accepts: 'text or json',
    }),
    LOG_LEVEL: setting(
      parse.oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent').default('info'),
      {
        section: 'Operation',
        description: 'Least important lines that are logged.',
        accepts: 'one of trace, debug, info, warn, error, fatal, silent',
      },
    ),
    SHUTDOWN_TIMEOUT_SECS: setting(parse.integer(1, 3600).default(20), {
      section: 'Operation',
      description:
        'Seconds that SIGTERM and SIGINT leave for requests in flight before the service ends anyway.',
      accepts: count(1, 3600),
    }),
  })
  .superRefine((env, context) => {
    const refuse = (name: string, message: string) =>
      context.addIssue({ code: 'custom', path: [name], message, params: { rule: true } });
    const production = isProduction(env.SEQUENCER_ENV ?? env.ENVIRONMENT);

    if (env.DATABASE_URL && !env.ALLOW_INSECURE_LOCAL_DB) {
      const url = parseDatabaseUrl(env.DATABASE_URL);
      if (url && isPlaintextToRemoteHost(url))
        refuse(
          'DATABASE_URL',
          'must ask for sslmode=require or stronger, because it names another host (or set ALLOW_INSECURE_LOCAL_DB=true on a trusted network)',
        );
    }
    const masterKeys = env.PAYLOAD_ENCRYPTION_KEYS ?? env.PAYLOAD_ENCRYPTION_KEY;
    if (env.PAYLOAD_ENCRYPTION_KEY_FILE !== undefined && masterKeys !== undefined)
      refuse(
        'PAYLOAD_ENCRYPTION_KEY_FILE',
        'must not be set together with PAYLOAD_ENCRYPTION_KEYS or PAYLOAD_ENCRYPTION_KEY',
      );
    if (
      env.PAYLOAD_ENCRYPTION_MODE !== 'disabled' &&
      masterKeys === undefined &&
      env.PAYLOAD_ENCRYPTION_KEY_FILE === undefined
    )
      refuse(
        'PAYLOAD_ENCRYPTION_MODE',
        `may be ${env.PAYLOAD_ENCRYPTION_MODE} only with a key: PAYLOAD_ENCRYPTION_KEYS, PAYLOAD_ENCRYPTION_KEY or PAYLOAD_ENCRYPTION_KEY_FILE`,
      );
    if (env.LOG_WITNESS_QUORUM !== undefined && env.LOG_WITNESS_QUORUM > (env.LOG_WITNESSES?.length ?? 0))
      refuse('LOG_WITNESS_QUORUM', 'must not be larger than the number of LOG_WITNESSES');
    if (env.AUTH_MODE === 'disabled' && production)
      refuse('AUTH_MODE', 'must be required in production (SEQUENCER_ENV or ENVIRONMENT says so)');
    else if (env.AUTH_MODE === 'disabled' && !env.ALLOW_AUTH_DISABLED)
      refuse('AUTH_MODE', 'may be disabled only together with ALLOW_AUTH_DISABLED=true');
    for (const [one, other] of [
      ['TLS_CERT_FILE', 'TLS_KEY_FILE'],
      ['TLS_KEY_FILE', 'TLS_CERT_FILE'],
    ] as const)
      if (env[one] === undefined && env[other] !== undefined)
        refuse(one, 'is needed: certificate and key belong together');
    for (const name of ['TLS_CLIENT_CA_FILE', 'TLS_KEY_PASSPHRASE'] as const)
      if (env[name] !== undefined && env.TLS_CERT_FILE === undefined)
        refuse(name, 'needs TLS_CERT_FILE and TLS_KEY_FILE');
    if (env.CORS_ALLOW_ORIGINS?.includes('*') && env.CORS_ALLOW_ORIGINS.length > 1)
      refuse('CORS_ALLOW_ORIGINS', 'must be either * or a list of origins');
    if (env.READ_DATABASE_URL && env.DATABASE_URL === undefined)
      refuse('READ_DATABASE_URL', 'needs DATABASE_URL: the embedded server has no replica');
    if (env.READ_DATABASE_URL && !env.ALLOW_INSECURE_LOCAL_DB) {
      const url = parseDatabaseUrl(env.READ_DATABASE_URL);
      if (url && isPlaintextToRemoteHost(url))
        refuse(
          'READ_DATABASE_URL',
          'must ask for sslmode=require or stronger, because it names another host (or set ALLOW_INSECURE_LOCAL_DB=true on a trusted network)',
        );
    }
    if (env.GRPC_ENABLED !== undefined && env.GRPC_DISABLED !== undefined)
      refuse('GRPC_DISABLED', 'must not be set together with GRPC_ENABLED');
    if ((env.GRPC_TLS_CERT === undefined) !== (env.GRPC_TLS_KEY === undefined))
      refuse(
        env.GRPC_TLS_CERT === undefined ? 'GRPC_TLS_CERT' : 'GRPC_TLS_KEY',
        'is needed: certificate and key belong together',
      );
    if (env.GRPC_TLS_CLIENT_CA !== undefined && env.GRPC_TLS_CERT === undefined)
      refuse('GRPC_TLS_CLIENT_CA', 'needs GRPC_TLS_CERT and GRPC_TLS_KEY');
    if (production)
      for (const name of ['BOOTSTRAP_ADMIN_API_KEY', 'JWT_SECRET'] as const)
        if (env[name] !== undefined && env[name].length < PRODUCTION_SECRET_LENGTH)
          refuse(name, `must have ${PRODUCTION_SECRET_LENGTH} characters or more in production`);
    if (env.JWKS_URL !== undefined && env.JWKS_FILE !== undefined)
      refuse('JWKS_FILE', 'must not be set together with JWKS_URL');
    if (production && env.JWKS_URL !== undefined && isPlaintextToOthers(env.JWKS_URL))
      refuse(
        'JWKS_URL',
        'must be an https URL in production: whoever changes the keys on their way can be anybody',
      );
    if (env.TRUST_PROXY_ALLOWLIST !== undefined && !env.TRUST_PROXY_HEADERS)
      refuse('TRUST_PROXY_ALLOWLIST', 'needs TRUST_PROXY_HEADERS=true');
  });

const isPlaintextToOthers = (url: string): boolean => {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !['localhost', '127.0.0.1', '[::1]'].includes(hostname);
};

/** Least length of a configured secret in production, in characters. */
export const PRODUCTION_SECRET_LENGTH = 32;

const NON_PRODUCTION = new Set(['', 'local', 'dev', 'development', 'test', 'testing', 'ci', 'staging']);

/** Everything that is not known to be something else is production. */
export const isProduction = (environment: string | undefined): boolean =>
  !NON_PRODUCTION.has((environment ?? '').trim().toLowerCase());

/** The settings after parsing, by variable name. */
export type Environment = z.output<typeof EnvironmentSchema>;

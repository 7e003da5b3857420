import { resolve } from 'node:path';
import { ServiceError } from '../errors/index.js';
import {
  defaultPartitions,
  defaultSharedBuffers,
  defaultVerifyThreads,
  inspectMachine,
  type Machine,
} from './machine.js';
import {
  type Environment,
  EnvironmentSchema,
  isProduction,
  PRODUCTION_SECRET_LENGTH,
  type SettingMeta,
} from './schema.js';

/** The configuration of the service. Plain data: it is passed to worker threads by structured clone. */
export type Config = ReturnType<typeof toConfig>;

/** Variables as the operating system gives them. */
export type EnvironmentVariables = Readonly<Record<string, string | undefined>>;

/**
 * Reads the configuration. Variables that are empty count as unset; variables that no setting is named after are left
 * alone, because the environment is shared.
 *
 * @throws ServiceError CONFIGURATION_INVALID naming every bad setting and what it accepts; `details.problems` is the list.
 */
export const loadConfig = (
  env: EnvironmentVariables = process.env,
  machine: Machine = inspectMachine(),
): Config => {
  const given: Record<string, string> = {};
  for (const name of Object.keys(EnvironmentSchema.shape)) {
    const value = env[name];
    if (value !== undefined && value.trim() !== '') given[name] = value;
  }
  const result = EnvironmentSchema.safeParse(given);
  if (result.success) return toConfig(result.data, machine);
  const problems = listProblems(result.error.issues, given);
  throw new ServiceError(
    'CONFIGURATION_INVALID',
    `The configuration has ${problems.length} error${problems.length === 1 ? '' : 's'}:\n  ${problems.join('\n  ')}`,
    { details: { problems } },
  );
};

type Issue = { readonly path: readonly PropertyKey[]; readonly message: string };

/** The rules between settings only run on values that parse: set the bad ones aside and ask again, to list everything. */
function listProblems(issues: readonly Issue[], given: Record<string, string>): string[] {
  const bad = new Set(issues.map((issue) => String(issue.path[0])));
  const rest = Object.fromEntries(Object.entries(given).filter(([name]) => !bad.has(name)));
  const again = EnvironmentSchema.safeParse(rest);
  const all: readonly Issue[] = [...issues, ...(again.error?.issues ?? [])];
  return [...new Set(all.map((issue) => describeProblem(issue, given)))];
}

function describeProblem(issue: Issue, given: Record<string, string>): string {
  const name = String(issue.path[0]);
  if ((issue as { params?: { rule?: boolean } }).params?.rule) return `${name} ${issue.message}`;
  const meta = settingMeta(name);
  const shown = meta.secret ? 'what it is (***)' : JSON.stringify(given[name]);
  return `${name} must be ${meta.accepts}, not ${shown}`;
}

/** Description of a setting by variable name. */
export const settingMeta = (name: string): SettingMeta => {
  const type = (EnvironmentSchema.shape as Record<string, { meta(): unknown } | undefined>)[name];
  return type?.meta() as SettingMeta;
};

const SECOND = 1000;

/** Loopback, private and link-local addresses (RFC 1122, 1918, 3927, 4193, 4291). */
const PRIVATE_RANGES = [
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  '::1',
  'fc00::/7',
  'fe80::/10',
];

function toConfig(env: Environment, machine: Machine) {
  const environment = env.SEQUENCER_ENV ?? env.ENVIRONMENT ?? '';
  return {
    /** Kind of deployment, as given. */
    environment,
    production: isProduction(environment),
    http: {
      host: env.HOST,
      port: env.PORT,
      requestTimeoutMs: env.REQUEST_TIMEOUT_SECS * SECOND,
      bodyTimeoutMs: env.BODY_TIMEOUT_SECS * SECOND,
      metricsPublic: env.METRICS_PUBLIC,
      /** `*` alone, or origins. */
      corsOrigins: env.CORS_ALLOW_ORIGINS ?? [],
      /** PEM files; `undefined`: plaintext. */
      tls:
        env.TLS_CERT_FILE === undefined || env.TLS_KEY_FILE === undefined
          ? undefined
          : {
              certFile: env.TLS_CERT_FILE,
              keyFile: env.TLS_KEY_FILE,
              passphrase: env.TLS_KEY_PASSPHRASE,
              clientCaFile: env.TLS_CLIENT_CA_FILE,
            },
    },
    streams: {
      heartbeatMs: env.STREAM_HEARTBEAT_SECS * SECOND,
      slowConsumerMs: env.SLOW_CONSUMER_SECS * SECOND,
    },
    grpc: {
      enabled: env.GRPC_ENABLED ?? !env.GRPC_DISABLED,
      host: env.GRPC_HOST ?? env.HOST,
      port: env.GRPC_PORT ?? (env.PORT === 0 ? 0 : Math.min(env.PORT + 1, 65535)),
      requestTimeoutMs: env.GRPC_REQUEST_TIMEOUT_SECS * SECOND,
      messageBytesMax: env.GRPC_MAX_MESSAGE_BYTES ?? env.MAX_BODY_SIZE_BYTES,
      /** Per connection. */
      streamsMax: env.GRPC_MAX_STREAMS,
      /** PEM files; `undefined`: plaintext. */
      tls:
        env.GRPC_TLS_CERT === undefined || env.GRPC_TLS_KEY === undefined
          ? undefined
          : { certFile: env.GRPC_TLS_CERT, keyFile: env.GRPC_TLS_KEY, clientCaFile: env.GRPC_TLS_CLIENT_CA },
    },
    webSocket: {
      enabled: env.WS_ENABLED,
      connectionsMax: env.WS_CONNECTIONS_MAX,
      tenantConnectionsMax: env.WS_TENANT_CONNECTIONS_MAX,
      frameBytesMax: env.WS_MAX_FRAME_BYTES,
      inflightPushesMax: env.WS_INFLIGHT_PUSHES_MAX,
      inflightBytesMax: env.WS_INFLIGHT_BYTES_MAX,
      subscriptionsMax: env.WS_SUBSCRIPTIONS_MAX,
      /** Seconds, a multiple of 4: uWebSockets.js counts in these. */
      idleTimeoutSecs: Math.ceil(env.WS_IDLE_TIMEOUT_SECS / 4) * 4,
      bufferBytesMax: env.WS_BUFFER_BYTES_MAX,
      slowConsumerTimeoutMs: (env.WS_SLOW_CONSUMER_TIMEOUT_SECS ?? env.SLOW_CONSUMER_SECS) * SECOND,
      compression: env.WS_COMPRESSION,
    },
    limits: {
      bodyBytesMax: env.MAX_BODY_SIZE_BYTES,
      batchEventsMax: env.MAX_EVENTS_PER_BATCH,
      payloadBytesMax: env.MAX_EVENT_PAYLOAD_SIZE,
      inflightBytesMax: env.MAX_INFLIGHT_BYTES,
      inflightRequestsMax: env.MAX_INFLIGHT_REQUESTS,
      /** Of one tenant. */
      tenantInflightBytesMax: env.MAX_TENANT_INFLIGHT_BYTES ?? env.MAX_INFLIGHT_BYTES,
      tenantInflightRequestsMax: env.MAX_TENANT_INFLIGHT_REQUESTS ?? env.MAX_INFLIGHT_REQUESTS,
      tenantRequestsMax: env.MAX_TENANT_REQUESTS,
      /** `undefined`: no limit. */
      tenantRatePerMinute: env.RATE_LIMIT_PER_MINUTE,
      rateWindowSecs: env.RATE_LIMIT_WINDOW_SECONDS,
      rateEntriesMax: env.RATE_LIMIT_MAX_ENTRIES,
      /** 0: no limit. */
      publicRatePerMinute: env.PUBLIC_LOG_RATE_LIMIT_PER_MINUTE,
    },
    database: {
      /** Absolute path. */
      dataDir: resolve(env.DATA_DIR),
      /** `undefined`: the embedded server in `dataDir`. */
      url: env.DATABASE_URL,
      applicationName: env.DB_APPLICATION_NAME,
      connectionsMax: env.MAX_DB_CONNECTIONS,
      /** For requests; 0: no limit. */
      acquireTimeoutMs: env.DB_ACQUIRE_TIMEOUT_MS,
      /** Of every connection but those of the partitions; 0: no limit. */
      session: {
        statementTimeoutMs: env.DB_STATEMENT_TIMEOUT_MS,
        lockTimeoutMs: env.DB_LOCK_TIMEOUT_MS,
        idleInTransactionTimeoutMs: env.DB_IDLE_IN_TX_TIMEOUT_MS,
        idleTimeoutSecs: env.DB_IDLE_TIMEOUT_SECS,
        lifetimeMaxSecs: env.DB_MAX_LIFETIME_SECS,
      },
      startupRetriesMax: env.DB_STARTUP_MAX_RETRIES,
      startupRetryDelayMs: env.DB_STARTUP_RETRY_DELAY_SECS * SECOND,
      migrateOnStartup: env.DB_MIGRATE_ON_STARTUP,
      /** A replica for reads that may be behind; `undefined`: the primary. */
      replica:
        env.READ_DATABASE_URL === undefined
          ? undefined
          : {
              url: env.READ_DATABASE_URL,
              connectionsMax: env.READ_MAX_DB_CONNECTIONS ?? env.MAX_DB_CONNECTIONS,
              acquireTimeoutMs: env.READ_DB_ACQUIRE_TIMEOUT_MS ?? env.DB_ACQUIRE_TIMEOUT_MS,
              session: {
                statementTimeoutMs: env.READ_DB_STATEMENT_TIMEOUT_MS ?? env.DB_STATEMENT_TIMEOUT_MS,
                idleTimeoutSecs: env.READ_DB_IDLE_TIMEOUT_SECS ?? env.DB_IDLE_TIMEOUT_SECS,
                lifetimeMaxSecs: env.READ_DB_MAX_LIFETIME_SECS ?? env.DB_MAX_LIFETIME_SECS,
              },
              applicationName: env.READ_DB_APPLICATION_NAME ?? `${env.DB_APPLICATION_NAME}-read`,
            },
      /** Bytes; embedded server only. */
      sharedBuffers: env.PG_SHARED_BUFFERS ?? defaultSharedBuffers(machine),
    },
    auth: {
      mode: env.AUTH_MODE,
      bootstrapAdminApiKey: env.BOOTSTRAP_ADMIN_API_KEY,
      apiKeyCacheTtlMs: env.API_KEY_CACHE_TTL_SECS * SECOND,
      requireKeyPossession: env.REQUIRE_KEY_POP,
      /** Of each verify worker. */
      agentKeyCache: { max: env.CACHE_AGENT_KEY_MAX, ttlMs: env.CACHE_AGENT_KEY_TTL_SECS * SECOND },
      tokens: {
        secret: env.JWT_SECRET,
        keySetUrl: env.JWKS_URL,
        keySetFile: env.JWKS_FILE === undefined ? undefined : resolve(env.JWKS_FILE),
        issuer: env.JWT_ISSUER,
        audience: env.JWT_AUDIENCE,
      },
      signatureWindowSecs: env.REQUEST_SIGNATURE_WINDOW_SECS,
      /** IP addresses and CIDR ranges; `undefined`: administrators may come from anywhere. */
      adminAddresses: env.ADMIN_IP_ALLOWLIST,
      /** Peers that are believed about the client's address; `undefined`: nobody is. */
      trustedProxies: env.TRUST_PROXY_HEADERS ? (env.TRUST_PROXY_ALLOWLIST ?? PRIVATE_RANGES) : undefined,
      registration: {
        enabled: env.PUBLIC_AGENT_REGISTRATION_ENABLED,
        limit: env.PUBLIC_AGENT_REGISTRATION_RATE_LIMIT_PER_MINUTE,
        windowSecs: env.PUBLIC_AGENT_REGISTRATION_WINDOW_SECONDS,
        callersMax: env.PUBLIC_AGENT_REGISTRATION_MAX_ENTRIES,
      },
    },
    audit: { enabled: env.AUDIT_LOG_ENABLED },
    sequencer: {
      /** UUID in lower case; `undefined`: the service chooses one. */
      id: env.VES_SEQUENCER_ID,
      /** Ed25519 seed, `Uint8Array(32)`. */
      signingKey: env.VES_SEQUENCER_SIGNING_KEY,
      /** Seeds of earlier keys; `undefined`: those kept in `dataDir`. */
      retiredKeys: env.VES_SEQUENCER_RETIRED_KEYS,
      strictFormat: env.VES_STRICT_FORMAT_VALIDATION,
      verifyThreads: env.VERIFY_THREADS ?? defaultVerifyThreads(machine),
      signatures: {
        engine: env.SIGNATURE_ENGINE,
        tableBytesMax: env.SIGNATURE_TABLE_BYTES_MAX,
        crossCheckEvery: env.SIGNATURE_CROSS_CHECK_EVERY,
      },
      partitions: env.PARTITIONS ?? defaultPartitions(machine),
      groupEventsMax: env.GROUP_MAX_EVENTS,
      groupBytesMax: env.GROUP_MAX_BYTES,
      commitTimeoutMs: env.COMMIT_TIMEOUT_MS,
    },
    /** Payloads at rest. */
    encryption: {
      mode: env.PAYLOAD_ENCRYPTION_MODE,
      /** Master keys, the current one first. */
      keys:
        env.PAYLOAD_ENCRYPTION_KEYS ??
        (env.PAYLOAD_ENCRYPTION_KEY === undefined ? [] : [env.PAYLOAD_ENCRYPTION_KEY]),
      keyFile: env.PAYLOAD_ENCRYPTION_KEY_FILE,
      /** By tenant, a UUID in lower case. */
      keysByTenant: env.PAYLOAD_ENCRYPTION_KEYS_BY_TENANT ?? {},
    },
    transparency: {
      origin: env.LOG_ORIGIN,
      /** `*`, `notary`, `<tenant>` or `<tenant>/<store>`. */
      publicLogs: env.PUBLIC_LOGS ?? [],
      notaryIntervalMs: env.NOTARY_INTERVAL_SECS * SECOND,
      witnesses: env.LOG_WITNESSES ?? [],
      witnessQuorum: env.LOG_WITNESS_QUORUM ?? env.LOG_WITNESSES?.length ?? 0,
      /** Otherwise every process does the background work. */
      leaderElection: env.WORKER_LEADER_ELECTION,
      threads: env.PROOF_THREADS,
    },
    commitments: {
      /** 0: on request only. */
      eventsMax: env.COMMITMENT_MAX_EVENTS,
      intervalMs: env.COMMITMENT_INTERVAL_SECS * SECOND,
    },
    caches: {
      legacyCommitments: { max: env.CACHE_COMMITMENT_MAX, ttlMs: env.CACHE_COMMITMENT_TTL_SECS * SECOND },
      legacyProofs: { max: env.CACHE_PROOF_MAX, ttlMs: env.CACHE_PROOF_TTL_SECS * SECOND },
      vesCommitments: {
        max: env.CACHE_VES_COMMITMENT_MAX ?? env.CACHE_COMMITMENT_MAX,
        ttlMs: (env.CACHE_VES_COMMITMENT_TTL_SECS ?? env.CACHE_COMMITMENT_TTL_SECS) * SECOND,
      },
      vesProofs: {
        max: env.CACHE_VES_PROOF_MAX ?? env.CACHE_PROOF_MAX,
        ttlMs: (env.CACHE_VES_PROOF_TTL_SECS ?? env.CACHE_PROOF_TTL_SECS) * SECOND,
      },
    },
    /** `undefined`: no traces. */
    tracing:
      env.OTEL_EXPORTER_OTLP_ENDPOINT === undefined
        ? undefined
        : {
            endpoint: env.OTEL_EXPORTER_OTLP_ENDPOINT.replace(/\/+$/, ''),
            headers: env.OTEL_EXPORTER_OTLP_HEADERS ?? [],
            serviceName: env.OTEL_SERVICE_NAME,
            sampleRate: env.OTEL_SAMPLE_RATE,
          },
    log: { format: env.LOG_FORMAT, level: env.LOG_LEVEL },
    shutdownTimeoutMs: env.SHUTDOWN_TIMEOUT_SECS * SECOND,
  };
}

/** What an operator should hear at start-up although the service does start. */
export const configWarnings = (config: Config): string[] => {
  const warnings: string[] = [];
  const { bootstrapAdminApiKey: key, mode, tokens } = config.auth;
  if (mode === 'disabled') warnings.push('AUTH_MODE=disabled: every request is treated as the administrator');
  if (key && key.length < PRODUCTION_SECRET_LENGTH)
    warnings.push(`BOOTSTRAP_ADMIN_API_KEY has fewer than ${PRODUCTION_SECRET_LENGTH} characters`);
  if (tokens.secret !== undefined && tokens.secret.length < PRODUCTION_SECRET_LENGTH)
    warnings.push(`JWT_SECRET has fewer than ${PRODUCTION_SECRET_LENGTH} characters`);
  return warnings;
};

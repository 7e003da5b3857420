/** What can be chosen about the embedded server; all in bytes. */
export type ServerSettings = {
  /** Unset: 128 MiB, PostgreSQL's own default. */
  readonly sharedBuffers?: number;
  /** Log that may pile up between two checkpoints. Unset: 4 GiB. */
  readonly walSizeMax?: number;
  /** Unset: 60. */
  readonly connectionsMax?: number;
};

const MIB = 1024 ** 2;
const GIB = 1024 * MIB;

const asMegabytes = (bytes: number): string => `${Math.max(1, Math.floor(bytes / MIB))}MB`;

/**
 * Command line for the server. Settings are given here and not in the cluster's files, so that every start has those of
 * this version of the service.
 */
export const settingArguments = (settings: ServerSettings, socketDir: string): string[] => {
  const walSizeMax = settings.walSizeMax ?? 4 * GIB;
  const parameters: Record<string, string> = {
    // Who can connect: processes that may enter the socket's directory.
    listen_addresses: '',
    unix_socket_directories: socketDir,
    unix_socket_permissions: '0700',
    max_connections: String(settings.connectionsMax ?? 60),

    // Durable before acknowledged (law L3).
    fsync: 'on',
    synchronous_commit: 'on',
    full_page_writes: 'on',
    wal_level: 'replica',

    // Checkpoints rewrite full pages and hold up commits: have few, spread over time.
    max_wal_size: asMegabytes(walSizeMax),
    min_wal_size: asMegabytes(Math.min(GIB, walSizeMax / 4)),
    checkpoint_timeout: '15min',
    checkpoint_completion_target: '0.9',
    wal_compression: 'off', // these builds know only pglz, which costs more than it saves

    // Cleaning up must not compete with commits for the processors.
    autovacuum_max_workers: '1',
    autovacuum_vacuum_cost_delay: '10ms',

    shared_buffers: asMegabytes(settings.sharedBuffers ?? 128 * MIB),
    huge_pages: 'try',
    jit: 'off', // all queries are short
    random_page_cost: '1.1', // solid-state disks

    timezone: 'UTC',
    log_timezone: 'UTC',
    lc_messages: 'C',
    log_destination: 'stderr',
    logging_collector: 'off',
    log_min_messages: 'warning',
    log_checkpoints: 'off',
    log_line_prefix: '%m [%p] ',
    cluster_name: 'stateset-sequencer',
  };
  return Object.entries(parameters).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
};

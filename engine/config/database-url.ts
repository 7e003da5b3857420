/**
 * PostgreSQL connection URLs, in the forms that libpq documents ("Connection URIs"), including those that the WHATWG
 * URL parser refuses: several hosts, `%2Fdir` as host, and `postgres://user@/db?host=/dir&port=5432`.
 */

/** Where and how to connect. Structured-cloneable. */
export type ParsedDatabaseUrl = {
  /** Tried in turn. Empty when a Unix socket is used. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  /** Directory of the Unix socket. */
  readonly socketDir: string | undefined;
  /** Port, or the number in the Unix socket's name. */
  readonly port: number;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  readonly sslMode: SslMode | undefined;
  /** What remains of the query: server parameters such as `search_path`, and `sslrootcert`, `sslcert`, `sslkey`. */
  readonly parameters: Readonly<Record<string, string>>;
};

export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof SSL_MODES)[number];

const URL_FORM =
  /^postgres(?:ql)?:\/\/(?:([^:@/?#]*)(?::([^@/?#]*))?@)?([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const HOST_FORM = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]]*))(?::(\d{1,5}))?$/;
const DEFAULT_PORT = 5432;

const isPort = (port: number): boolean => Number.isInteger(port) && port >= 1 && port <= 65535;

/** Parses a connection URL; `undefined` when it is not one. */
export const parseDatabaseUrl = (url: string): ParsedDatabaseUrl | undefined => {
  try {
    const match = URL_FORM.exec(url);
    if (!match) return undefined;
    const decode = (part: string | undefined) => (part ? decodeURIComponent(part) : undefined);
    const query = Object.fromEntries(new URLSearchParams(match[5] ?? ''));
    const { host, port, user, password, dbname, sslmode, ssl, ...parameters } = query;

    const mode = sslmode ?? (ssl === 'true' ? 'require' : ssl === 'false' ? 'disable' : ssl);
    if (mode !== undefined && !SSL_MODES.includes(mode as SslMode)) return undefined;

    const defaultPort = port === undefined ? DEFAULT_PORT : Number(port);
    if (!isPort(defaultPort)) return undefined;
    const hosts = parseHosts(host ?? match[3] ?? '', host !== undefined, defaultPort);
    if (!hosts) return undefined;
    const socket = hosts.find((each) => each.host.startsWith('/'));
    if (socket && hosts.length > 1) return undefined;

    return {
      hosts: socket ? [] : hosts,
      socketDir: socket?.host,
      port: hosts[0]?.port ?? defaultPort,
      user: user ?? decode(match[1]),
      password: password ?? decode(match[2]),
      database: dbname ?? decode(match[4]),
      sslMode: mode as SslMode | undefined,
      parameters,
    };
  } catch {
    return undefined; // malformed percent-encoding
  }
};

function parseHosts(text: string, decoded: boolean, defaultPort: number) {
  if (decoded && text.startsWith('/')) return [{ host: text, port: defaultPort }];
  const hosts: { host: string; port: number }[] = [];
  for (const part of text.split(',')) {
    const match = HOST_FORM.exec(part);
    if (!match) return undefined;
    const host = match[1] ?? decodeURIComponent(match[2] ?? '');
    const port = match[3] === undefined ? defaultPort : Number(match[3]);
    if (!isPort(port)) return undefined;
    hosts.push({ host: host === '' ? 'localhost' : host, port });
  }
  return hosts;
}

/** Names under which the database runs on the same machine or in the same private container network. */
const LOCAL_HOSTS = new Set(['localhost', '127.0.0.1', '::1', 'postgres', 'host.docker.internal']);
const ENCRYPTED_MODES: ReadonlySet<SslMode | undefined> = new Set<SslMode>([
  'require',
  'verify-ca',
  'verify-full',
]);

/** Whether events and credentials would cross a network in plain text (or could be made to, as with `prefer`). */
export const isPlaintextToRemoteHost = (url: ParsedDatabaseUrl): boolean =>
  url.socketDir === undefined &&
  !ENCRYPTED_MODES.has(url.sslMode) &&
  url.parameters.sslrootcert !== 'system' &&
  url.hosts.some(({ host }) => !LOCAL_HOSTS.has(host.toLowerCase()));

/** `stateset-sequencer serve`: reads the configuration, starts the service, prints what to do next, stops in good order. */
import { join, relative } from 'node:path';
import { type Config, loadConfig } from '../engine/config/index.js';
import { toServiceError } from '../engine/errors/index.js';
import { encodeHex } from '../engine/protocol/index.js';
import { ADMIN_KEY_FILE } from './data-dir.js';
import { createLog } from './log.js';
import { type Service, startService } from './service.js';
import { tuneHeap } from './tune-heap.js';
import { VERSION } from './version.js';

/** Runs until a signal arrives or something fatal happens; ends the process. */
export async function serve(): Promise<void> {
  tuneHeap();
  const startedAt = performance.now();
  let config: Config;
  try {
    config = loadConfig();
  } catch (error) {
    console.error(toServiceError(error).message);
    process.exit(2);
  }
  const log = createLog(config.log);
  let service: Service | undefined;
  let stopping = false;

  const stop = (reason: string, exitCode: number): void => {
    // A second signal means: now.
    if (stopping) process.exit(exitCode || 130);
    stopping = true;
    log.info({ reason }, 'stopping: no new requests, finishing those under way');
    const deadline = setTimeout(() => {
      log.error('stopping took too long; ending now (what was acknowledged is stored)');
      process.exit(1);
    }, config.shutdownTimeoutMs);
    void (service?.stop() ?? Promise.resolve()).then(
      () => {
        clearTimeout(deadline);
        log.info('stopped');
        process.exit(exitCode);
      },
      (error) => {
        log.error({ err: error }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  const fatal = (error: Error): void => {
    if (stopping) return;
    log.fatal({ err: error }, 'the service cannot go on; what was acknowledged is stored, start it again');
    process.exit(1);
  };
  process.on('SIGINT', () => stop('SIGINT', 0));
  process.on('SIGTERM', () => stop('SIGTERM', 0));
  // A renewed certificate is taken without a restart.
  process.on('SIGHUP', () => {
    try {
      service?.reloadTls();
      log.info('SIGHUP: the files of TLS were read again');
    } catch (error) {
      log.error({ err: error }, 'SIGHUP: the files of TLS are not used; those read before stay in force');
    }
  });
  process.on('uncaughtException', fatal);
  process.on('unhandledRejection', (reason) =>
    fatal(reason instanceof Error ? reason : new Error(String(reason))),
  );

  try {
    service = await startService(config, log, fatal);
  } catch (error) {
    const { code, message } = toServiceError(error);
    log.fatal(code === 'INTERNAL_ERROR' ? { err: error } : {}, message);
    process.exit(1);
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  if (config.log.format === 'json')
    log.info(
      {
        port: service.port,
        grpc_port: service.grpcPort,
        sequencer_id: service.sequencerId,
        public_key: encodeHex(service.publicKey),
      },
      'ready',
    );
  else process.stdout.write(banner(config, service, seconds));
}

function banner(config: Config, service: Service, seconds: string): string {
  const host = ['0.0.0.0', '::'].includes(config.http.host) ? 'localhost' : config.http.host;
  const url = `http://${host}:${service.port}`;
  const keyFile = shown(join(config.database.dataDir, ADMIN_KEY_FILE));
  const database =
    config.database.url === undefined
      ? `embedded PostgreSQL in ${shown(config.database.dataDir)}`
      : 'DATABASE_URL';
  const key =
    config.auth.mode === 'disabled'
      ? 'none needed (AUTH_MODE=disabled: every request is the administrator’s)'
      : service.ownAdminKey
        ? `administrator’s key in ${keyFile}:  KEY=$(cat ${keyFile})`
        : 'administrator’s key: the BOOTSTRAP_ADMIN_API_KEY you configured';
  const header = config.auth.mode === 'disabled' ? '' : ` -H "authorization: ApiKey $KEY"`;
  return `
  StateSet Sequencer ${VERSION} is ready (${seconds} s, pid ${process.pid})

  url          ${url}
  streams      ${url.replace('http', 'ws')}/ws${service.grpcPort === undefined ? '' : `, gRPC on ${host}:${service.grpcPort}`}
  sequencer    ${service.sequencerId}
  public key   ${encodeHex(service.publicKey)}
  database     ${database}
  key          ${key}

  next         curl ${url}/.well-known/ves-sequencer
               curl${header} ${url}/metrics
               npm run demo                 (agents that sign, push and verify)
  stop         Ctrl-C

`;
}

/** A path as people type it: relative when it lies below the working directory. */
function shown(path: string): string {
  const short = relative(process.cwd(), path) || '.';
  return short.startsWith('..') ? path : short;
}

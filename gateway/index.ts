import type { Logger } from 'pino';
import type { CommitmentService } from '../engine/commitments/index.js';
import type { Config } from '../engine/config/index.js';
import type { Sql } from '../engine/store/connection.js';
import type { SubscriptionHub } from '../engine/subscriptions/index.js';
import type { IngestPort } from '../workers/ingest-port.js';
import { createAuthenticator } from './auth/authenticate.js';
import { createAccessLog } from './http/access-log.js';
import { createBodyBudget } from './http/body.js';
import { createServer } from './http/server.js';
import type { GatewayIdentity } from './identity.js';
import { createRateGate } from './limits/rate-gate.js';
import { createMetrics, type GatewayMetrics, type GatewayStat } from './metrics/metrics.js';
import { routeTable } from './routes/index.js';
import type { TransparencyServices } from './transparency.js';

export type { GatewayIdentity, PublishedKey } from './identity.js';
export type { GatewayMetrics, GatewayStat, GroupSample } from './metrics/metrics.js';
export type { TransparencyServices } from './transparency.js';

/** What the gateway needs from its owner. */
export interface GatewayDeps {
  readonly config: Config;
  /** Pool for reads and administration. */
  readonly sql: Sql;
  /** Pool for checking credentials, so that slow reads cannot hold up ingest; two connections are plenty. Unset: `sql`. */
  readonly authSql?: Sql;
  readonly ingest: IngestPort;
  readonly hub: SubscriptionHub;
  readonly commitments: CommitmentService;
  readonly transparency: TransparencyServices;
  readonly identity: GatewayIdentity;
  readonly log: Logger;
  readonly version: string;
  /** Whether events can be taken; `reason` is shown to operators on `/ready`. */
  readiness(): { ready: boolean; reason?: string };
  /** Called for every `/metrics`. */
  collectStats?(): readonly GatewayStat[];
}

/** The HTTP surface of the service. */
export interface Gateway {
  /** @throws Error when the address cannot be taken. */
  listen(): Promise<{ port: number }>;
  /** Takes no more connections or requests; resolves when the last request in progress has been answered. */
  drain(): Promise<void>;
  /** Ends all connections at once; resolves when nothing of the gateway uses the pools any more. They stay open. */
  close(): Promise<void>;
  readonly metrics: GatewayMetrics;
}

/** Builds the gateway. Nothing is served before `listen`. */
export function createGateway(deps: GatewayDeps): Gateway {
  const { config, sql, ingest, log } = deps;
  const metrics = createMetrics(ingest, deps.collectStats?.bind(deps));
  const accessLog = createAccessLog(log);
  const authenticator = createAuthenticator(config.auth, deps.authSql ?? sql, (err, what) =>
    log.warn({ err }, what),
  );
  let draining = false;

  const server = createServer({
    host: config.http.host,
    port: config.http.port,
    routes: routeTable({
      ...deps,
      metrics,
      readiness: () => (draining ? { ready: false, reason: 'the service is stopping' } : deps.readiness()),
    }),
    requestTimeoutMs: config.http.requestTimeoutMs,
    bodyTimeoutMs: config.http.bodyTimeoutMs,
    bodyBytesMax: config.limits.bodyBytesMax,
    bodyBudget: createBodyBudget(config.limits.inflightBytesMax, () => ingest.inflightBytes),
    authenticate: authenticator.authenticate,
    rateGate: createRateGate(() => performance.now()),
    onDone(exchange, outcome) {
      metrics.observeRequest(exchange, outcome);
      accessLog(exchange, outcome);
    },
  });

  return {
    listen: server.listen,
    drain() {
      draining = true;
      // Subscribers are told where to go on; nothing else would end their answers.
      deps.hub.close();
      return server.drain();
    },
    close() {
      server.close();
      return authenticator.close();
    },
    metrics,
  };
}

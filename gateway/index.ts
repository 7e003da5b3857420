import type { Logger } from 'pino';
import { createClientAddressReader } from '../engine/access/index.js';
import type { CommitmentService } from '../engine/commitments/index.js';
import type { Config } from '../engine/config/index.js';
import type { ConsumerGroups, CursorService } from '../engine/consumers/index.js';
import type { Sql } from '../engine/store/connection.js';
import type { SubscriptionHub } from '../engine/subscriptions/index.js';
import type { IngestPort } from '../workers/ingest-port.js';
import { createAuditor } from './audit.js';
import { createAuthenticator } from './auth/authenticate.js';
import { createGrpcGateway } from './grpc/index.js';
import { createAccessLog } from './http/access-log.js';
import { createBodyBudget } from './http/body.js';
import { createCors } from './http/cors.js';
import type { Exchange } from './http/exchange.js';
import { securityHeaders } from './http/security-headers.js';
import { createServer } from './http/server.js';
import { createTlsFront } from './http/tls-front.js';
import type { GatewayIdentity } from './identity.js';
import { createRateGate } from './limits/rate-gate.js';
import { chargeRate, createRequestRates } from './limits/request-rates.js';
import { createTenantRequests } from './limits/tenant-requests.js';
import { createMetrics, type GatewayMetrics, type GatewayStat } from './metrics/metrics.js';
import { breakerStats, cacheStats, poolStats } from './metrics/operations-stats.js';
import type { Operations } from './operations.js';
import { routeTable } from './routes/index.js';
import type { TransparencyServices } from './transparency.js';
import { createWebSocketGateway } from './ws/index.js';

export type { GatewayIdentity, PublishedKey } from './identity.js';
export type { GatewayMetrics, GatewayStat, GroupSample } from './metrics/metrics.js';
export type { Operations } from './operations.js';
export { startOpenTelemetry } from './telemetry/open-telemetry.js';
export type { Tracing } from './telemetry/tracing.js';
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
  readonly cursors: CursorService;
  readonly consumerGroups: ConsumerGroups;
  readonly commitments: CommitmentService;
  readonly transparency: TransparencyServices;
  readonly identity: GatewayIdentity;
  readonly log: Logger;
  readonly version: string;
  /** Whether events can be taken; `reason` is shown to operators on `/ready`. */
  readiness(): { ready: boolean; reason?: string };
  readonly operations?: Operations;
  /** A replica for reads that may be behind. Unset: `sql`. */
  readonly readSql?: Sql;
  /** Text of docs/http.md, which the description of the interface takes its examples from. */
  readonly httpGuide?: () => string;
  /** Called for every `/metrics`. */
  collectStats?(): readonly GatewayStat[];
}

/** The surface of the service: HTTP, WebSocket and gRPC. */
export interface Gateway {
  /** @throws Error when the address cannot be taken. */
  listen(): Promise<{ port: number; grpcPort: number | undefined }>;
  /** Reads the files of TLS again, those of both ports. @throws ServiceError CONFIGURATION_INVALID, in which case nothing has changed */
  reloadTls(): void;
  /** Takes no more connections or requests; resolves when the last request in progress has been answered. */
  drain(): Promise<void>;
  /** Ends all connections at once; resolves when nothing of the gateway uses the pools any more. They stay open. */
  close(): Promise<void>;
  readonly metrics: GatewayMetrics;
}

/** Builds the gateway. Nothing is served before `listen`. */
export function createGateway(deps: GatewayDeps): Gateway {
  const { config, sql, ingest, log, operations = {} } = deps;
  const metrics = createMetrics(ingest, () => [
    ...(deps.collectStats?.() ?? []),
    ...(operations.pool === undefined ? [] : poolStats(operations.pool.status())),
    ...breakerStats(operations.breakers?.status() ?? []),
    ...cacheStats(operations.caches?.() ?? []),
    ...webSocket.collectStats(),
    ...hubStats(deps.hub),
    {
      name: 'audit_events_logged',
      help: 'Records in the audit log of the database, as last seen',
      value: auditor.recordCount(),
    },
  ]);
  const auditor = createAuditor(deps);
  const accessLog = createAccessLog(log);
  const authenticator = createAuthenticator(config.auth, deps.authSql ?? sql, (err, what) =>
    log.warn({ err }, what),
  );
  const rates = createRequestRates(config.limits, () => performance.now());
  const tenantRequests = createTenantRequests(config.limits.tenantRequestsMax);
  const leaving = new WeakMap<Exchange, () => void>();
  let draining = false;
  const readiness = () => (draining ? { ready: false, reason: 'the service is stopping' } : deps.readiness());

  const clientAddress = createClientAddressReader(config.auth.trustedProxies);
  const isOverloaded = () => operations.pool?.isExhausted() ?? false;
  const webSocket = createWebSocketGateway({
    ...deps,
    clientAddress,
    authenticate: authenticator.authenticate,
    limitRate: (auth) => chargeRate(rates, auth),
    observeIngest: metrics.observeIngest,
    tracing: operations.tracing,
  });
  const grpc = config.grpc.enabled
    ? createGrpcGateway({
        ...deps,
        authenticate: authenticator.authenticate,
        limitRate: (auth) => chargeRate(rates, auth),
        enter: tenantRequests.enter,
        metrics,
        readiness,
        isOverloaded,
        onCall: metrics.observeCall,
        tracing: operations.tracing,
      })
    : undefined;
  const tls = config.http.tls === undefined ? undefined : createTlsFront(config.http.tls);
  const gate = createRateGate(rates);
  const server = createServer({
    host: config.http.host,
    port: config.http.port,
    routes: routeTable({
      ...deps,
      auditor,
      metrics,
      readiness,
      usage: { rates, tenantRequests },
    }),
    requestTimeoutMs: config.http.requestTimeoutMs,
    bodyTimeoutMs: config.http.bodyTimeoutMs,
    bodyBytesMax: config.limits.bodyBytesMax,
    bodyBudget: createBodyBudget(config.limits.inflightBytesMax, () => ingest.inflightBytes),
    authenticate: authenticator.authenticate,
    clientAddress,
    rateGate(exchange) {
      try {
        gate(exchange);
        // Whoever left while the credentials were looked up is not under way any more.
        if (exchange.phase !== 'done') leaving.set(exchange, tenantRequests.enter(exchange.auth));
      } catch (error) {
        metrics.observeRate(false);
        throw error;
      }
      metrics.observeRate(true);
    },
    tls,
    cors: createCors(config.http.corsOrigins),
    headers: securityHeaders(tls !== undefined),
    tracing: operations.tracing,
    isOverloaded,
    attach: webSocket.attach,
    onDone(exchange, outcome) {
      leaving.get(exchange)?.();
      metrics.observeRequest(exchange, outcome);
      accessLog(exchange, outcome);
    },
  });

  return {
    async listen() {
      const { port } = await server.listen();
      return { port, grpcPort: (await grpc?.listen())?.port };
    },
    reloadTls() {
      const steps = [tls?.prepareReload(), grpc?.prepareReload()];
      for (const use of steps) use?.();
    },
    async drain() {
      draining = true;
      // Who waits or follows is told where to go on; nothing else would end these answers.
      const left = webSocket.drain();
      deps.hub.close();
      deps.consumerGroups.close();
      await Promise.all([server.drain(), left, grpc?.drain()]);
    },
    close() {
      webSocket.close();
      grpc?.close();
      server.close();
      return authenticator.close();
    },
    metrics,
  };
}

/** The subscriptions' numbers under the names of `/metrics`. */
function hubStats({ stats }: SubscriptionHub): GatewayStat[] {
  const stat = (name: string, help: string, value: number): GatewayStat => ({ name, help, value });
  return [
    stat('subscriptions', 'Subscriptions of all protocols', stats.subscriptions),
    stat('subscription_feeds', 'Streams being followed, by format and filter', stats.feeds),
    stat('subscription_chunks_encoded', 'Pieces of streams encoded for feeds', stats.chunksEncoded),
    stat('subscription_chunks_delivered', 'Pieces of streams handed to subscribers', stats.chunksDelivered),
    stat('subscription_events_delivered', 'Events handed to subscribers', stats.eventsDelivered),
    stat('subscription_pages_read', 'Pages read for subscribers who were behind', stats.pagesRead),
  ];
}

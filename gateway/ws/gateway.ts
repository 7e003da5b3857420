import uWS, { type TemplatedApp, type WebSocket } from 'uWebSockets.js';
import { ServiceError } from '../../engine/errors/index.js';
import { ENDPOINT_PATH } from '../../engine/wire/index.js';
import type { GatewayStat } from '../metrics/metrics.js';
import { type Connection, createConnection, type Visitor } from './connection.js';
import type { ConnectionDeps, WebSocketGatewayDeps } from './deps.js';
import { createEventsFrames } from './events-frame.js';
import { createOutboxes } from './outbox.js';
import { collectWebSocketStats, createStats, type WebSocketStats } from './stats.js';
import { createUpgrade } from './upgrade.js';

const TICK_MS = 1000;
const DRAIN_POLL_MS = 20;

/** The binary WebSocket endpoint. */
export interface WebSocketGateway {
  /** Adds the endpoint to an app that does not listen yet. Does nothing when `WS_ENABLED` is off. */
  attach(app: TemplatedApp): void;
  /** Takes no more connections, ends subscriptions with their cursors, answers the pushes under way; resolves when all have left. */
  drain(): Promise<void>;
  /** Ends all connections at once. */
  close(): void;
  readonly stats: Readonly<WebSocketStats>;
  /** The same for `/metrics`. */
  collectStats(): GatewayStat[];
}

type Session = Visitor & { connection?: Connection };

export function createWebSocketGateway(deps: WebSocketGatewayDeps): WebSocketGateway {
  const { webSocket: limits } = deps.config;
  const stats = createStats();
  const open = new Map<Connection, WebSocket<Session>>();
  /** Tenant of each connection that said who it is, and connections per tenant. */
  const tenants = new Map<Connection, string>();
  const perTenant = new Map<string, number>();
  let draining = false;
  let timer: NodeJS.Timeout | undefined;

  const shared: ConnectionDeps = {
    ...deps,
    stats,
    eventsFrames: createEventsFrames(),
    openOutbox: createOutboxes({ compress: limits.compression, stats }),
    admit(connection, { tenant }) {
      const count = perTenant.get(tenant) ?? 0;
      if (count >= limits.tenantConnectionsMax)
        return new ServiceError(
          'OVERLOADED',
          `A tenant may hold ${limits.tenantConnectionsMax} connections: close some, or share one among more subscriptions`,
          { details: { limit_of: 'tenant', limit: limits.tenantConnectionsMax } },
        );
      perTenant.set(tenant, count + 1);
      tenants.set(connection, tenant);
      return undefined;
    },
  };

  function forget(connection: Connection): void {
    open.delete(connection);
    stats.connections = open.size;
    const tenant = tenants.get(connection);
    if (tenant === undefined) return;
    tenants.delete(connection);
    const left = perTenant.get(tenant)! - 1;
    if (left === 0) perTenant.delete(tenant);
    else perTenant.set(tenant, left);
  }

  function tick(): void {
    const now = performance.now();
    for (const connection of [...open.keys()]) connection.tick(now);
  }

  return {
    attach(app) {
      if (!limits.enabled) return;
      timer ??= setInterval(tick, TICK_MS).unref();
      app.ws<Session>(ENDPOINT_PATH, {
        compression: limits.compression ? uWS.SHARED_COMPRESSOR : uWS.DISABLED,
        maxPayloadLength: limits.frameBytesMax,
        idleTimeout: limits.idleTimeoutSecs,
        sendPingsAutomatically: true,
        maxBackpressure: 0, // none: nothing may be dropped, and the outbox keeps to its own limit
        upgrade: createUpgrade({
          authenticate: deps.authenticate,
          clientAddress: deps.clientAddress,
          refuse: () => {
            if (draining)
              return new ServiceError(
                'SERVICE_UNAVAILABLE',
                'The service is stopping; another instance may answer',
              );
            if (open.size < limits.connectionsMax) return undefined;
            return new ServiceError('OVERLOADED', 'The service holds as many connections as it admits', {
              details: { limit_of: 'service', limit: limits.connectionsMax },
            });
          },
          onRefused: () => {
            stats.refused++;
          },
        }),
        open(socket) {
          const session = socket.getUserData();
          const connection = createConnection(socket as WebSocket<unknown>, session, shared);
          session.connection = connection;
          open.set(connection, socket);
          stats.accepted++;
          stats.connections = open.size;
          if (draining) connection.drain();
        },
        message: (socket, message, isBinary) =>
          socket.getUserData().connection!.message(new Uint8Array(message), isBinary),
        drain: (socket) => socket.getUserData().connection!.drained(),
        close(socket, code) {
          const { connection, sessionId } = socket.getUserData();
          forget(connection!);
          connection!.gone();
          deps.log.debug({ sessionId, code }, 'websocket closed');
        },
      });
    },
    async drain() {
      draining = true;
      for (const connection of [...open.keys()]) connection.drain();
      while (open.size > 0) await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    },
    close() {
      draining = true;
      clearInterval(timer);
      for (const socket of [...open.values()]) socket.close();
    },
    stats,
    collectStats: () => collectWebSocketStats(stats),
  };
}

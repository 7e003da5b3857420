import type { Config } from '../../engine/config/index.js';
import type { IngestPort } from '../../workers/ingest-port.js';
import { answering } from '../http/exchange.js';
import { json } from '../http/reply.js';
import type { Route } from '../http/router.js';
import { SMALL_BODY_BYTES_MAX } from '../http/server.js';
import type { RateStanding, RequestRates } from '../limits/request-rates.js';
import type { TenantRequests } from '../limits/tenant-requests.js';

/** What counts requests. */
export interface LimitUsage {
  readonly rates: RequestRates;
  readonly tenantRequests: TenantRequests;
}

export interface LimitDeps {
  readonly config: Config;
  readonly ingest: IngestPort;
  /** Unset: nothing is counted. */
  readonly usage?: LimitUsage;
}

/** `GET /api/v1/limits`: what holds for the caller, and how much of it is used. */
export const limitRoutes = ({ config: { limits, webSocket, grpc }, ingest, usage }: LimitDeps): Route[] => [
  {
    method: 'GET',
    path: '/api/v1/limits',
    scope: 'authenticated',
    essential: true,
    handler: answering(({ auth }) => {
      const standings = usage?.rates.look(auth) ?? [];
      const rateOf = (of: RateStanding['of']) => renderRate(standings.find((each) => each.of === of));
      const underWay = ingest.usageOf?.(auth.ingestScope.tenant) ?? { bytes: 0, requests: 0 };
      return json({
        tenant_id: auth.tenant,
        rate: { credentials: rateOf('credentials'), tenant: rateOf('tenant') },
        requests_under_way: { limit: limits.tenantRequestsMax, used: usage?.tenantRequests.held(auth) ?? 0 },
        ingest: {
          requests: { limit: limits.tenantInflightRequestsMax, used: underWay.requests },
          bytes: { limit: limits.tenantInflightBytesMax, used: underWay.bytes },
        },
        sizes: {
          max_body_bytes: limits.bodyBytesMax,
          max_other_body_bytes: Math.min(limits.bodyBytesMax, SMALL_BODY_BYTES_MAX),
          max_events_per_batch: limits.batchEventsMax,
          max_event_payload_bytes: limits.payloadBytesMax,
        },
        websocket: {
          max_connections: webSocket.tenantConnectionsMax,
          max_frame_bytes: webSocket.frameBytesMax,
          max_pushes_under_way: webSocket.inflightPushesMax,
          max_push_bytes_under_way: webSocket.inflightBytesMax,
          max_subscriptions: webSocket.subscriptionsMax,
        },
        grpc: { max_message_bytes: grpc.messageBytesMax, max_calls_per_connection: grpc.streamsMax },
      });
    }),
  },
];

const renderRate = (standing: RateStanding | undefined) =>
  standing === undefined
    ? null
    : {
        limit: standing.limit,
        window_seconds: standing.windowSecs,
        remaining: standing.remaining,
        reset_seconds: standing.waitSecs,
      };

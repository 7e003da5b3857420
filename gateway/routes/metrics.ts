import { answering } from '../http/exchange.js';
import type { Route } from '../http/router.js';
import type { GatewayMetrics } from '../metrics/metrics.js';

/** `/metrics` in the Prometheus text format; for administrators unless configured otherwise. */
export const metricsRoutes = (deps: { metrics: GatewayMetrics; metricsPublic: boolean }): Route[] => [
  {
    method: 'GET',
    path: '/metrics',
    scope: deps.metricsPublic ? 'public' : 'admin',
    essential: true,
    handler: answering(async () => ({
      status: 200,
      contentType: deps.metrics.contentType,
      body: await deps.metrics.render(),
    })),
  },
];

import type { Route } from '../http/router.js';
import type { GatewayDeps } from '../index.js';
import type { GatewayMetrics } from '../metrics/metrics.js';
import { agentKeyRoutes } from './agent-keys.js';
import { apiKeyRoutes } from './api-keys.js';
import { errorDocsRoutes } from './error-docs.js';
import { healthRoutes } from './health.js';
import { ingestRoutes } from './ingest.js';
import { legacyReadRoutes } from './legacy-reads.js';
import { metricsRoutes } from './metrics.js';
import { signingKeyRoutes } from './signing-keys.js';
import { vesReadRoutes } from './ves-reads.js';
import { wellKnownRoutes } from './well-known.js';

/** What the routes work with. */
export interface RouteDeps extends GatewayDeps {
  readonly metrics: GatewayMetrics;
}

/** Every route of the service. */
export const routeTable = (deps: RouteDeps): Route[] => [
  ...ingestRoutes(deps),
  ...vesReadRoutes(deps),
  ...legacyReadRoutes(deps),
  ...agentKeyRoutes(deps),
  ...signingKeyRoutes(deps),
  ...apiKeyRoutes(deps),
  ...healthRoutes(deps),
  ...metricsRoutes({ metrics: deps.metrics, metricsPublic: deps.config.http.metricsPublic }),
  ...wellKnownRoutes(deps),
  ...errorDocsRoutes(),
];

import { type Auditor, createAuditor } from '../audit.js';
import type { Route } from '../http/router.js';
import type { GatewayDeps } from '../index.js';
import type { GatewayMetrics } from '../metrics/metrics.js';
import { adminStatisticsRoutes } from './admin-statistics.js';
import { agentKeyRoutes } from './agent-keys.js';
import { agentPolicyRoutes } from './agent-policies.js';
import { agentRoutes } from './agents.js';
import { anchorCompatRoutes } from './anchor-compat.js';
import { apiDocsRoutes } from './api-docs.js';
import { apiKeyRoutes } from './api-keys.js';
import { auditRoutes } from './audit.js';
import { consumerGroupRoutes } from './consumer-groups.js';
import { cursorRoutes } from './cursors.js';
import { errorDocsRoutes } from './error-docs.js';
import { eventStreamRoutes } from './event-stream.js';
import { healthRoutes } from './health.js';
import { ingestRoutes } from './ingest.js';
import { legacyCommitmentRoutes } from './legacy-commitments.js';
import { legacyReadRoutes } from './legacy-reads.js';
import { type LimitUsage, limitRoutes } from './limits.js';
import { logRoutes } from './log.js';
import { logTileRoutes } from './log-tiles.js';
import { metricsRoutes } from './metrics.js';
import { notaryRoutes } from './notary.js';
import { signingKeyRoutes } from './signing-keys.js';
import { vesCommitmentRoutes } from './ves-commitments.js';
import { vesReadRoutes } from './ves-reads.js';
import { wellKnownRoutes } from './well-known.js';

/** What the routes work with. */
export interface RouteDeps extends GatewayDeps {
  readonly metrics: GatewayMetrics;
  readonly auditor: Auditor;
  /** What counts requests; unset: nothing is counted. */
  readonly usage?: LimitUsage;
}

/** Every route of the service. */
export const routeTable = (given: Omit<RouteDeps, 'auditor'> & { readonly auditor?: Auditor }): Route[] =>
  withDocs({ ...given, auditor: given.auditor ?? createAuditor(given) });

function withDocs(deps: RouteDeps): Route[] {
  const routes = routesOf(deps);
  return [...routes, ...apiDocsRoutes(routes, deps)];
}

const routesOf = (deps: RouteDeps): Route[] => [
  ...ingestRoutes(deps),
  ...eventStreamRoutes({ hub: deps.hub, ...deps.config.streams }),
  ...vesReadRoutes(deps),
  ...cursorRoutes(deps),
  ...consumerGroupRoutes(deps),
  ...legacyReadRoutes(deps),
  ...vesCommitmentRoutes(deps),
  ...legacyCommitmentRoutes(deps),
  ...anchorCompatRoutes(deps),
  ...logRoutes(deps),
  ...logTileRoutes(deps),
  ...notaryRoutes(deps),
  ...agentKeyRoutes(deps),
  ...signingKeyRoutes(deps),
  ...apiKeyRoutes(deps),
  ...agentRoutes({
    ...deps,
    onRegistration: (outcome, reason) =>
      deps.metrics.count('agent_registration_total', 'Public registrations of agents', { outcome, reason }),
  }),
  ...agentPolicyRoutes(deps),
  ...auditRoutes(deps),
  ...adminStatisticsRoutes(deps),
  ...limitRoutes(deps),
  ...healthRoutes(deps),
  ...metricsRoutes({ metrics: deps.metrics, metricsPublic: deps.config.http.metricsPublic }),
  ...wellKnownRoutes(deps),
  ...errorDocsRoutes(),
];

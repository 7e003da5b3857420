import { z } from 'zod';
import {
  type AgentFigures,
  readAgentFigures,
  readOverview,
  readStoreFigures,
  readTenantFigures,
  type StatisticsScope,
  type StoreFigures,
  type TenantFigures,
} from '../../engine/store/admin-statistics.js';
import type { Sql } from '../../engine/store/connection.js';
import { requireTenant } from '../auth/scopes.js';
import { answering, type Exchange } from '../http/exchange.js';
import { json } from '../http/reply.js';
import type { Route } from '../http/router.js';
import { uuid, wholeNumber } from '../input/fields.js';
import { parseQuery } from '../input/parse.js';
import { timestampOrNull } from '../render/timestamp.js';

/** Rows of one answer; the lately active come first. */
const ROWS_MAX = 200;

export const StatisticsQuery = z.object({
  tenant_id: uuid().optional(),
  limit: wholeNumber(ROWS_MAX, 1).transform(Number).optional(),
});

/** Figures for administrators: the bootstrap administrator sees all tenants, others their own. */
export const adminStatisticsRoutes = ({ sql }: { sql: Sql }): Route[] => {
  const get = (what: string, read: (scope: StatisticsScope) => Promise<object>): Route => ({
    method: 'GET',
    path: `/api/v1/admin/${what}`,
    scope: 'admin',
    handler: answering(async (exchange) => json(await read(scopeOf(exchange)))),
  });
  return [
    get('overview', async ({ tenantId }) => {
      const { signingKeys, activeSigningKeys, vesHeadSequence, legacyHeadSequence, lastActivityAt, ...rest } =
        await readOverview(sql, tenantId);
      return {
        ...rest,
        signingKeys,
        activeSigningKeys,
        totalHeadSequence: vesHeadSequence + legacyHeadSequence,
        vesHeadSequence,
        legacyHeadSequence,
        maxProjectionLag: null,
        lastActivityAt: timestampOrNull(lastActivityAt),
      };
    }),
    get('tenants', async (scope) => (await readTenantFigures(sql, scope)).map(tenantJson)),
    get('stores', async (scope) => (await readStoreFigures(sql, scope)).map(storeJson)),
    get('agents', async (scope) => (await readAgentFigures(sql, scope)).map(agentJson)),
  ];
};

function scopeOf(exchange: Exchange): StatisticsScope {
  const { auth } = exchange;
  const query = parseQuery(StatisticsQuery, exchange);
  if (query.tenant_id !== undefined) requireTenant(auth, query.tenant_id);
  const tenantId = query.tenant_id ?? (auth.bootstrap ? undefined : auth.tenant); // L10
  return { tenantId, limit: query.limit ?? ROWS_MAX };
}

// Nothing is projected by the service: lags and projected sequences are null, not 0, which would claim that they are up to date.

const tenantJson = (row: TenantFigures) => ({
  tenantId: row.tenantId,
  agentCount: row.agentCount,
  apiKeyCount: row.apiKeys,
  activeApiKeys: row.activeApiKeys,
  signingKeyCount: row.signingKeys,
  activeSigningKeys: row.activeSigningKeys,
  storeCount: row.storeCount,
  totalHeadSequence: row.vesHeadSequence + row.legacyHeadSequence,
  vesHeadSequence: row.vesHeadSequence,
  legacyHeadSequence: row.legacyHeadSequence,
  activeStores24h: row.activeStores24h,
  maxProjectionLag: null,
  lastKeyAt: timestampOrNull(row.lastKeyAt),
  lastActivityAt: timestampOrNull(row.lastActivityAt),
});

const storeJson = (row: StoreFigures) => ({
  tenantId: row.tenantId,
  storeId: row.storeId,
  headSequence: row.vesHeadSequence + row.legacyHeadSequence,
  vesHeadSequence: row.vesHeadSequence,
  legacyHeadSequence: row.legacyHeadSequence,
  lastProjectedSequence: null,
  projectionLag: null,
  agentCount: row.agentCount,
  lastAgentSyncAt: timestampOrNull(row.lastAgentSyncAt),
  updatedAt: timestampOrNull(row.updatedAt),
});

const agentJson = (row: AgentFigures) => ({
  tenantId: row.tenantId,
  agentId: row.agentId,
  permissions: row.canAdmin ? 'admin' : row.canWrite ? 'read_write' : row.canRead ? 'read' : 'none',
  storeScope: row.allStores ? 'all' : 'scoped',
  apiKeyCount: row.apiKeyCount,
  activeApiKeys: row.activeApiKeys,
  signingKeyCount: row.signingKeyCount,
  activeSigningKeys: row.activeSigningKeys,
  firstKeyAt: timestampOrNull(row.firstKeyAt),
  lastKeyAt: timestampOrNull(row.lastKeyAt),
  storeId: row.storeId,
  lastSyncAt: timestampOrNull(row.lastSyncAt),
  lastPushedSequence: null,
  lastPulledSequence: row.acknowledgedSequence,
});

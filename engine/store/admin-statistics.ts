/**
 * Figures for administrators, over both kinds of streams. They read counters and keys, never events: their cost grows with the
 * number of streams and keys. Timestamps are the server's text.
 */
import type { Statements } from './commitment-rows.js';
import type { Sql } from './connection.js';

/** Whose figures; unset: of all tenants. A page of at most `limit` rows. */
export interface StatisticsScope {
  readonly tenantId?: string | undefined;
  readonly limit: number;
}

export type Overview = {
  readonly tenants: number;
  readonly stores: number;
  readonly agents: number;
  readonly apiKeys: number;
  readonly activeApiKeys: number;
  readonly signingKeys: number;
  readonly activeSigningKeys: number;
  readonly vesHeadSequence: number;
  readonly legacyHeadSequence: number;
  readonly activeStores24h: number;
  readonly lastActivityAt: string | null;
};

export type TenantFigures = Omit<Overview, 'tenants' | 'stores' | 'agents'> & {
  readonly tenantId: string;
  readonly storeCount: number;
  readonly agentCount: number;
  readonly lastKeyAt: string | null;
};

export type StoreFigures = {
  readonly tenantId: string;
  readonly storeId: string;
  readonly vesHeadSequence: number;
  readonly legacyHeadSequence: number;
  readonly agentCount: number;
  readonly lastAgentSyncAt: string | null;
  readonly updatedAt: string;
};

export type AgentFigures = {
  readonly tenantId: string;
  readonly agentId: string;
  readonly canRead: boolean;
  readonly canWrite: boolean;
  readonly canAdmin: boolean;
  /** Whether one of the active keys reaches all stores. */
  readonly allStores: boolean;
  readonly apiKeyCount: number;
  readonly activeApiKeys: number;
  readonly signingKeyCount: number;
  readonly activeSigningKeys: number;
  readonly firstKeyAt: string | null;
  readonly lastKeyAt: string | null;
  readonly storeId: string | null;
  readonly lastSyncAt: string | null;
  readonly acknowledgedSequence: number | null;
};

const ofTenant = (sql: Statements, { tenantId }: StatisticsScope) =>
  tenantId === undefined ? sql`true` : sql`tenant_id = ${tenantId}`;

/** Every store with its two heads. By the counters' primary keys. */
const stores = (sql: Statements, scope: StatisticsScope) => sql`
  select tenant_id, store_id, coalesce(v.current_sequence, 0) as ves, coalesce(l.current_sequence, 0) as legacy,
    greatest(v.updated_at, l.updated_at) as updated_at
  from (select * from ves_sequence_counters where ${ofTenant(sql, scope)}) v
  full join (select * from sequence_counters where ${ofTenant(sql, scope)}) l using (tenant_id, store_id)`;

/** Every agent that has a key of either kind or a cursor. */
const agents = (sql: Statements, scope: StatisticsScope) => sql`
  select tenant_id, agent_id from agent_signing_keys where ${ofTenant(sql, scope)}
  union select tenant_id, agent_id from api_keys where agent_id is not null and ${ofTenant(sql, scope)}
  union select tenant_id, agent_id from agent_sync_state where ${ofTenant(sql, scope)}`;

const RECENT = '24 hours';

export async function readOverview(sql: Sql, tenantId: string | undefined): Promise<Overview> {
  const scope = { tenantId, limit: 1 };
  const [row] = await sql<Overview[]>`
    with s as (${stores(sql, scope)}), a as (${agents(sql, scope)}),
      k as (select * from api_keys where ${ofTenant(sql, scope)}),
      g as (select * from agent_signing_keys where ${ofTenant(sql, scope)})
    select
      (select count(*) from (select tenant_id from s union select tenant_id from a union select tenant_id from k) t)::float8 as tenants,
      (select count(*) from s)::float8 as stores,
      (select count(*) from a)::float8 as agents,
      (select count(*) from k)::float8 as "apiKeys",
      (select count(*) from k where active)::float8 as "activeApiKeys",
      (select count(*) from g)::float8 as "signingKeys",
      (select count(*) from g where status = 'active')::float8 as "activeSigningKeys",
      (select coalesce(sum(ves), 0) from s)::float8 as "vesHeadSequence",
      (select coalesce(sum(legacy), 0) from s)::float8 as "legacyHeadSequence",
      (select count(*) from s where updated_at > now() - ${RECENT}::interval)::float8 as "activeStores24h",
      (select max(updated_at) from s where ves + legacy > 0) as "lastActivityAt"`;
  return row!;
}

/** Tenants, the lately active first. */
export const readTenantFigures = (sql: Sql, scope: StatisticsScope): Promise<TenantFigures[]> =>
  sql<TenantFigures[]>`
    with s as (
      select tenant_id, count(*) as stores, sum(ves) as ves, sum(legacy) as legacy,
        count(*) filter (where updated_at > now() - ${RECENT}::interval) as recent, max(updated_at) as updated_at
      from (${stores(sql, scope)}) each group by 1
    ), a as (select tenant_id, count(*) as agents from (${agents(sql, scope)}) each group by 1),
    k as (
      select tenant_id, count(*) as keys, count(*) filter (where active) as active, max(created_at) as last_at
      from api_keys where ${ofTenant(sql, scope)} group by 1
    ), g as (
      select tenant_id, count(*) as keys, count(*) filter (where status = 'active') as active, max(created_at) as last_at
      from agent_signing_keys where ${ofTenant(sql, scope)} group by 1
    )
    select tenant_id as "tenantId", coalesce(s.stores, 0)::float8 as "storeCount", coalesce(a.agents, 0)::float8 as "agentCount",
      coalesce(k.keys, 0)::float8 as "apiKeys", coalesce(k.active, 0)::float8 as "activeApiKeys",
      coalesce(g.keys, 0)::float8 as "signingKeys", coalesce(g.active, 0)::float8 as "activeSigningKeys",
      coalesce(s.ves, 0)::float8 as "vesHeadSequence", coalesce(s.legacy, 0)::float8 as "legacyHeadSequence",
      coalesce(s.recent, 0)::float8 as "activeStores24h", greatest(k.last_at, g.last_at) as "lastKeyAt",
      s.updated_at as "lastActivityAt"
    from s full join a using (tenant_id) full join k using (tenant_id) full join g using (tenant_id)
    order by s.updated_at desc nulls last, tenant_id limit ${scope.limit}`;

/** Stores, the lately active first. */
export const readStoreFigures = (sql: Sql, scope: StatisticsScope): Promise<StoreFigures[]> =>
  sql<StoreFigures[]>`
    select s.tenant_id as "tenantId", s.store_id as "storeId", s.ves::float8 as "vesHeadSequence",
      s.legacy::float8 as "legacyHeadSequence", s.updated_at as "updatedAt", coalesce(c.agents, 0)::float8 as "agentCount",
      c.last_at as "lastAgentSyncAt"
    from (select * from (${stores(sql, scope)}) every order by updated_at desc, tenant_id, store_id limit ${scope.limit}) s
    left join lateral (
      select count(*) as agents, max(updated_at) as last_at from agent_sync_state
      where tenant_id = s.tenant_id and store_id = s.store_id
    ) c on true
    order by s.updated_at desc, s.tenant_id, s.store_id`;

/** Agents with the permissions of their active API keys, those with the newest keys first. */
export const readAgentFigures = (sql: Sql, scope: StatisticsScope): Promise<AgentFigures[]> =>
  sql<AgentFigures[]>`
    select a.tenant_id as "tenantId", a.agent_id as "agentId", coalesce(k.can_read, false) as "canRead",
      coalesce(k.can_write, false) as "canWrite", coalesce(k.can_admin, false) as "canAdmin",
      coalesce(k.all_stores, false) as "allStores", coalesce(k.keys, 0)::float8 as "apiKeyCount",
      coalesce(k.active, 0)::float8 as "activeApiKeys", coalesce(g.keys, 0)::float8 as "signingKeyCount",
      coalesce(g.active, 0)::float8 as "activeSigningKeys", least(k.first_at, g.first_at) as "firstKeyAt",
      greatest(k.last_at, g.last_at) as "lastKeyAt", c.store_id as "storeId", c.updated_at as "lastSyncAt",
      c.acknowledged_sequence::float8 as "acknowledgedSequence"
    from (${agents(sql, scope)}) a
    left join lateral (
      select count(*) as keys, count(*) filter (where active) as active, min(created_at) as first_at, max(created_at) as last_at,
        bool_or(can_read) filter (where active) as can_read, bool_or(can_write) filter (where active) as can_write,
        bool_or(can_admin) filter (where active) as can_admin, bool_or(store_ids = '{}') filter (where active) as all_stores
      from api_keys where tenant_id = a.tenant_id and agent_id = a.agent_id
    ) k on true
    left join lateral (
      select count(*) as keys, count(*) filter (where status = 'active') as active, min(created_at) as first_at,
        max(created_at) as last_at
      from agent_signing_keys where tenant_id = a.tenant_id and agent_id = a.agent_id
    ) g on true
    left join lateral (
      select store_id, updated_at, acknowledged_sequence from agent_sync_state
      where tenant_id = a.tenant_id and agent_id = a.agent_id order by updated_at desc limit 1
    ) c on true
    order by "lastKeyAt" desc nulls last, a.tenant_id, a.agent_id limit ${scope.limit}`;

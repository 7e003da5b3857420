import { randomUUID } from 'node:crypto';
import type { Sql } from '../store/connection.js';

/** An agent that registered itself. Ids are lower-case hyphenated UUIDs. */
export interface RegisteredAgent {
  readonly tenantId: string;
  readonly agentId: string;
}

/** Makes a new tenant with one agent. */
export async function insertAgent(
  sql: Sql,
  { name, description }: { name: string; description: string | null },
): Promise<RegisteredAgent> {
  const agent = { tenantId: randomUUID(), agentId: randomUUID() };
  await sql`
    insert into agents (tenant_id, agent_id, name, description)
    values (${agent.tenantId}, ${agent.agentId}, ${name}, ${description})`;
  return agent;
}

/** What an agent's API keys allow together, and its name if it registered itself. */
export type AgentDetails = {
  readonly name: string | null;
  readonly description: string | null;
  /** Whether it has an API key that can be used. */
  readonly active: boolean;
  readonly canWrite: boolean;
  readonly canAdmin: boolean;
  /** Empty = all stores of the tenant. */
  readonly storeIds: readonly string[];
  /** Requests per minute; `null`: a key has no limit. */
  readonly rateLimit: number | null;
};

/**
 * Everything known about an agent; `undefined` if it has neither registered itself nor ever had an API key or signing key. By the primary
 * keys and the index (tenant_id, agent_id, created_at) of api_keys.
 */
export async function findAgentDetails(sql: Sql, agent: RegisteredAgent): Promise<AgentDetails | undefined> {
  const { tenantId, agentId } = agent;
  const [row] = await sql<(AgentDetails & { known: boolean })[]>`
    select a.name, a.description, k.usable > 0 as active,
           k.can_write as "canWrite", k.can_admin as "canAdmin",
           case when k.everywhere then '{}'::uuid[] else
             array(select distinct unnest(store_ids) from api_keys where tenant_id = ${tenantId} and agent_id = ${agentId}
                   and active and (expires_at is null or expires_at > now()) order by 1) end as "storeIds",
           case when k.unlimited then null else k.rate_limit end as "rateLimit",
           (a.agent_id is not null or k.total > 0
            or exists (select from agent_signing_keys where tenant_id = ${tenantId} and agent_id = ${agentId})) as known
    from (select count(*) as total, count(*) filter (where usable) as usable,
                 coalesce(bool_or(can_write) filter (where usable), false) as can_write,
                 coalesce(bool_or(can_admin) filter (where usable), false) as can_admin,
                 coalesce(bool_or(store_ids = '{}') filter (where usable), true) as everywhere,
                 coalesce(bool_or(rate_limit is null) filter (where usable), true) as unlimited,
                 max(rate_limit) filter (where usable) as rate_limit
          from (select *, active and (expires_at is null or expires_at > now()) as usable from api_keys
                where tenant_id = ${tenantId} and agent_id = ${agentId}) as mine) as k
    left join agents a on a.tenant_id = ${tenantId} and a.agent_id = ${agentId}`;
  if (row === undefined || !row.known) return undefined;
  const { known: _, ...details } = row;
  return details;
}

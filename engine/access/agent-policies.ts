import type { AuditRecord } from '../store/audit-entry.js';
import { appendAudit } from '../store/audit-log.js';
import type { Sql } from '../store/connection.js';
import type { AgentPolicy } from './agent-policy.js';

/** Names an agent of a tenant by UUIDs in any spelling that the database reads. */
export type AgentRef = { readonly tenantId: string; readonly agentId: string };

/** A stored policy. `updatedAt` is the server's text in UTC. */
export type AgentPolicyRow = AgentPolicy & { readonly updatedAt: string };

/** The agent's policy; `undefined` if it has none. By the primary key. */
export async function readAgentPolicy(
  sql: Sql,
  { tenantId, agentId }: AgentRef,
): Promise<AgentPolicyRow | undefined> {
  const [row] = await sql<AgentPolicyRow[]>`
    select allowed_event_types as "allowedEventTypes", allowed_entity_types as "allowedEntityTypes",
           require_base_version as "requireBaseVersion", max_payload_bytes::float8 as "maxPayloadBytes", enabled,
           updated_at as "updatedAt"
    from agent_policies where tenant_id = ${tenantId} and agent_id = ${agentId}`;
  return row;
}

/** Sets the whole policy. Every process enforces it within a second (a trigger tells them). */
export async function writeAgentPolicy(
  sql: Sql,
  agent: AgentRef,
  policy: AgentPolicy,
  audit?: AuditRecord,
): Promise<AgentPolicyRow> {
  const { allowedEventTypes, allowedEntityTypes, requireBaseVersion, maxPayloadBytes, enabled } = policy;
  return sql.begin(async (tx) => {
    const [row] = await tx<AgentPolicyRow[]>`
    insert into agent_policies (tenant_id, agent_id, allowed_event_types, allowed_entity_types, require_base_version,
                                max_payload_bytes, enabled)
    values (${agent.tenantId}, ${agent.agentId}, ${[...allowedEventTypes]}::text[], ${[...allowedEntityTypes]}::text[],
            ${requireBaseVersion}, ${maxPayloadBytes}, ${enabled})
    on conflict (tenant_id, agent_id) do update set
      allowed_event_types = excluded.allowed_event_types, allowed_entity_types = excluded.allowed_entity_types,
      require_base_version = excluded.require_base_version, max_payload_bytes = excluded.max_payload_bytes,
      enabled = excluded.enabled, updated_at = now()
    returning allowed_event_types as "allowedEventTypes", allowed_entity_types as "allowedEntityTypes",
              require_base_version as "requireBaseVersion", max_payload_bytes::float8 as "maxPayloadBytes", enabled,
              updated_at as "updatedAt"`;
    if (audit !== undefined) await appendAudit(tx, audit);
    return row!;
  });
}

/** A policy and whose it is. Ids are 32 lower-case hex digits. */
export type FoundPolicy = AgentPolicy & { readonly tenant: string; readonly agent: string };

/** The policies of many agents in one statement, by the primary key; agents without one are missing from the answer. */
export async function findAgentPolicies(
  sql: Sql,
  agents: readonly { readonly tenant: string; readonly agent: string }[],
): Promise<FoundPolicy[]> {
  if (agents.length === 0) return [];
  return sql<FoundPolicy[]>`
    select replace(p.tenant_id::text, '-', '') as tenant, replace(p.agent_id::text, '-', '') as agent,
           p.allowed_event_types as "allowedEventTypes", p.allowed_entity_types as "allowedEntityTypes",
           p.require_base_version as "requireBaseVersion", p.max_payload_bytes::float8 as "maxPayloadBytes", p.enabled
    from (select distinct * from unnest(${agents.map((each) => each.tenant)}::uuid[], ${agents.map((each) => each.agent)}::uuid[]))
           as r (tenant_id, agent_id)
    join agent_policies p using (tenant_id, agent_id)`;
}

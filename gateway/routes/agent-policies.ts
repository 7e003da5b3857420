import { z } from 'zod';
import {
  type AgentPolicyRow,
  isPolicyRule,
  POLICY_RULES_MAX,
  readAgentPolicy,
  writeAgentPolicy,
} from '../../engine/access/index.js';
import { ServiceError } from '../../engine/errors/index.js';
import { ENTITY_TYPE_BYTES_MAX, EVENT_TYPE_BYTES_MAX } from '../../engine/protocol/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { type Auditor, callerOf } from '../audit.js';
import { requireTenant, resolveTenant } from '../auth/scopes.js';
import { answering, type Exchange } from '../http/exchange.js';
import { json, type Reply } from '../http/reply.js';
import type { Route } from '../http/router.js';
import { flag, integer, uuid } from '../input/fields.js';
import { parseBody, parseQuery, pathValue } from '../input/parse.js';
import { renderTimestamp } from '../render/timestamp.js';

const PAYLOAD_BYTES_MAX = 1024 ** 3;

/** Names, or beginnings of names with one `*` behind them. */
const rules = (bytesMax: number) => {
  const accepts = `a list of at most ${POLICY_RULES_MAX} names of 1 to ${bytesMax} bytes, each with one * at its end at most`;
  const rule = z
    .string({ error: accepts })
    .refine((text) => isPolicyRule(text) && Buffer.byteLength(text) <= bytesMax, { error: accepts });
  return z.array(rule, { error: accepts }).max(POLICY_RULES_MAX, { error: accepts });
};

export const Policy = z.object({
  tenantId: uuid(),
  allowedEventTypes: rules(EVENT_TYPE_BYTES_MAX),
  allowedEntityTypes: rules(ENTITY_TYPE_BYTES_MAX),
  requireBaseVersion: flag().optional(),
  maxPayloadBytes: integer(0, PAYLOAD_BYTES_MAX).optional(),
  enabled: flag().optional(),
});
const TenantQuery = z.object({ tenant_id: uuid().optional() });

/** What agents may write, by administrators of their tenant. Enforced where events are verified. */
export const agentPolicyRoutes = ({ sql, auditor }: { sql: Sql; auditor: Auditor }): Route[] => [
  {
    method: 'GET',
    path: '/api/v1/agents/:agent_id/policy',
    scope: 'admin',
    handler: answering((exchange) => read(sql, exchange)),
  },
  {
    method: 'PUT',
    path: '/api/v1/agents/:agent_id/policy',
    scope: 'admin',
    body: 'small',
    handler: answering((exchange) => write(sql, auditor, exchange)),
  },
];

async function read(sql: Sql, exchange: Exchange): Promise<Reply> {
  const agentId = pathValue(exchange, 0, 'agent_id', uuid());
  const tenantId = resolveTenant(exchange.auth, parseQuery(TenantQuery, exchange).tenant_id, 'tenant_id');
  const policy = await readAgentPolicy(sql, { tenantId, agentId });
  if (policy === undefined)
    throw new ServiceError('RESOURCE_NOT_FOUND', 'This agent has no policy: it may write anything');
  return policyJson({ tenantId, agentId }, policy);
}

async function write(sql: Sql, auditor: Auditor, exchange: Exchange): Promise<Reply> {
  const agentId = pathValue(exchange, 0, 'agent_id', uuid());
  const {
    tenantId,
    requireBaseVersion = true,
    maxPayloadBytes = null,
    enabled = true,
    ...lists
  } = parseBody(Policy, exchange);
  requireTenant(exchange.auth, tenantId);
  const agent = { tenantId, agentId };
  const policy = { ...lists, requireBaseVersion, maxPayloadBytes, enabled };
  const act = {
    action: 'custom:agent_policy_set',
    tenantId,
    resourceType: 'agent_policy',
    resourceId: agentId,
    details: policy,
  } as const;
  return auditor.act(callerOf(exchange), act, async (audit) =>
    policyJson(agent, await writeAgentPolicy(sql, agent, policy, audit)),
  );
}

const policyJson = (agent: { tenantId: string; agentId: string }, policy: AgentPolicyRow): Reply =>
  json({ ...agent, ...policy, updatedAt: renderTimestamp(policy.updatedAt) });

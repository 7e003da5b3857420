import { z } from 'zod';
import { Policy } from '../../routes/agent-policies.js';
import { AgentRegistration } from '../../routes/agents.js';
import { TenantQuery } from '../../routes/api-keys.js';
import { AGENT, TENANT } from '../example-ids.js';
import { type Operations, ok } from '../operation.js';
import { count, id, instant, text } from '../shapes.js';

const agent = { tenantId: id(), agentId: id() };

export const AgentRegistered = z.object({
  success: z.literal(true),
  ...agent,
  apiKey: text('Shown only this once'),
  permissions: text(),
  message: text(),
});
export const AgentDetails = z.object({
  ...agent,
  name: text().nullable(),
  description: text().nullable(),
  active: z.boolean(),
  permissions: text('What its usable API keys allow together'),
  storeIds: z.array(id()),
  rateLimit: count().nullable(),
});
export const AgentPolicy = z.object({
  ...agent,
  allowedEventTypes: z.array(text()),
  allowedEntityTypes: z.array(text()),
  requireBaseVersion: z.boolean(),
  maxPayloadBytes: count().nullable(),
  enabled: z.boolean(),
  updatedAt: instant(),
});

export const AGENTS: Operations = {
  'POST /api/v1/agents/register': {
    id: 'registerAgent',
    tag: 'Agents',
    summary: 'Register an agent, with a tenant of its own',
    description: 'Off unless the operator opened it. Counted per address.',
    body: AgentRegistration,
    bodyName: 'AgentRegistration',
    answers: ok('The agent and its API key', AgentRegistered),
    errors: [
      'REGISTRATION_DISABLED',
      'RATE_LIMIT_EXCEEDED',
      'TENANT_ID_NOT_ALLOWED',
      'ADMIN_NOT_ALLOWED',
      'INVALID_NAME',
      'NAME_TOO_LONG',
      'DESCRIPTION_TOO_LONG',
      'STORE_IDS_TOO_MANY',
      'RATE_LIMIT_INVALID',
    ],
  },
  'GET /api/v1/agents/:agent_id': {
    id: 'getAgent',
    tag: 'Agents',
    summary: 'What is known of an agent',
    query: TenantQuery,
    answers: ok('The agent', AgentDetails),
    errors: ['RESOURCE_NOT_FOUND'],
  },
  'GET /api/v1/agents/:agent_id/policy': {
    id: 'getAgentPolicy',
    tag: 'Agents',
    summary: 'What an agent may write',
    query: TenantQuery,
    answers: ok('The policy', AgentPolicy),
    errors: ['RESOURCE_NOT_FOUND'],
  },
  'PUT /api/v1/agents/:agent_id/policy': {
    id: 'setAgentPolicy',
    tag: 'Agents',
    summary: 'Set what an agent may write',
    description: 'Enforced by every process within a second. An empty list allows nothing.',
    body: Policy,
    bodyName: 'AgentPolicyChange',
    answers: ok('The policy', AgentPolicy),
    blocks: ['request'],
    answerExample: {
      tenantId: TENANT,
      agentId: AGENT,
      allowedEventTypes: ['order.*'],
      allowedEntityTypes: ['order', 'customer'],
      requireBaseVersion: true,
      maxPayloadBytes: 65_536,
      enabled: true,
      updatedAt: '2026-01-31T12:00:00.123456Z',
    },
  },
};

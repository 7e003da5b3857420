import { z } from 'zod';
import {
  createSlidingWindow,
  findAgentDetails,
  insertAgent,
  networkOf,
  type WindowVerdict,
} from '../../engine/access/index.js';
import type { Config } from '../../engine/config/index.js';
import { type ErrorCode, ServiceError } from '../../engine/errors/index.js';
import { generateApiKey, hashApiKey, insertApiKey, permissionsText } from '../../engine/keys/api-keys.js';
import type { Sql } from '../../engine/store/connection.js';
import { type Auditor, callerOf } from '../audit.js';
import { requireAgentOrAdmin, resolveTenant } from '../auth/scopes.js';
import { answering, type Exchange } from '../http/exchange.js';
import { json, type Reply } from '../http/reply.js';
import type { Route } from '../http/router.js';
import { flag, uuid } from '../input/fields.js';
import { parseBody, parseQuery, pathValue } from '../input/parse.js';

const NAME_CHARACTERS_MAX = 128;
const DESCRIPTION_CHARACTERS_MAX = 1024;
const STORES_MAX = 50;
const RATE_LIMIT_MAX = 10_000;

const text = () =>
  z.string({ error: 'a text' }).refine((value) => !value.includes('\0'), { error: 'a text without U+0000' });
/** Shapes only: what breaks a limit has a code of its own here. */
export const AgentRegistration = z.object({
  name: text(),
  description: text().optional(),
  storeIds: z.array(uuid(), { error: 'a list of UUIDs' }).optional(),
  readOnly: flag().optional(),
  rateLimit: z.number({ error: 'a number' }).optional(),
  tenantId: z.unknown().optional(),
  admin: flag().optional(),
});
const TenantQuery = z.object({ tenant_id: uuid().optional() });

export interface AgentsDeps {
  readonly sql: Sql;
  readonly config: { readonly auth: Pick<Config['auth'], 'registration'> };
  /** Called once per request to register. */
  readonly auditor: Auditor;
  readonly onRegistration?: ((outcome: 'registered' | 'refused', reason: string) => void) | undefined;
}

/** Agents: registration for anybody, where the operator opened it, and what is known about an agent. */
export const agentRoutes = (deps: AgentsDeps): Route[] => {
  const register = createRegistration(deps);
  return [
    {
      method: 'POST',
      path: '/api/v1/agents/register',
      scope: 'public',
      body: 'small',
      handler: answering(register),
    },
    {
      method: 'GET',
      path: '/api/v1/agents/:agent_id',
      scope: 'authenticated',
      handler: answering((exchange) => describe(deps.sql, exchange)),
    },
  ];
};

function createRegistration({ sql, config, auditor, onRegistration }: AgentsDeps) {
  const { enabled, limit, windowSecs, callersMax } = config.auth.registration;
  const count = createSlidingWindow({ limit, windowSecs, callersMax, nowMs: () => performance.now() });

  const register = async (exchange: Exchange): Promise<Reply> => {
    if (!enabled) throw new ServiceError('REGISTRATION_DISABLED');
    requireRoom(exchange, count(networkOf(exchange.remoteAddress())));
    const wish = readRegistration(exchange);
    const { tenantId, agentId } = await insertAgent(sql, wish);
    const apiKey = generateApiKey(tenantId);
    const grant = {
      tenantId,
      agentId,
      storeIds: wish.storeIds,
      canRead: true,
      canWrite: !wish.readOnly,
      canAdmin: false,
      rateLimit: wish.rateLimit,
    };
    const act = {
      action: 'custom:agent_registered',
      tenantId,
      resourceType: 'agent',
      resourceId: agentId,
      details: { name: wish.name, store_ids: wish.storeIds, read_only: wish.readOnly },
    } as const;
    await auditor.act(callerOf(exchange), act, (audit) =>
      insertApiKey(sql, hashApiKey(apiKey), grant, audit),
    );
    return json({
      success: true,
      agentId,
      tenantId,
      apiKey,
      permissions: permissionsText(grant),
      message: 'Agent registered. The API key is shown only this once: store it safely.',
    });
  };

  return async (exchange: Exchange): Promise<Reply> => {
    try {
      const reply = await register(exchange);
      onRegistration?.('registered', '');
      return reply;
    } catch (error) {
      onRegistration?.('refused', error instanceof ServiceError ? error.code : 'INTERNAL_ERROR');
      throw error;
    }
  };
}

/** Says on every answer how the caller stands. @throws ServiceError RATE_LIMIT_EXCEEDED */
function requireRoom(exchange: Exchange, { allowed, limit, remaining, waitSecs }: WindowVerdict): void {
  exchange.headers = [
    ...exchange.headers,
    ['ratelimit-limit', String(limit)],
    ['ratelimit-remaining', String(remaining)],
    ['ratelimit-reset', String(waitSecs)],
  ];
  if (!allowed)
    throw new ServiceError(
      'RATE_LIMIT_EXCEEDED',
      `Too many registrations from this address; the next one fits in ${waitSecs} s`,
      { retryAfter: waitSecs },
    );
}

function readRegistration(exchange: Exchange) {
  const body = parseBody(AgentRegistration, exchange);
  const demand = (holds: boolean, code: ErrorCode) => {
    if (!holds) throw new ServiceError(code);
  };
  const name = body.name.trim();
  const characters = (value: string) => [...value].length;
  const { rateLimit, description, storeIds = [] } = body;
  demand(body.tenantId === undefined, 'TENANT_ID_NOT_ALLOWED');
  demand(body.admin !== true, 'ADMIN_NOT_ALLOWED');
  demand(name !== '', 'INVALID_NAME');
  demand(characters(name) <= NAME_CHARACTERS_MAX, 'NAME_TOO_LONG');
  demand(characters(description ?? '') <= DESCRIPTION_CHARACTERS_MAX, 'DESCRIPTION_TOO_LONG');
  demand(storeIds.length <= STORES_MAX, 'STORE_IDS_TOO_MANY');
  const isLimit = (value: number) => Number.isInteger(value) && value >= 1 && value <= RATE_LIMIT_MAX;
  demand(rateLimit === undefined || isLimit(rateLimit), 'RATE_LIMIT_INVALID');
  return {
    name,
    description: description ?? null,
    storeIds,
    readOnly: body.readOnly === true,
    rateLimit: rateLimit ?? null,
  };
}

async function describe(sql: Sql, exchange: Exchange): Promise<Reply> {
  const agentId = pathValue(exchange, 0, 'agent_id', uuid());
  const query = parseQuery(TenantQuery, exchange);
  const tenantId = resolveTenant(exchange.auth, query.tenant_id, 'tenant_id');
  requireAgentOrAdmin(exchange.auth, tenantId, agentId);
  const details = await findAgentDetails(sql, { tenantId, agentId });
  if (details === undefined) throw new ServiceError('RESOURCE_NOT_FOUND', 'This tenant has no such agent');
  const { name, description, active, canWrite, canAdmin, storeIds, rateLimit } = details;
  return json({
    agentId,
    tenantId,
    name,
    description,
    active,
    permissions: canAdmin ? 'admin' : canWrite ? 'read_write' : 'read',
    storeIds,
    rateLimit,
  });
}

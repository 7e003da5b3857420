import type { CursorService, CursorState } from '../../engine/consumers/index.js';
import { answering } from '../http/exchange.js';
import { json, type Reply } from '../http/reply.js';
import type { Route } from '../http/router.js';
import { acknowledgementOf, type CursorRequest, cursorOf } from '../input/cursor-input.js';
import { timestampOrNull } from '../render/timestamp.js';

/** Durable cursors of agents, for the agent itself or an administrator of its tenant. */
export const cursorRoutes = ({ cursors }: { cursors: CursorService }): Route[] => [
  {
    method: 'GET',
    path: '/api/v1/ves/cursors/:agent_id',
    scope: 'authenticated',
    handler: answering(async (exchange) => {
      const request = cursorOf(exchange);
      return cursorJson(request, await cursors.read(request.stream, request.agentId));
    }),
  },
  {
    method: 'PUT',
    path: '/api/v1/ves/cursors/:agent_id',
    scope: 'authenticated',
    body: 'small',
    handler: answering(async (exchange) => {
      const request = acknowledgementOf(exchange);
      const { stream, agentId, sequence } = request;
      return cursorJson(request, await cursors.acknowledge(stream, agentId, sequence));
    }),
  },
];

const cursorJson = ({ stream, agentId }: CursorRequest, state: CursorState): Reply =>
  json({
    tenantId: stream.tenantId,
    storeId: stream.storeId,
    agentId,
    acknowledgedSequence: Number(state.acknowledgedSequence),
    headSequence: Number(state.headSequence),
    lag: Number(state.lag),
    updatedAt: timestampOrNull(state.updatedAt),
  });

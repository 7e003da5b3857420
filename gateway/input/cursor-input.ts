import { z } from 'zod';
import { ServiceError } from '../../engine/errors/index.js';
import { requireStream } from '../auth/scopes.js';
import type { Exchange } from '../http/exchange.js';
import { requireReader } from './commitment-input.js';
import { integer, uuid } from './fields.js';
import { parseBody, parseQuery, pathValue } from './parse.js';
import type { StreamRef } from './stream-query.js';

export const CursorQuery = z.object({ tenant_id: uuid(), store_id: uuid() });
export const CursorBody = z.object({
  tenantId: uuid(),
  storeId: uuid(),
  sequenceNumber: integer(0, Number.MAX_SAFE_INTEGER),
});

/** Whose cursor in which stream; only the agent itself and administrators reach it. */
export interface CursorRequest {
  readonly stream: StreamRef;
  readonly agentId: string;
}

export function cursorOf(exchange: Exchange): CursorRequest {
  const query = parseQuery(CursorQuery, exchange);
  return allowed(exchange, { tenantId: query.tenant_id, storeId: query.store_id });
}

/** The same, and the number the cursor is to move to. */
export function acknowledgementOf(exchange: Exchange): CursorRequest & { sequence: bigint } {
  const { tenantId, storeId, sequenceNumber } = parseBody(CursorBody, exchange);
  return { ...allowed(exchange, { tenantId, storeId }), sequence: BigInt(sequenceNumber) };
}

function allowed(exchange: Exchange, stream: StreamRef): CursorRequest {
  const { auth } = exchange;
  const agentId = pathValue(exchange, 0, 'agent_id', uuid());
  requireStream(auth, stream.tenantId, stream.storeId);
  if (!auth.canAdmin && auth.agent !== agentId)
    throw new ServiceError('INSUFFICIENT_PERMISSIONS', 'Agent access denied');
  requireReader(exchange);
  return { stream, agentId };
}

import { z } from 'zod';
import { ServiceError } from '../../engine/errors/index.js';
import type { LogId } from '../../engine/transparency/index.js';
import { requireStream, resolveTenant } from '../auth/scopes.js';
import type { Exchange } from '../http/exchange.js';
import { uuid, wholeNumber } from './fields.js';
import { parseQuery, pathValue } from './parse.js';

/** A stream's log. */
export type StreamLog = Extract<LogId, { kind: 'stream' }>;

const size = (min = 0) => wholeNumber(Number.MAX_SAFE_INTEGER, min).transform(Number);

export const SizeQuery = z.object({ tenant_id: uuid(), store_id: uuid(), size: size().optional() });
export const InclusionQuery = SizeQuery.extend({ sequence_number: size(1) });
export const ConsistencyQuery = z.object({
  tenant_id: uuid(),
  store_id: uuid(),
  from: size(),
  to: size().optional(),
});
export const EventQuery = z.object({ tenant_id: uuid().optional(), size: size().optional() });

/** A log that the caller may read, and a tree size; unset: the head. */
export function logSizeOf(exchange: Exchange): { log: StreamLog; size: number | undefined } {
  const query = parseQuery(SizeQuery, exchange);
  return { log: logOf(exchange, query), size: query.size };
}

/** Whose place in which tree is to be proved. */
export function inclusionOf(exchange: Exchange): {
  log: StreamLog;
  sequence: number;
  size: number | undefined;
} {
  const query = parseQuery(InclusionQuery, exchange);
  return { log: logOf(exchange, query), sequence: query.sequence_number, size: query.size };
}

/** Which two trees are to be connected; `to` unset: the head. */
export function consistencyOf(exchange: Exchange): { log: StreamLog; from: number; to: number | undefined } {
  const query = parseQuery(ConsistencyQuery, exchange);
  return { log: logOf(exchange, query), from: query.from, to: query.to };
}

/** Which event's place is to be proved. */
export function eventProofOf(exchange: Exchange): {
  tenantId: string;
  eventId: string;
  size: number | undefined;
} {
  const eventId = pathValue(exchange, 0, 'event_id', uuid());
  const query = parseQuery(EventQuery, exchange);
  return {
    tenantId: resolveTenant(exchange.auth, query.tenant_id, 'tenant_id'),
    eventId,
    size: query.size,
  };
}

function logOf({ auth }: Exchange, query: { tenant_id: string; store_id: string }): StreamLog {
  requireStream(auth, query.tenant_id, query.store_id);
  return { kind: 'stream', tenantId: query.tenant_id, storeId: query.store_id };
}

/**
 * The size that a request means, out of the log's present size.
 *
 * @throws ServiceError INVALID_FIELD_VALUE when the log is not that large
 */
export function sizeWithin(field: string, wanted: number | undefined, head: number): number {
  if (wanted === undefined || wanted <= head) return wanted ?? head;
  throw new ServiceError(
    'INVALID_FIELD_VALUE',
    `${field} must not be above the head of the stream, ${head}; it is ${wanted}`,
  );
}

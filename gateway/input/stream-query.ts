import { z } from 'zod';
import { ServiceError } from '../../engine/errors/index.js';
import { parseUuid } from '../../engine/protocol/index.js';
import { requireStream } from '../auth/scopes.js';
import type { Exchange } from '../http/exchange.js';
import { uuid, wholeNumber } from './fields.js';
import { parseQuery } from './parse.js';

const U32_MAX = 0xffff_ffff;

/** Most events in one page of a stream, and in one without `limit`. */
const PAGE_EVENTS_MAX = 1000;
const PAGE_EVENTS_DEFAULT = 100;
/** Most events in one page of an entity. */
const ENTITY_EVENTS_MAX = 100;

export const StreamQuery = z.object({ tenant_id: uuid(), store_id: uuid() });
export const PageQuery = StreamQuery.extend({
  from: wholeNumber(Number.MAX_SAFE_INTEGER).optional(),
  limit: wholeNumber(U32_MAX).optional(),
});

/** A stream the caller may read. */
export type StreamRef = { readonly tenantId: string; readonly storeId: string };

/** `tenant_id` and `store_id` of the query, if the credential reaches them. */
export function streamOf(exchange: Exchange): StreamRef {
  const query = parseQuery(StreamQuery, exchange);
  requireStream(exchange.auth, query.tenant_id, query.store_id);
  return { tenantId: query.tenant_id, storeId: query.store_id };
}

/** A range of sequence numbers: `from` 0 or absent is 1; `limit` 0 is refused, more than {@link PAGE_EVENTS_MAX} clamped. */
export function eventRangeOf(exchange: Exchange): { stream: StreamRef; from: bigint; to: bigint } {
  const query = parseQuery(PageQuery, exchange);
  requireStream(exchange.auth, query.tenant_id, query.store_id);
  if (query.limit === 0n) throw new ServiceError('INVALID_FIELD_VALUE', 'limit must be greater than 0');
  const limit = Math.min(Number(query.limit ?? PAGE_EVENTS_DEFAULT), PAGE_EVENTS_MAX);
  const from = query.from === undefined || query.from === 0n ? 1n : query.from;
  return { stream: streamRef(query), from, to: from + BigInt(limit) - 1n };
}

/** A page of an entity: `from` counts events, `limit` 0, absent or too large is {@link ENTITY_EVENTS_MAX}. */
export function entityPageOf(exchange: Exchange): {
  stream: StreamRef & { key: Uint8Array };
  offset: bigint;
  limit: number;
} {
  const query = parseQuery(PageQuery, exchange);
  requireStream(exchange.auth, query.tenant_id, query.store_id);
  const key = new Uint8Array(32);
  key.set(parseUuid(query.tenant_id)!, 0);
  key.set(parseUuid(query.store_id)!, 16);
  const asked = Number(query.limit ?? 0n);
  const limit = asked === 0 ? ENTITY_EVENTS_MAX : Math.min(asked, ENTITY_EVENTS_MAX);
  return { stream: { ...streamRef(query), key }, offset: query.from ?? 0n, limit };
}

const streamRef = (query: { tenant_id: string; store_id: string }): StreamRef => ({
  tenantId: query.tenant_id,
  storeId: query.store_id,
});

import { z } from 'zod';
import type { GroupRef, GroupStart } from '../../engine/consumers/index.js';
import { ENTITY_TYPE_BYTES_MAX, EVENT_TYPE_BYTES_MAX } from '../../engine/protocol/index.js';
import { requireStream } from '../auth/scopes.js';
import type { Exchange } from '../http/exchange.js';
import { flag, integer, uuid, uuidList, wholeNumber } from './fields.js';
import { parseBody, parseQuery, pathValue } from './parse.js';

const ACK_TIMEOUT_MS = { min: 1000, max: 12 * 3_600_000, unset: 30_000 };
const ATTEMPTS = { max: 1000, unset: 5 };
const IN_FLIGHT = { max: 10_000, unset: 1000 };
const PARTITIONS = { max: 256, unset: 16 };
const FILTER_VALUES_MAX = 100;
const PULL = { max: 1000, unset: 100 };
const WAIT_MS_MAX = 30_000;
const DELIVERIES_MAX = 1000;
const DELAY_MS_MAX = 12 * 3_600_000;
const REASON_CHARACTERS_MAX = 500;
const PARKED_PAGE_MAX = 1000;
const SEQUENCE_MAX = Number.MAX_SAFE_INTEGER;

const matching = (accepts: string, pattern: RegExp) =>
  z.string({ error: accepts }).regex(pattern, { error: accepts });
export const groupName = () =>
  matching(
    '1 to 64 lower-case letters, digits, dots, hyphens and underscores, beginning with a letter or digit',
    /^[a-z0-9][a-z0-9._-]{0,63}$/,
  );
const consumerName = () => matching('1 to 128 visible ASCII characters', /^[\x21-\x7e]{1,128}$/);

/** Event and entity types are at most as long as events may have them. */
const typeList = (bytesMax: number) => {
  const accepts = `a list of at most ${FILTER_VALUES_MAX} texts of 1 to ${bytesMax} bytes`;
  const type = z
    .string({ error: accepts })
    .refine((text) => text !== '' && !text.includes('\0') && Buffer.byteLength(text) <= bytesMax, {
      error: accepts,
    });
  return z.array(type, { error: accepts }).max(FILTER_VALUES_MAX, { error: accepts });
};
const deliveryIds = () => {
  const accepts = `a list of 1 to ${DELIVERIES_MAX} delivery ids`;
  return z
    .array(z.string({ error: accepts }), { error: accepts })
    .min(1, { error: accepts })
    .max(DELIVERIES_MAX, { error: accepts });
};

const stream = { tenantId: uuid(), storeId: uuid() };
const settings = {
  entityTypes: typeList(ENTITY_TYPE_BYTES_MAX).optional(),
  eventTypes: typeList(EVENT_TYPE_BYTES_MAX).optional(),
  agents: uuidList(FILTER_VALUES_MAX).optional(),
  ackTimeoutMs: integer(ACK_TIMEOUT_MS.min, ACK_TIMEOUT_MS.max).optional(),
  maxAttempts: integer(1, ATTEMPTS.max).optional(),
  maxInFlight: integer(1, IN_FLIGHT.max).optional(),
};
const START = '"beginning", "head" or a sequence number';
const start = () =>
  z.union([z.enum(['beginning', 'head'], { error: START }), integer(1, SEQUENCE_MAX)], { error: START });

export const StreamQuery = z.object({ tenant_id: uuid(), store_id: uuid() });
export const Creation = z.object({
  ...stream,
  ...settings,
  name: groupName(),
  partitions: integer(1, PARTITIONS.max).optional(),
  start: start().optional(),
});
export const Update = z.object({ ...stream, ...settings });
export const Pull = z.object({
  ...stream,
  consumer: consumerName(),
  max: integer(1, PULL.max).optional(),
  waitMs: integer(0, WAIT_MS_MAX).optional(),
});
export const Ack = z.object({ ...stream, consumer: consumerName(), deliveryIds: deliveryIds() });
export const Nack = Ack.extend({
  delayMs: integer(0, DELAY_MS_MAX).optional(),
  park: flag().optional(),
  reason: z
    .string({ error: 'a text' })
    .max(REASON_CHARACTERS_MAX, { error: `a text of at most ${REASON_CHARACTERS_MAX} characters` })
    .refine((text) => !text.includes('\0'), { error: 'a text without U+0000' })
    .optional(),
});
export const Leave = z.object({ ...stream, consumer: consumerName() });
export const Seek = z.object({ ...stream, start: start() });
const CHOICE = `"all", or a list of 1 to ${DELIVERIES_MAX} sequence numbers`;
export const ParkedChoice = z.object({
  ...stream,
  sequenceNumbers: z.union(
    [
      z.literal('all', { error: CHOICE }),
      z
        .array(integer(1, SEQUENCE_MAX), { error: CHOICE })
        .min(1, { error: CHOICE })
        .max(DELIVERIES_MAX, { error: CHOICE }),
    ],
    { error: CHOICE },
  ),
});
export const ParkedQuery = StreamQuery.extend({
  after: wholeNumber(SEQUENCE_MAX).optional(),
  limit: wholeNumber(PARKED_PAGE_MAX, 1).optional(),
});

/** The stream of the query, if the credential reaches it. */
function queryStream(exchange: Exchange, query: { tenant_id: string; store_id: string }) {
  requireStream(exchange.auth, query.tenant_id, query.store_id); // L10
  return { tenantId: query.tenant_id, storeId: query.store_id };
}

const named = (exchange: Exchange) => pathValue(exchange, 0, 'name', groupName());

/** The body, and the group it is about, if the credential reaches its stream. */
function bodyAbout<Schema extends z.ZodType<{ tenantId: string; storeId: string }>>(
  schema: Schema,
  exchange: Exchange,
): { ref: GroupRef; body: z.output<Schema> } {
  const body = parseBody(schema, exchange);
  const { tenantId, storeId } = body;
  requireStream(exchange.auth, tenantId, storeId); // L10
  return { ref: { tenantId, storeId, name: named(exchange) }, body };
}

export const groupStreamOf = (exchange: Exchange) => queryStream(exchange, parseQuery(StreamQuery, exchange));

export const groupOf = (exchange: Exchange): GroupRef => ({
  ...groupStreamOf(exchange),
  name: named(exchange),
});

/** A group to be made, what is not said filled in. */
export function creationOf(exchange: Exchange) {
  const body = parseBody(Creation, exchange);
  const { tenantId, storeId, name } = body;
  requireStream(exchange.auth, tenantId, storeId); // L10
  return {
    ref: { tenantId, storeId, name },
    start: startOf(body.start ?? 'beginning'),
    settings: {
      entityTypes: body.entityTypes ?? [],
      eventTypes: body.eventTypes ?? [],
      agents: body.agents ?? [],
      ackTimeoutMs: body.ackTimeoutMs ?? ACK_TIMEOUT_MS.unset,
      maxAttempts: body.maxAttempts ?? ATTEMPTS.unset,
      maxInFlight: body.maxInFlight ?? IN_FLIGHT.unset,
      partitions: body.partitions ?? PARTITIONS.unset,
    },
  };
}

const startOf = (given: 'beginning' | 'head' | number): GroupStart =>
  typeof given === 'number' ? BigInt(given) : given;

/** The settings to change. */
export function updateOf(exchange: Exchange) {
  const { ref, body } = bodyAbout(Update, exchange);
  const { tenantId: _, storeId: __, ...change } = body;
  const given = Object.entries(change).filter(([, value]) => value !== undefined);
  return { ref, change: Object.fromEntries(given) as Partial<ReturnType<typeof creationOf>['settings']> };
}

/** A pull; waiting ends before the request's own deadline does. */
export function pullOf(exchange: Exchange) {
  const { ref, body } = bodyAbout(Pull, exchange);
  const untilDeadlineMs = exchange.deadlineMs - Date.now() - DEADLINE_MARGIN_MS;
  const waitMs = Math.max(0, Math.min(body.waitMs ?? 0, untilDeadlineMs));
  return { ref, request: { consumer: body.consumer, max: body.max ?? PULL.unset, waitMs } };
}
const DEADLINE_MARGIN_MS = 2000;

export const ackOf = (exchange: Exchange) => bodyAbout(Ack, exchange);

export function nackOf(exchange: Exchange) {
  const { ref, body } = bodyAbout(Nack, exchange);
  const { consumer, delayMs = 0, park = false, reason = 'refused by the consumer' } = body;
  return { ref, consumer, nack: { deliveryIds: body.deliveryIds, delayMs, park, reason } };
}

export const leaveOf = (exchange: Exchange) => bodyAbout(Leave, exchange);

export function seekOf(exchange: Exchange) {
  const { ref, body } = bodyAbout(Seek, exchange);
  return { ref, start: startOf(body.start) };
}

/** A page of parked events. */
export function parkedPageOf(exchange: Exchange) {
  const query = parseQuery(ParkedQuery, exchange);
  const ref = { ...queryStream(exchange, query), name: named(exchange) };
  return { ref, after: query.after ?? 0n, limit: Number(query.limit ?? 100n) };
}

/** Parked events to be replayed or discarded. */
export function parkedChoiceOf(exchange: Exchange) {
  const { ref, body } = bodyAbout(ParkedChoice, exchange);
  const { sequenceNumbers } = body;
  return { ref, which: sequenceNumbers === 'all' ? ('all' as const) : sequenceNumbers.map(BigInt) };
}

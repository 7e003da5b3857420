import { z } from 'zod';
import { ServiceError } from '../../engine/errors/index.js';
import {
  ENTITY_ID_BYTES_MAX,
  ENTITY_TYPE_BYTES_MAX,
  EVENT_TYPE_BYTES_MAX,
} from '../../engine/protocol/index.js';
import type { EventFilter } from '../../engine/subscriptions/index.js';
import type { Exchange } from '../http/exchange.js';
import { uuid } from './fields.js';

const FILTER_VALUES_MAX = 100;

const texts = (bytesMax: number) => {
  const error = `at most ${FILTER_VALUES_MAX} texts of 1 to ${bytesMax} bytes without U+0000`;
  const isUsable = (text: string): boolean => {
    const bytes = Buffer.byteLength(text);
    return bytes > 0 && bytes <= bytesMax && !text.includes('\0');
  };
  const text = z.string().refine(isUsable, { error }).meta({ minLength: 1, maxLength: bytesMax });
  return z.array(text).max(FILTER_VALUES_MAX, { error }).default([]);
};

/** Filters of a stream, each a name that may be given several times: events that have any of its values pass. */
export const EventFilterQuery = z.object({
  entity_type: texts(ENTITY_TYPE_BYTES_MAX),
  entity_id: texts(ENTITY_ID_BYTES_MAX),
  event_type: texts(EVENT_TYPE_BYTES_MAX),
  agent_id: z
    .array(uuid())
    .max(FILTER_VALUES_MAX, { error: `at most ${FILTER_VALUES_MAX} UUIDs` })
    .default([]),
});

/** The filters of a query. @throws ServiceError INVALID_FIELD_VALUE */
export function eventFilterOf({ head }: Exchange): EventFilter {
  const query = new URLSearchParams(head.query);
  const given = Object.fromEntries(
    Object.keys(EventFilterQuery.shape).map((name) => [name, query.getAll(name)]),
  );
  const result = EventFilterQuery.safeParse(given);
  if (!result.success) {
    const issue = result.error.issues[0]!;
    throw new ServiceError('INVALID_FIELD_VALUE', `${String(issue.path[0])} must be ${issue.message}`);
  }
  const { entity_type, entity_id, event_type, agent_id } = result.data;
  return { entityTypes: entity_type, entityIds: entity_id, eventTypes: event_type, agents: agent_id };
}

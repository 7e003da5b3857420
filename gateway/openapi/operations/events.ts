import { z } from 'zod';
import { EventFilterQuery } from '../../input/event-filter.js';
import { PageQuery, StreamQuery } from '../../input/stream-query.js';
import { ByCommand, ByEventId } from '../../routes/event-lookup.js';
import { FollowQuery } from '../../routes/event-stream.js';
import { type Operations, ok } from '../operation.js';
import {
  count,
  ErrorBody,
  GroupReceipt,
  Head,
  id,
  instant,
  number,
  page,
  Receipt,
  text,
  VesEnvelope,
} from '../shapes.js';

const Enveloped = z.object({ envelope: VesEnvelope });

export const SequencedEvent = z.object({
  status: z.literal('sequenced'),
  sequence_number: count(),
  envelope: VesEnvelope,
  receipt: Receipt.optional(),
  group_receipt: GroupReceipt.optional(),
});

/** A line of the stream. */
export const StreamLine = z
  .union([
    Enveloped,
    z.object({ caught_up: z.object({ head_sequence: count() }) }),
    z.object({ heartbeat: z.object({ cursor: count(), head_sequence: count() }) }),
    z.object({ error: ErrorBody.shape.error, cursor: number('Go on behind it') }),
  ])
  .meta({
    description: 'An event, a sign of life, a mark that all that is stored was sent, or why the stream ends.',
  });

const entity = {
  entity_type: text(),
  entity_id: text(),
  count: count(),
  total: count(),
  has_more: z.boolean(),
};
export const EntityHistory = z.object({
  ...entity,
  events: z.array(Enveloped),
  current_version: number('What `base_version` is compared with'),
});

const LegacyStored = z.object({
  envelope: z.object({
    envelope_version: count(),
    event_id: id(),
    command_id: id().optional(),
    tenant_id: id(),
    store_id: id(),
    entity_type: text(),
    entity_id: text(),
    event_type: text(),
    payload: z.unknown(),
    payload_erased: z.literal(true).optional(),
    payload_hash: text(),
    base_version: count().optional(),
    created_at: text(),
    sequence_number: count(),
    source_agent: id(),
    signature: z.array(count()).optional(),
  }),
  sequenced_at: instant(),
});
export const LegacyEntityHistory = z.object({ ...entity, events: z.array(LegacyStored) });

export const EventPage = page(Enveloped);
export const LegacyEventPage = page(LegacyStored);

/** What the route reads with `command_id` besides what it reads without. */
const EventsQuery = PageQuery.extend({
  command_id: ByCommand.shape.command_id.optional(),
  receipt: ByCommand.shape.receipt,
});

const pageText =
  'Events by number, from `from` (default 1), at most `limit` (default 100, at most 1000). Continue at `next_sequence` while ' +
  '`has_more`.';

export const EVENTS: Operations = {
  'GET /api/v1/ves/events': {
    id: 'listEvents',
    tag: 'Events',
    summary: 'Read a range of a stream',
    description: `${pageText} With \`command_id\` it answers the one event of that command instead, with its receipt.`,
    query: EventsQuery,
    answers: ok('A page, or the event of the command', z.union([EventPage, SequencedEvent])),
    errors: ['EVENT_NOT_FOUND'],
  },
  'GET /api/v1/ves/events/stream': {
    id: 'followEvents',
    tag: 'Events',
    summary: 'Follow a stream',
    description:
      'The stream as it is and as it grows, every event once and in order. An event passes when it has one of the values of every ' +
      'filter that is given. With `Accept: text/event-stream` the same comes as server-sent events.',
    query: FollowQuery.extend(EventFilterQuery.shape),
    headers: { 'last-event-id': 'The last number that was seen; wins over `after`' },
    answers: [
      {
        status: 200,
        description: 'It ends when the client leaves, or at the head with `live=false`',
        content: [
          { type: 'application/x-ndjson', schema: StreamLine },
          {
            type: 'text/event-stream',
            description:
              '`event: ves` with the sequence number as `id`, `event: caught-up`, comments as signs of life, `event: failure` ' +
              'before the end of a stream that was cut off',
          },
        ],
      },
    ],
  },
  'GET /api/v1/ves/events/:event_id': {
    id: 'getEvent',
    tag: 'Events',
    summary: 'Did this event commit?',
    description: 'The event by its id, in whatever store of the tenant, with its receipt.',
    query: ByEventId,
    answers: ok('The event', SequencedEvent),
    errors: ['EVENT_NOT_FOUND'],
    blocks: ['answer', 'other'],
  },
  'GET /api/v1/ves/head': {
    id: 'getHead',
    tag: 'Events',
    summary: 'Number of the last event',
    query: StreamQuery,
    answers: ok('The head', Head),
  },
  'GET /api/v1/ves/entities/:entity_type/:entity_id': {
    id: 'getEntityHistory',
    tag: 'Events',
    summary: 'History of an entity',
    description:
      'Oldest first. `from` counts events to skip, `limit` is at most 100. An entity without events is an empty list.',
    query: PageQuery,
    answers: ok('A page of the history', EntityHistory),
  },
  'GET /api/v1/events': {
    id: 'listOlderEvents',
    tag: 'Older stream',
    summary: 'Read a range',
    description: pageText,
    query: PageQuery,
    answers: ok('A page', LegacyEventPage),
  },
  'GET /api/v1/head': {
    id: 'getOlderHead',
    tag: 'Older stream',
    summary: 'Number of the last event',
    query: StreamQuery,
    answers: ok('The head', Head),
    answerExample: { head_sequence: 1 },
  },
  'GET /api/v1/entities/:entity_type/:entity_id': {
    id: 'getOlderEntityHistory',
    tag: 'Older stream',
    summary: 'History of an entity',
    query: PageQuery,
    answers: ok('A page of the history', LegacyEntityHistory),
    answerExample: {
      entity_type: 'order',
      entity_id: 'o-9',
      events: [],
      count: 0,
      total: 0,
      has_more: false,
    },
  },
};

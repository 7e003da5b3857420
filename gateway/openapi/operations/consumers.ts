import { z } from 'zod';
import {
  Ack,
  Creation,
  Leave,
  Nack,
  ParkedChoice,
  ParkedQuery,
  Pull,
  Seek,
  StreamQuery,
  Update,
} from '../../input/consumer-group-input.js';
import { CursorBody, CursorQuery } from '../../input/cursor-input.js';
import { AGENT, STORE, TENANT } from '../example-ids.js';
import { type Operation, type Operations, ok } from '../operation.js';
import { count, id, instant, number, text, VesEnvelope } from '../shapes.js';

const stream = { tenantId: TENANT, storeId: STORE };

export const Cursor = z.object({
  tenantId: id(),
  storeId: id(),
  agentId: id(),
  acknowledgedSequence: count(),
  headSequence: count(),
  lag: count(),
  updatedAt: instant().nullable(),
});
const cursorExample = {
  ...stream,
  agentId: AGENT,
  acknowledgedSequence: 42,
  headSequence: 60,
  lag: 18,
  updatedAt: '2026-01-31T12:00:00.123456Z',
};

export const ConsumerGroup = z.object({
  tenant_id: id(),
  store_id: id(),
  name: text(),
  entity_types: z.array(text()),
  event_types: z.array(text()),
  agents: z.array(id()),
  partitions: count(),
  ack_timeout_ms: count(),
  max_attempts: count(),
  max_in_flight: count(),
  read_sequence: number('Events up to it were looked at'),
  created_at: instant(),
  updated_at: instant(),
});
const groupExample = {
  tenant_id: TENANT,
  store_id: STORE,
  name: 'billing',
  entity_types: ['order'],
  event_types: [],
  agents: [],
  partitions: 16,
  ack_timeout_ms: 30000,
  max_attempts: 5,
  max_in_flight: 1000,
  read_sequence: 0,
  created_at: '2026-01-31T12:00:00.123456Z',
  updated_at: '2026-01-31T12:00:00.123456Z',
};

export const ConsumerGroupState = ConsumerGroup.extend({
  head_sequence: count(),
  settled_sequence: number('Everything up to it is done'),
  lag: count(),
  waiting: count(),
  in_flight: count(),
  parked: count(),
  consumers: z.array(text()),
  partition_owners: z.array(
    z.object({
      partition: count(),
      consumer: text().nullable(),
      lease_until: instant().nullable(),
      in_flight: count(),
    }),
  ),
});

export const Deliveries = z.object({
  deliveries: z.array(
    z.object({
      delivery_id: text('What an acknowledgement names'),
      sequence_number: count(),
      attempt: number('From 1'),
      ack_deadline: instant(),
      envelope: VesEnvelope,
    }),
  ),
  count: count(),
});

const refused = z.array(
  z.object({
    delivery_id: text(),
    reason: z.enum(['lost', 'settled', 'parked']),
    message: text(),
  }),
);

export const ParkedEvents = z.object({
  parked: z.array(
    z.object({
      sequence_number: count(),
      event_id: id(),
      entity_type: text(),
      entity_id: text(),
      event_type: text(),
      attempts: count(),
      consumer: text().nullable(),
      reason: text().nullable(),
      parked_at: instant(),
    }),
  ),
  count: count(),
  next_after: count(),
  has_more: z.boolean(),
});

const cursor: Pick<Operation, 'tag' | 'answers' | 'answerExample'> = {
  tag: 'Consumers',
  answers: ok('The cursor', Cursor),
  answerExample: cursorExample,
};
/** Operations on a group that exists. */
const onGroup = (operation: Omit<Operation, 'tag' | 'errors'>): Operation => ({
  ...operation,
  tag: 'Consumers',
  errors: ['RESOURCE_NOT_FOUND'],
});

export const CONSUMERS: Operations = {
  'GET /api/v1/ves/cursors/:agent_id': {
    ...cursor,
    id: 'getCursor',
    summary: 'How far an agent has come',
    query: CursorQuery,
  },
  'PUT /api/v1/ves/cursors/:agent_id': {
    ...cursor,
    id: 'moveCursor',
    summary: "Move an agent's cursor forward",
    description: 'A lower number changes nothing. Answered when the cursor is durable.',
    body: CursorBody,
    bodyName: 'CursorMove',
    requestExample: { ...stream, sequenceNumber: 42 },
  },
  'GET /api/v1/ves/consumer-groups': {
    id: 'listConsumerGroups',
    tag: 'Consumers',
    summary: 'Groups of a stream',
    query: StreamQuery,
    answers: ok('The groups', z.object({ groups: z.array(ConsumerGroup), count: count() })),
    answerExample: { groups: [groupExample], count: 1 },
  },
  'POST /api/v1/ves/consumer-groups': {
    id: 'createConsumerGroup',
    tag: 'Consumers',
    summary: 'Make a group',
    description: 'The same again is answered with the group that is there.',
    body: Creation,
    bodyName: 'ConsumerGroupCreation',
    answers: [
      {
        status: 201,
        description: 'The new group',
        content: [{ type: 'application/json', schema: ConsumerGroup.extend({ created: z.boolean() }) }],
      },
      {
        status: 200,
        description: 'It was there already, with the same settings',
        content: [{ type: 'application/json', schema: ConsumerGroup.extend({ created: z.boolean() }) }],
      },
    ],
    errors: ['ALREADY_EXISTS', 'QUOTA_EXCEEDED'],
    requestExample: { ...stream, name: 'billing', entityTypes: ['order'], start: 'beginning' },
    answerExample: { created: true, ...groupExample },
  },
  'GET /api/v1/ves/consumer-groups/:name': onGroup({
    id: 'getConsumerGroup',
    summary: 'Settings, lag, owners of partitions',
    query: StreamQuery,
    answers: ok('The group', ConsumerGroupState),
    answerExample: {
      ...groupExample,
      head_sequence: 60,
      settled_sequence: 42,
      lag: 18,
      waiting: 10,
      in_flight: 8,
      parked: 0,
      consumers: ['worker-1'],
      partition_owners: [
        { partition: 0, consumer: 'worker-1', lease_until: '2026-01-31T12:00:30.123456Z', in_flight: 8 },
      ],
    },
  }),
  'PUT /api/v1/ves/consumer-groups/:name': onGroup({
    id: 'updateConsumerGroup',
    summary: 'Change settings',
    body: Update,
    bodyName: 'ConsumerGroupUpdate',
    answers: ok('The group', ConsumerGroup),
    requestExample: { ...stream, maxAttempts: 10 },
    answerExample: { ...groupExample, max_attempts: 10 },
  }),
  'DELETE /api/v1/ves/consumer-groups/:name': onGroup({
    id: 'deleteConsumerGroup',
    summary: 'End a group',
    query: StreamQuery,
    answers: ok('It is gone', z.object({ deleted: z.literal(true) })),
    answerExample: { deleted: true },
  }),
  'POST /api/v1/ves/consumer-groups/:name/pull': onGroup({
    id: 'pullDeliveries',
    summary: 'Get events to work on',
    description: 'Waits up to `waitMs` while there are none.',
    body: Pull,
    bodyName: 'Pull',
    answers: ok('Events, each to be acknowledged before its deadline', Deliveries),
    requestExample: { ...stream, consumer: 'worker-1', max: 100, waitMs: 20_000 },
    answerExample: { deliveries: [], count: 0 },
  }),
  'POST /api/v1/ves/consumer-groups/:name/ack': onGroup({
    id: 'ackDeliveries',
    summary: 'Events are done',
    body: Ack,
    bodyName: 'Ack',
    answers: ok('How many, and which were refused', z.object({ acknowledged: count(), refused })),
    requestExample: { ...stream, consumer: 'worker-1', deliveryIds: ['41.1', '42.1'] },
    answerExample: {
      acknowledged: 1,
      refused: [{ delivery_id: '42.1', reason: 'settled', message: 'The event is settled already.' }],
    },
  }),
  'POST /api/v1/ves/consumer-groups/:name/nack': onGroup({
    id: 'nackDeliveries',
    summary: 'Events are to be handed out again, or parked',
    body: Nack,
    bodyName: 'Nack',
    answers: ok(
      'What became of them',
      z.object({ returned: count(), parked: count(), withdrawn: z.array(text()), refused }),
    ),
    requestExample: { ...stream, consumer: 'worker-1', deliveryIds: ['41.1'], delayMs: 5000 },
    answerExample: { returned: 1, parked: 0, withdrawn: [], refused: [] },
  }),
  'POST /api/v1/ves/consumer-groups/:name/leave': onGroup({
    id: 'leaveConsumerGroup',
    summary: 'A consumer gives back what it holds',
    body: Leave,
    bodyName: 'Leave',
    answers: ok('It has left', z.object({ left: z.literal(true) })),
    requestExample: { ...stream, consumer: 'worker-1' },
    answerExample: { left: true },
  }),
  'POST /api/v1/ves/consumer-groups/:name/seek': onGroup({
    id: 'seekConsumerGroup',
    summary: 'Begin anew at a place in the stream',
    body: Seek,
    bodyName: 'Seek',
    answers: ok('The group', ConsumerGroup),
    requestExample: { ...stream, start: 1 },
    answerExample: groupExample,
  }),
  'GET /api/v1/ves/consumer-groups/:name/parked': onGroup({
    id: 'listParkedEvents',
    summary: 'What was given up after too many attempts',
    query: ParkedQuery,
    answers: ok('A page of parked events', ParkedEvents),
    answerExample: { parked: [], count: 0, next_after: 0, has_more: false },
  }),
  'POST /api/v1/ves/consumer-groups/:name/parked/replay': onGroup({
    id: 'replayParkedEvents',
    summary: 'Hand parked events out again',
    body: ParkedChoice,
    bodyName: 'ParkedChoice',
    answers: ok('How many', z.object({ replayed: count() })),
    requestExample: { ...stream, sequenceNumbers: 'all' },
    answerExample: { replayed: 3 },
  }),
  'POST /api/v1/ves/consumer-groups/:name/parked/discard': onGroup({
    id: 'discardParkedEvents',
    summary: 'Forget parked events',
    body: ParkedChoice,
    bodyName: 'ParkedChoice',
    answers: ok('How many', z.object({ discarded: count() })),
    requestExample: { ...stream, sequenceNumbers: [41] },
    answerExample: { discarded: 1 },
  }),
};

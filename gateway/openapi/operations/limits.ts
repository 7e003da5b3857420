import { z } from 'zod';
import { TENANT } from '../example-ids.js';
import { type Operations, ok } from '../operation.js';
import { count, id, number } from '../shapes.js';

const rate = z
  .object({
    limit: count(),
    window_seconds: count(),
    remaining: count(),
    reset_seconds: number('Until one more request fits'),
  })
  .nullable()
  .meta({ description: 'null: no limit' });
const used = z.object({ limit: count(), used: count() });

export const Limits = z.object({
  tenant_id: id(),
  rate: z.object({ credentials: rate, tenant: rate }),
  requests_under_way: used,
  ingest: z.object({ requests: used, bytes: used }),
  sizes: z.object({
    max_body_bytes: count(),
    max_other_body_bytes: count(),
    max_events_per_batch: count(),
    max_event_payload_bytes: count(),
  }),
  websocket: z.object({
    max_connections: count(),
    max_frame_bytes: count(),
    max_pushes_under_way: count(),
    max_push_bytes_under_way: count(),
    max_subscriptions: count(),
  }),
  grpc: z.object({ max_message_bytes: count(), max_calls_per_connection: count() }),
});

const share = (limit: number) => ({ limit, used: 0 });

export const LIMITS: Operations = {
  'GET /api/v1/limits': {
    id: 'getLimits',
    tag: 'Service',
    summary: 'What holds for the caller, and how much of it is used',
    answers: ok('The limits', Limits),
    answerExample: {
      tenant_id: TENANT,
      rate: {
        credentials: { limit: 600, window_seconds: 60, remaining: 599, reset_seconds: 0 },
        tenant: null,
      },
      requests_under_way: share(512),
      ingest: { requests: share(1024), bytes: share(16_777_216) },
      sizes: {
        max_body_bytes: 10_485_760,
        max_other_body_bytes: 65_536,
        max_events_per_batch: 1000,
        max_event_payload_bytes: 1_048_576,
      },
      websocket: {
        max_connections: 1000,
        max_frame_bytes: 10_485_760,
        max_pushes_under_way: 64,
        max_push_bytes_under_way: 10_485_760,
        max_subscriptions: 100,
      },
      grpc: { max_message_bytes: 10_485_760, max_calls_per_connection: 100 },
    },
  },
};

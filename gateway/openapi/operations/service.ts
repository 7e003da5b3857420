import { z } from 'zod';
import { AuditQuerySchema } from '../../input/audit-input.js';
import { StatisticsQuery } from '../../routes/admin-statistics.js';
import { type Operations, ok } from '../operation.js';
import { count, hash, id, instant, text } from '../shapes.js';

const AuditRecord = z.object({
  sequence: count().optional().meta({ description: 'Place in the chain; for the operator only' }),
  id: id(),
  timestamp: instant(),
  action: text(),
  actor: text(),
  actor_type: text(),
  tenant_id: id().nullable(),
  resource_type: text().nullable(),
  resource_id: text().nullable(),
  request_id: text().nullable(),
  ip_address: text().nullable(),
  user_agent: text().nullable(),
  details: z.unknown(),
  success: z.boolean(),
  error_message: text().nullable(),
  prev_hash: hash().optional(),
  hash: hash().optional(),
});
export const AuditPage = z.object({
  records: z.array(AuditRecord),
  count: count(),
  next_cursor: id().nullable(),
  has_more: z.boolean(),
});

const when = () => instant().nullable();
const heads = { vesHeadSequence: count(), legacyHeadSequence: count() };
export const Overview = z.object({
  tenants: count(),
  stores: count(),
  agents: count(),
  apiKeys: count(),
  activeApiKeys: count(),
  activeStores24h: count(),
  signingKeys: count(),
  activeSigningKeys: count(),
  totalHeadSequence: count(),
  ...heads,
  maxProjectionLag: z.null(),
  lastActivityAt: when(),
});
const keyFigures = {
  apiKeyCount: count(),
  activeApiKeys: count(),
  signingKeyCount: count(),
  activeSigningKeys: count(),
};
export const TenantFigures = z.object({
  tenantId: id(),
  agentCount: count(),
  ...keyFigures,
  storeCount: count(),
  totalHeadSequence: count(),
  ...heads,
  activeStores24h: count(),
  maxProjectionLag: z.null(),
  lastKeyAt: when(),
  lastActivityAt: when(),
});
export const StoreFigures = z.object({
  tenantId: id(),
  storeId: id(),
  headSequence: count(),
  ...heads,
  lastProjectedSequence: z.null(),
  projectionLag: z.null(),
  agentCount: count(),
  lastAgentSyncAt: when(),
  updatedAt: when(),
});
export const AgentFigures = z.object({
  tenantId: id(),
  agentId: id(),
  permissions: z.enum(['admin', 'read_write', 'read', 'none']),
  storeScope: z.enum(['all', 'scoped']),
  ...keyFigures,
  firstKeyAt: when(),
  lastKeyAt: when(),
  storeId: id().nullable(),
  lastSyncAt: when(),
  lastPushedSequence: z.null(),
  lastPulledSequence: count().nullable(),
});

const nameplate = { service: text(), version: text(), timestamp: instant() };
export const Health = z.object({ status: z.literal('healthy'), ...nameplate });
export const Readiness = z.object({
  status: z.literal('ready'),
  database: z.object({ connected: z.literal(true), response_time_ms: z.number() }),
  pool: z
    .object({ status: text(), utilization: text(), active: count(), idle: count() })
    .nullable()
    .meta({ description: 'Connections to the database' }),
});
export const DetailedHealth = z.object({
  status: z.enum(['healthy', 'degraded', 'unhealthy']),
  ...nameplate,
  components: z.object({
    database: z.object({
      name: text(),
      status: text(),
      response_time_ms: z.number().optional(),
      message: text().optional(),
    }),
    pool: z
      .object({
        status: text(),
        total_connections: count(),
        active_connections: count(),
        idle_connections: count(),
        max_connections: count(),
        utilization_percent: z.number(),
        avg_acquisition_ms: z.number().optional(),
      })
      .optional(),
    circuit_breakers: z
      .array(
        z.object({
          name: text(),
          state: text(),
          successes: count(),
          failures: count(),
          rejected: count(),
        }),
      )
      .optional(),
    leadership: z.array(z.object({ name: text(), leader: z.boolean() })).optional(),
  }),
  system: z.object({ node_version: text(), uptime_seconds: count() }),
});

export const ServerDescription = z.object({
  sequencer_id: id(),
  version: text(),
  public_keys: z.array(
    z.object({
      key_version: count(),
      algorithm: z.literal('ed25519'),
      public_key: hash(),
      valid_from: instant().optional(),
      valid_to: instant().optional(),
    }),
  ),
  current_key_version: count(),
  ves_versions: z.array(count()),
  log: z.object({
    origin: text(),
    notary_origin: text(),
    public: z.array(text()),
    verifier_keys: z.array(text()),
  }),
  limits: z.object({
    max_body_bytes: count(),
    max_events_per_batch: count(),
    max_event_payload_bytes: count(),
  }),
  endpoints: z.record(z.string(), text()),
});

const html = { type: 'text/html; charset=utf-8', description: 'A page to read' };

export const SERVICE: Operations = {
  'GET /api/v1/admin/audit': {
    id: 'listAuditRecords',
    tag: 'Administration',
    summary: 'Records of administrative acts',
    description: 'Newest first unless asked otherwise. With `format=ndjson` one record a line.',
    query: AuditQuerySchema,
    answers: [
      {
        status: 200,
        description: 'A page of records',
        content: [
          { type: 'application/json', schema: AuditPage },
          { type: 'application/x-ndjson', schema: AuditRecord },
        ],
        headers: { 'x-next-cursor': 'With `format=ndjson`: the cursor of the next page' },
      },
    ],
  },
  'GET /api/v1/admin/overview': {
    id: 'getOverview',
    tag: 'Administration',
    summary: 'Figures of the own tenant, or of all',
    query: StatisticsQuery,
    answers: ok('The figures', Overview),
  },
  'GET /api/v1/admin/tenants': {
    id: 'listTenants',
    tag: 'Administration',
    summary: 'Figures of tenants',
    query: StatisticsQuery,
    answers: ok('Those with the latest event first', z.array(TenantFigures)),
    answerExample: [],
  },
  'GET /api/v1/admin/stores': {
    id: 'listStores',
    tag: 'Administration',
    summary: 'Figures of stores',
    query: StatisticsQuery,
    answers: ok('Those with the latest event first', z.array(StoreFigures)),
    answerExample: [],
  },
  'GET /api/v1/admin/agents': {
    id: 'listAgents',
    tag: 'Administration',
    summary: 'Figures of agents',
    query: StatisticsQuery,
    answers: ok('Those with the newest keys first', z.array(AgentFigures)),
    answerExample: [],
  },
  'GET /health': {
    id: 'getHealth',
    tag: 'Service',
    summary: 'The process runs',
    answers: ok('It does', Health),
    answerExample: {
      status: 'healthy',
      service: 'stateset-sequencer',
      version: '0.1.0',
      timestamp: '2026-01-31T12:00:00.000+00:00',
    },
  },
  'GET /ready': {
    id: 'getReadiness',
    tag: 'Service',
    summary: 'It can serve, its database included',
    answers: ok('It can', Readiness),
    answerExample: {
      status: 'ready',
      database: { connected: true, response_time_ms: 0.6 },
      pool: null,
    },
  },
  'GET /health/detailed': {
    id: 'getDetailedHealth',
    tag: 'Service',
    summary: 'How the parts of the process are',
    description: 'When it is unhealthy the status is 503, and the members of an error are there besides.',
    answers: ok('Healthy or degraded', DetailedHealth),
  },
  'GET /metrics': {
    id: 'getMetrics',
    tag: 'Service',
    summary: 'Metrics for Prometheus',
    answers: [
      {
        status: 200,
        description: 'The metrics',
        content: [
          {
            type: 'text/plain; charset=utf-8',
            description: 'Prometheus text; every name begins with `sequencer_`',
          },
        ],
      },
    ],
  },
  'GET /.well-known/ves-sequencer': {
    id: 'describeServer',
    tag: 'Service',
    summary: 'Who signs receipts, with which keys since when, and limits',
    answers: ok('What a verifier and a client need to know', ServerDescription),
  },
  'GET /docs/errors': {
    id: 'getErrorPage',
    tag: 'Service',
    summary: 'Every error code, as a page to read',
    answers: [{ status: 200, description: 'The page', content: [html] }],
  },
  'GET /docs': {
    id: 'getDocsPage',
    tag: 'Service',
    summary: 'This description, as a page to read',
    answers: [{ status: 200, description: 'The page', content: [html] }],
  },
  'GET /openapi.json': {
    id: 'getOpenApi',
    tag: 'Service',
    summary: 'This description (OpenAPI 3.1)',
    answers: ok('The document', z.looseObject({ openapi: text(), info: z.looseObject({ title: text() }) })),
    answerExample: { openapi: '3.1.1', info: { title: 'StateSet Sequencer' } },
  },
};

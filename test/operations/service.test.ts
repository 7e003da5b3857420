import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { call, push, registerAgent } from '../support/agents.js';
import { startTestService, type TestService } from '../support/service.js';

const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJub2JvZHkifQ.c2lnbmF0dXJlLXRoYXQtaXMtc2VjcmV0';
const ADMIN_KEY = 'the-administrators-key-0123456789abcdef';
const SEED = '5e'.repeat(32);

describe('a service at work', () => {
  let service: TestService;
  let apiKey = '';
  beforeAll(async () => {
    service = await startTestService({
      env: {
        LOG_LEVEL: 'trace',
        BOOTSTRAP_ADMIN_API_KEY: ADMIN_KEY,
        VES_SEQUENCER_SIGNING_KEY: SEED,
        GRPC_ENABLED: 'false',
      },
    });
    const agent = await registerAgent(service);
    await push(service, agent, [agent.event(), agent.event()]);
    const event = agent.event();
    const forged = { ...event.envelope, agent_signature: `0x${'11'.repeat(64)}` };
    await push(service, agent, [forged]);
    const made = await call(service, 'POST', `/api/v1/agents/${agent.agentId}/api-keys`, {
      body: { tenantId: agent.tenantId },
    });
    apiKey = made.body.api_key ?? made.body.apiKey ?? '';
    await call(service, 'GET', '/health/detailed', { key: apiKey });
    await call(service, 'GET', '/health', { headers: { 'x-api-key': apiKey } });
    for (const authorization of [`Bearer ${JWT}`, `ApiKey ${apiKey}x`, apiKey])
      await call(service, 'GET', '/metrics', { key: null, headers: { authorization } });
    await call(service, 'GET', `/nowhere?api_key=${apiKey}`);
    await call(service, 'POST', '/api/v1/agents/keys', { body: { secret: SEED, apiKey } });
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await push(service, agent, [agent.event()]); // its worker reports with it
    await new Promise((resolve) => setTimeout(resolve, 1500));
  }, 60_000);
  afterAll(() => service?.stop());

  test('never writes a secret into its log', () => {
    const logs = service.logs();
    expect(apiKey.length).toBeGreaterThan(20);
    expect(logs).toContain('"msg":"request"');
    for (const secret of [ADMIN_KEY, apiKey, JWT, SEED, JWT.split('.')[2]!])
      expect(logs).not.toContain(secret);
  });

  test('gives its requests ids, and takes those of its clients', async () => {
    const { headers } = await call(service, 'GET', '/health', { headers: { 'x-request-id': 'mine-42' } });
    expect(headers.get('x-request-id')).toBe('mine-42');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(service.logs()).toContain('"request_id":"mine-42"');
  });

  test('feeds its metrics', async () => {
    const { text, headers } = await call(service, 'GET', '/metrics');
    expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
    const numberOf = (series: string) => {
      const line = text.split('\n').find((each) => each.startsWith(`${series} `));
      return line === undefined ? undefined : Number(line.slice(series.length + 1));
    };
    for (const [series, value] of [
      ['sequencer_events_ingested', 3],
      ['sequencer_events_ingested_total', 3],
      ['sequencer_events_sequenced', 3],
      ['sequencer_events_rejected', 1],
      ['sequencer_ves_events_received', 4],
      ['sequencer_ves_events_verified', 3],
      ['sequencer_batches_received', 3],
      ['sequencer_batches_processed', 3],
      ['sequencer_errors_signature', 1],
      ['sequencer_events_rejected_by_reason{reason="invalid_signature"}', 1],
      ['sequencer_request_events_per_batch_count', 3],
      ['sequencer_ingest_latency_seconds_count', 3],
      ['sequencer_ingest_latency_ms_count', 3],
      ['sequencer_group_events_count', 2],
      ['sequencer_partition_queue_depth_count', 2],
      ['sequencer_sequence_head', 3],
      ['sequencer_head_sequence', 3],
      ['sequencer_pool_max_connections', 10],
      ['sequencer_cache_size{cache="ves_proofs"}', 0],
    ] as const)
      expect([series, numberOf(series)]).toEqual([series, value]);
    for (const series of [
      'sequencer_uptime_seconds',
      'sequencer_verify_seconds_count',
      'sequencer_verify_events',
      'sequencer_sequence_latency_seconds_count',
      'sequencer_db_query_latency_seconds_count',
      'sequencer_pool_acquisition_latency_ms_count',
      'sequencer_nodejs_eventloop_lag_p99_seconds',
      'sequencer_errors_auth',
      'sequencer_ratelimit_allowed',
      'sequencer_request_body_size_bytes_count',
      'sequencer_http_response_size_bytes_count',
      'sequencer_http_requests_total{method="POST",path="/api/v1/ves/events/ingest",status="200"}',
    ])
      expect([series, (numberOf(series) ?? 0) > 0]).toEqual([series, true]);
    expect(text).not.toContain('cardinality_overflow');
  });

  test('tells how its parts are', async () => {
    const { body } = await call(service, 'GET', '/health/detailed');
    expect(body).toMatchObject({
      status: 'healthy',
      components: { pool: { status: 'healthy', max_connections: 10 }, leadership: [{ name: 'proofs' }] },
    });
  });
});

test('commitments are counted, those of the background too', async () => {
  const service = await startTestService({
    env: { COMMITMENT_MAX_EVENTS: '2', COMMITMENT_INTERVAL_SECS: '3600', GRPC_ENABLED: 'false' },
  });
  const agent = await registerAgent(service);
  await push(service, agent, [agent.event(), agent.event(), agent.event(), agent.event(), agent.event()]);
  const numberOf = async (name: string) => {
    const { text } = await call(service, 'GET', '/metrics');
    return Number(new RegExp(`^sequencer_${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  };
  for (let i = 0; i < 100 && (await numberOf('commitments_created')) < 2; i++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  expect(await numberOf('commitments_created')).toBe(2);
  const { tenantId, storeId } = agent;
  const body = { tenant_id: tenantId, store_id: storeId, sequence_start: 5, sequence_end: 5 };
  expect((await call(service, 'POST', '/api/v1/ves/commitments', { body })).status).toBeLessThan(300);
  expect(await numberOf('commitments_created')).toBe(3);
  expect(await numberOf('commit_latency_seconds_count')).toBe(3);
  await service.stop();
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hex } from './seed.js';
import { identity, startTestGateway, type TestGateway } from './support.js';

describe('the system routes', () => {
  let g: TestGateway;
  const ready = { ready: true } as { ready: boolean; reason?: string };
  beforeAll(async () => {
    g = await startTestGateway({
      readiness: () => ready,
      collectStats: () => [{ name: 'partition_queue_events', help: 'Waiting events', value: 12 }],
    });
  });
  afterAll(() => g.close());

  test('/health says that the process runs', async () => {
    const reply = await g.call('GET', '/health', { key: null });
    expect(reply.body).toEqual({
      status: 'healthy',
      service: 'stateset-sequencer',
      version: '0.0.0-test',
      timestamp: expect.stringMatching(/^20.*\+00:00$/),
    });
  });

  test('/ready says whether it can serve', async () => {
    const reply = await g.call('GET', '/ready', { key: null });
    expect(reply.body).toEqual({
      status: 'ready',
      database: { connected: true, response_time_ms: expect.any(Number) },
      pool: null,
    });
    Object.assign(ready, { ready: false, reason: 'partition 3 is recovering' });
    const refused = await g.call('GET', '/ready', { key: null });
    expect([refused.status, refused.body.code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
    expect(refused.body.message).toContain('partition 3 is recovering');
    expect(refused.headers['retry-after']).toBe('5');
    Object.assign(ready, { ready: true });
  });

  test('/metrics counts requests by route template', async () => {
    await g.call('GET', '/api/v1/agents/not-a-uuid/signing-keys');
    await g.call('GET', `/${'x'.repeat(100)}`);
    g.gateway.metrics.observeGroup({ events: 40, ms: 3 });
    const reply = await g.call('GET', '/metrics');
    expect(reply.headers['content-type']).toMatch(/^text\/plain/);
    for (const line of [
      'sequencer_http_requests_total{method="GET",path="/api/v1/agents/:agent_id/signing-keys",status="400"} 1',
      'sequencer_http_requests_total{method="GET",path="unmatched",status="404"} 1',
      'sequencer_http_request_latency_seconds_count{method="GET",path="unmatched",status="404"} 1',
      'sequencer_group_events_bucket{le="50"} 1',
      'sequencer_group_commit_latency_seconds_sum 0.003',
      'sequencer_partition_queue_events 12',
      'sequencer_ingest_inflight_requests 0',
      'sequencer_events_ingested 0',
    ])
      expect(reply.text.split('\n')).toContain(line);
    expect(reply.text).toMatch(/^sequencer_uptime_seconds [0-9.]+$/m);
    expect(reply.text).toMatch(/^sequencer_process_resident_memory_bytes /m);
    expect(reply.text).toMatch(/^sequencer_ingest_latency_seconds_bucket\{le="0.001"\} 0$/m);
    expect(reply.text).toMatch(/^sequencer_request_events_per_batch_count 0$/m);
  });

  test('/.well-known/ves-sequencer tells verifiers and clients what they need', async () => {
    const reply = await g.call('GET', '/.well-known/ves-sequencer', { key: null });
    expect(reply.body).toMatchObject({
      sequencer_id: identity.id,
      version: '0.0.0-test',
      ves_versions: [1, 2],
      public_keys: [{ key_version: 1, algorithm: 'ed25519', public_key: hex(identity.publicKey) }],
      limits: {
        max_events_per_batch: 1000,
        max_body_bytes: 10 * 1024 * 1024,
        max_event_payload_bytes: 1024 * 1024,
      },
      endpoints: { ingest: '/api/v1/ves/events/ingest' },
    });
  });
});

test('/metrics may be public', async () => {
  const g = await startTestGateway({ env: { METRICS_PUBLIC: 'true' } });
  expect((await g.call('GET', '/metrics', { key: null })).status).toBe(200);
  await g.close();
});

test('without its database the service is healthy, not ready, and says nothing of why to clients', async () => {
  const g = await startTestGateway();
  await g.sql.end({ timeout: 0 });
  expect((await g.call('GET', '/health', { key: null })).status).toBe(200);
  const ready = await g.call('GET', '/ready', { key: null });
  expect([ready.status, ready.body.message]).toEqual([503, 'Not ready: the database does not answer']);
  const head = await g.call('GET', `/api/v1/ves/head?tenant_id=${identity.id}&store_id=${identity.id}`);
  expect([head.status, head.body.code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
  await g.close();
});

test('a failing statement is 500 without a word about it, and in the log with its cause', async () => {
  const g = await startTestGateway({ migrated: false });
  const reply = await g.call('GET', `/api/v1/ves/head?tenant_id=${identity.id}&store_id=${identity.id}`);
  expect([reply.status, reply.body.code]).toEqual([500, 'DATABASE_ERROR']);
  expect(reply.text).not.toContain('ves_sequence_counters');
  expect(g.logLines.filter((line) => line.includes('"level":50')).join('')).toContain(
    'ves_sequence_counters',
  );
  await g.close();
});

test('an address that is taken is an error, not a silent share', async () => {
  const g = await startTestGateway();
  await expect(startTestGateway({ env: { PORT: String(g.port) } })).rejects.toThrow(
    /cannot listen on 127.0.0.1/,
  );
  await g.close();
});

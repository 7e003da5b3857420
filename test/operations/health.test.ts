import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PoolStatus } from '../../engine/store/pool-monitor.js';
import { STORE, startTestGateway, TENANT, type TestGateway } from '../gateway/support.js';

const POOL: PoolStatus = {
  state: 'healthy',
  utilization: 0.1234,
  connectionsMax: 10,
  active: 1,
  idle: 9,
  waiting: 0,
  acquisitionMsMean: 0.517,
  slowAcquisitions: 3,
  timedOutAcquisitions: 0,
};
const BREAKER = {
  name: 'witness w',
  state: 'closed' as 'closed' | 'open',
  successes: 1,
  failures: 2,
  rejected: 0,
};

describe('health', () => {
  const state = { pool: POOL, breaker: BREAKER, exhausted: false };
  let g: TestGateway;
  beforeAll(async () => {
    g = await startTestGateway({
      operations: {
        pool: { status: () => state.pool, isExhausted: () => state.exhausted },
        breakers: { status: () => [state.breaker] },
        caches: () => [{ name: 'proofs', size: 1, hits: 2, misses: 3, evictions: 4 }],
        leaderships: () => [{ name: 'proofs', leader: true }],
      },
    });
  });
  afterAll(() => g.close());

  test('/ready tells of the pool', async () => {
    const { body } = await g.call('GET', '/ready', { key: null });
    expect(body.pool).toEqual({ status: 'healthy', utilization: '12.3%', active: 1, idle: 9 });
  });

  test('/health/detailed is for administrators', async () => {
    expect((await g.call('GET', '/health/detailed', { key: null })).status).toBe(401);
    expect((await g.call('GET', '/health/detailed', { key: await g.apiKey() })).status).toBe(403);
  });

  test('/health/detailed tells how the parts are', async () => {
    const { status, body } = await g.call('GET', '/health/detailed');
    expect(status).toBe(200);
    expect(body).toEqual({
      status: 'healthy',
      service: 'stateset-sequencer',
      version: '0.0.0-test',
      timestamp: expect.any(String),
      components: {
        database: { name: 'postgresql', status: 'healthy', response_time_ms: expect.any(Number) },
        pool: {
          status: 'healthy',
          total_connections: 10,
          active_connections: 1,
          idle_connections: 9,
          max_connections: 10,
          utilization_percent: 12.3,
          avg_acquisition_ms: 0.52,
        },
        circuit_breakers: [BREAKER],
        leadership: [{ name: 'proofs', leader: true }],
      },
      system: { node_version: process.version, uptime_seconds: expect.any(Number) },
    });
  });

  test('an open circuit or a strained pool is degraded', async () => {
    state.breaker = { ...BREAKER, state: 'open' };
    expect((await g.call('GET', '/health/detailed')).body.status).toBe('degraded');
    state.breaker = BREAKER;
    state.pool = { ...POOL, state: 'stressed' };
    expect((await g.call('GET', '/health/detailed')).body.status).toBe('degraded');
    state.pool = POOL;
  });

  test('an exhausted pool refuses work that needs it, and neither ingest nor what operators look at', async () => {
    state.exhausted = true;
    const read = await g.call('GET', `/api/v1/ves/head?tenant_id=${TENANT}&store_id=${STORE}`, {
      key: 'whatever',
    });
    expect([read.status, read.body.code, read.headers['retry-after']]).toEqual([503, 'OVERLOADED', '1']);
    expect((await g.call('POST', '/api/v1/ves/events/ingest', { body: {} })).status).toBe(200);
    for (const path of ['/health', '/ready', '/metrics', '/health/detailed'])
      expect((await g.call('GET', path)).status, path).toBe(200);
    state.exhausted = false;
  });

  test('/metrics has the pool, the breakers and the caches', async () => {
    const lines = (await g.call('GET', '/metrics')).text.split('\n');
    for (const line of [
      'sequencer_pool_active_connections 1',
      'sequencer_pool_idle_connections 9',
      'sequencer_pool_total_connections 10',
      'sequencer_pool_max_connections 10',
      'sequencer_pool_utilization 12',
      'sequencer_pool_slow_acquisitions 3',
      'sequencer_db_connections 1',
      'sequencer_circuit_breaker_state{circuit="witness w"} 0',
      'sequencer_circuit_breaker_failures{circuit="witness w"} 2',
      'sequencer_cache_hits{cache="proofs"} 2',
      '# TYPE sequencer_cache_hits counter',
      'sequencer_cache_evictions{cache="proofs"} 4',
    ])
      expect(lines).toContain(line);
  });
});

test('without its database /health/detailed is 503, with the report and in the shape of every error', async () => {
  const g = await startTestGateway();
  await g.call('GET', '/health/detailed'); // the credentials are known from here on
  await g.sql.end({ timeout: 0 });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const { status, body, headers } = await g.call('GET', '/health/detailed');
  expect(status).toBe(503);
  expect(body).toMatchObject({
    status: 'unhealthy',
    components: { database: { name: 'postgresql', status: 'unhealthy', message: 'it does not answer' } },
    code: 'SERVICE_UNAVAILABLE',
    error: { code: 'SERVICE_UNAVAILABLE', numeric_code: 8002 },
  });
  expect(headers['x-error-code']).toBe('SERVICE_UNAVAILABLE');
  await g.close();
});

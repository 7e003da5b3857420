import { errorBody, ServiceError } from '../../engine/errors/index.js';
import type { Sql } from '../../engine/store/connection.js';
import type { PoolStatus } from '../../engine/store/pool-monitor.js';
import { answering, type Exchange } from '../http/exchange.js';
import { json, type Reply } from '../http/reply.js';
import type { Route } from '../http/router.js';
import type { Operations } from '../operations.js';
import { createPing } from './health-ping.js';

/** Name in `/health`. */
const SERVICE_NAME = 'stateset-sequencer';

/** A database that answers within these times, in milliseconds, is healthy, or degraded. */
const HEALTHY_MS = 100;
const DEGRADED_MS = 500;

export interface HealthDeps {
  readonly sql: Sql;
  readonly version: string;
  readonly readiness: () => { ready: boolean; reason?: string };
  readonly operations?: Operations;
}

type Health = 'healthy' | 'degraded' | 'unhealthy';

/**
 * `/health`: the process runs. `/ready`: it can serve, its database included. Both are public. `/health/detailed`: how its parts are,
 * for administrators.
 */
export const healthRoutes = (deps: HealthDeps): Route[] => {
  const { sql, version, readiness, operations = {} } = deps;
  const ping = createPing(sql);
  const nameplate = (status: Health) => ({
    status,
    service: SERVICE_NAME,
    version,
    timestamp: new Date().toISOString().replace('Z', '+00:00'),
  });

  async function ready(): Promise<Reply> {
    const { ready: isReady, reason } = readiness();
    if (!isReady)
      throw new ServiceError('SERVICE_UNAVAILABLE', `Not ready: ${reason ?? 'the service is starting'}`);
    const responseTimeMs = await ping();
    const pool = operations.pool?.status();
    return json({
      status: 'ready',
      database: { connected: true, response_time_ms: rounded(responseTimeMs) },
      pool:
        pool === undefined
          ? null
          : {
              status: pool.state,
              utilization: `${(pool.utilization * 100).toFixed(1)}%`,
              active: pool.active,
              idle: pool.idle,
            },
    });
  }

  async function detailed(exchange: Exchange): Promise<Reply> {
    const database = await databaseHealth(ping);
    const pool = operations.pool?.status();
    const breakers = operations.breakers?.status() ?? [];
    const leaderships = operations.leaderships?.() ?? [];
    const strained =
      pool?.state === 'stressed' ||
      pool?.state === 'critical' ||
      breakers.some(({ state }) => state === 'open');
    const status: Health = database.status === 'healthy' && strained ? 'degraded' : database.status;
    const report = {
      ...nameplate(status),
      components: {
        database,
        ...(pool === undefined ? {} : { pool: poolHealth(pool) }),
        ...(breakers.length === 0 ? {} : { circuit_breakers: breakers }),
        ...(leaderships.length === 0 ? {} : { leadership: leaderships }),
      },
      system: { node_version: process.version, uptime_seconds: Math.floor(process.uptime()) },
    };
    if (status !== 'unhealthy') return json(report);
    const error = new ServiceError('SERVICE_UNAVAILABLE', 'The database is slow or does not answer');
    return {
      status: 503,
      body: JSON.stringify({ ...report, ...errorBody(error, exchange.head.requestId) }),
      headers: [['retry-after', String(error.retryAfter)]],
      errorCode: error.code,
    };
  }

  return [
    { method: 'GET', path: '/health', scope: 'public', handler: answering(() => json(nameplate('healthy'))) },
    { method: 'GET', path: '/ready', scope: 'public', handler: answering(ready) },
    {
      method: 'GET',
      path: '/health/detailed',
      scope: 'admin',
      essential: true,
      handler: answering(detailed),
    },
  ];
};

const rounded = (ms: number): number => Math.round(ms * 100) / 100;

async function databaseHealth(ping: () => Promise<number>) {
  const name = 'postgresql';
  try {
    const ms = await ping();
    const status: Health = ms < HEALTHY_MS ? 'healthy' : ms < DEGRADED_MS ? 'degraded' : 'unhealthy';
    return { name, status, response_time_ms: rounded(ms) };
  } catch {
    const status: Health = 'unhealthy';
    return { name, status, message: 'it does not answer' };
  }
}

const poolHealth = (pool: PoolStatus) => ({
  status: pool.state,
  total_connections: pool.active + pool.idle,
  active_connections: pool.active,
  idle_connections: pool.idle,
  max_connections: pool.connectionsMax,
  utilization_percent: Math.round(pool.utilization * 1000) / 10,
  ...(pool.acquisitionMsMean === undefined ? {} : { avg_acquisition_ms: rounded(pool.acquisitionMsMean) }),
});

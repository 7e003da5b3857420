import type { BreakerStatus, CacheStatus, CircuitState } from '../../engine/resilience/index.js';
import type { PoolStatus } from '../../engine/store/pool-monitor.js';
import type { GatewayStat } from './stats.js';

const gauge = (name: string, help: string, value: number): GatewayStat => ({ name, help, value });
const counter = (name: string, help: string, value: number): GatewayStat => ({
  name,
  help,
  value,
  type: 'counter',
});

/** The pool for reads and administration. */
export const poolStats = (pool: PoolStatus): GatewayStat[] => [
  gauge('pool_active_connections', 'Connections of the pool in use', pool.active),
  gauge('pool_idle_connections', 'Connections of the pool that are free', pool.idle),
  gauge('pool_total_connections', 'Connections of the pool', pool.active + pool.idle),
  gauge('pool_max_connections', 'Most connections of the pool', pool.connectionsMax),
  gauge(
    'pool_utilization',
    'Percent of the connections in use, mean of 15 s',
    Math.round(pool.utilization * 100),
  ),
  counter('pool_slow_acquisitions', 'Connections waited for longer than 100 ms', pool.slowAcquisitions),
  counter('pool_timed_out_acquisitions', 'Waits for a connection given up', pool.timedOutAcquisitions),
  gauge('db_connections', 'Connections of the pool in use', pool.active),
  gauge('db_pool_size', 'Most connections of the pool', pool.connectionsMax),
  gauge('db_pool_idle', 'Connections of the pool that are free', pool.idle),
  gauge('db_pool_waiting', 'Statements and transactions waiting for a connection', pool.waiting),
];

const STATE_NUMBERS: Record<CircuitState, number> = { closed: 0, half_open: 1, open: 2 };

export const breakerStats = (breakers: readonly BreakerStatus[]): GatewayStat[] =>
  breakers.flatMap(({ name: circuit, state, successes, failures, rejected }) => {
    const labels = { circuit };
    return [
      { ...gauge('circuit_breaker_state', '0 closed, 1 half-open, 2 open', STATE_NUMBERS[state]), labels },
      { ...gauge('circuit_breaker_successes', 'Calls that succeeded', successes), labels },
      { ...gauge('circuit_breaker_failures', 'Calls that failed or were too slow', failures), labels },
      {
        ...gauge('circuit_breaker_rejections', 'Calls refused because the circuit was open', rejected),
        labels,
      },
    ];
  });

export const cacheStats = (caches: readonly CacheStatus[]): GatewayStat[] =>
  caches.flatMap(({ name: cache, size, hits, misses, evictions }) => {
    const labels = { cache };
    return [
      { ...gauge('cache_size', 'Entries of the cache', size), labels },
      { ...counter('cache_hits', 'Found in the cache', hits), labels },
      { ...counter('cache_misses', 'Not found in the cache', misses), labels },
      { ...counter('cache_evictions', 'Dropped from the cache for others', evictions), labels },
    ];
  });

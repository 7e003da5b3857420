/** How busy a pool of connections is, seen at the gate in front of it: the driver does not tell. */
import type { Sql } from './connection.js';
import { type GateListeners, gatePool } from './pool-gate.js';

export type PoolState = 'healthy' | 'moderate' | 'stressed' | 'critical';

/** How a pool stands. */
export interface PoolStatus {
  /** By the mean utilisation between the last two samples. */
  readonly state: PoolState;
  /** Mean part of the connections that were in use between the last two samples, 0 to 1. */
  readonly utilization: number;
  readonly connectionsMax: number;
  /** In use and free at this moment. */
  readonly active: number;
  readonly idle: number;
  /** Waiting for a connection at this moment. */
  readonly waiting: number;
  /** Mean time in milliseconds for which a connection was waited for since the start; undefined before the first. */
  readonly acquisitionMsMean: number | undefined;
  /** Counters since the start: waits longer than {@link SLOW_ACQUISITION_MS}, and those that were given up. */
  readonly slowAcquisitions: number;
  readonly timedOutAcquisitions: number;
}

/** Connections of the pool, and for how long one of them is waited for; 0: for ever. */
export interface PoolLimits {
  readonly connectionsMax: number;
  readonly acquireTimeoutMs: number;
}

export type PoolListeners = Pick<GateListeners, 'onAcquired' | 'onDone' | 'onStart'>;

export interface PoolMonitor {
  /** The pool behind its gate. What waits too long for a connection is rejected with ServiceError OVERLOADED. */
  readonly sql: Sql;
  status(): PoolStatus;
  /** Takes a sample; called every {@link SAMPLE_INTERVAL_MS} by a timer of the monitor. */
  sample(): void;
  /** Whether new work should be refused: the pool was critical at the last sample, and still has no free connection. */
  isExhausted(): boolean;
  /** Ends the sampling; the pool stays open. */
  close(): void;
}

export const SAMPLE_INTERVAL_MS = 15_000;
export const SLOW_ACQUISITION_MS = 100;
const MODERATE = 0.5;
const STRESSED = 0.8;
const CRITICAL = 0.95;

/** The state of a pool of this utilisation, 0 to 1. */
export const poolStateOf = (utilization: number): PoolState => {
  if (utilization >= CRITICAL) return 'critical';
  if (utilization >= STRESSED) return 'stressed';
  return utilization >= MODERATE ? 'moderate' : 'healthy';
};

/** @param now milliseconds on a clock that never goes back */
export function createPoolMonitor(
  pool: Sql,
  { connectionsMax, acquireTimeoutMs }: PoolLimits,
  listeners: PoolListeners = {},
  now: () => number = () => performance.now(),
): PoolMonitor {
  /** Connections in use, added up over time: connection-milliseconds. */
  let busyMs = 0;
  let busyUntil = now();
  let sampledAt = busyUntil;
  let sampledBusyMs = 0;
  let utilization = 0;
  const acquired = { count: 0, totalMs: 0, slow: 0, timedOut: 0 };

  function account(): void {
    const at = now();
    busyMs += gate.active * (at - busyUntil);
    busyUntil = at;
  }

  const gate = gatePool(pool, {
    connectionsMax,
    acquireTimeoutMs,
    now,
    listeners: {
      ...listeners,
      onChange: account,
      onAcquired(waitMs) {
        acquired.count++;
        acquired.totalMs += waitMs;
        if (waitMs > SLOW_ACQUISITION_MS) acquired.slow++;
        listeners.onAcquired?.(waitMs);
      },
      onTimedOut: () => void acquired.timedOut++,
    },
  });

  function sample(): void {
    account();
    const elapsed = busyUntil - sampledAt;
    if (elapsed <= 0) return;
    utilization = (busyMs - sampledBusyMs) / (elapsed * connectionsMax);
    sampledAt = busyUntil;
    sampledBusyMs = busyMs;
  }
  const timer = setInterval(sample, SAMPLE_INTERVAL_MS).unref();

  return {
    sql: gate.sql,
    sample,
    status: () => ({
      state: poolStateOf(utilization),
      utilization,
      connectionsMax,
      active: gate.active,
      idle: connectionsMax - gate.active,
      waiting: gate.waiting,
      acquisitionMsMean: acquired.count === 0 ? undefined : acquired.totalMs / acquired.count,
      slowAcquisitions: acquired.slow,
      timedOutAcquisitions: acquired.timedOut,
    }),
    isExhausted: () => gate.active >= connectionsMax && poolStateOf(utilization) === 'critical',
    close: () => clearInterval(timer),
  };
}

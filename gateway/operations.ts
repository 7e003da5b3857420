import type { BreakerRegistry, CacheStatus } from '../engine/resilience/index.js';
import type { PoolMonitor } from '../engine/store/pool-monitor.js';
import type { Tracing } from './telemetry/tracing.js';

/** What the owner of the gateway tells it of the process, for health, metrics, traces and load shedding. Everything may be missing. */
export interface Operations {
  /** The pool for reads and administration. */
  readonly pool?: Pick<PoolMonitor, 'status' | 'isExhausted'>;
  readonly breakers?: Pick<BreakerRegistry, 'status'>;
  readonly tracing?: Tracing | undefined;
  caches?(): readonly CacheStatus[];
  /** Background work that only one of several processes does, and whether it is this one. */
  leaderships?(): readonly { readonly name: string; readonly leader: boolean }[];
}

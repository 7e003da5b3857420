import {
  type BreakerOptions,
  type BreakerStatus,
  type CircuitBreaker,
  createCircuitBreaker,
} from './circuit-breaker.js';

/** Breakers beyond this many are a programming error: names come from the configuration, never from requests. */
const BREAKERS_MAX = 1000;

/** The breakers of a process, for health and metrics. */
export interface BreakerRegistry {
  /** The breaker of a name; made when it is asked for first, with the options given then. */
  of(name: string, options?: BreakerOptions): CircuitBreaker;
  /** In the order of their making. */
  status(): readonly BreakerStatus[];
}

export function createBreakerRegistry(): BreakerRegistry {
  const breakers = new Map<string, CircuitBreaker>();
  return {
    of(name, options) {
      let breaker = breakers.get(name);
      if (breaker === undefined) {
        if (breakers.size >= BREAKERS_MAX) throw new Error(`more than ${BREAKERS_MAX} circuit breakers`);
        breaker = createCircuitBreaker(name, options);
        breakers.set(name, breaker);
      }
      return breaker;
    },
    status: () => [...breakers.values()].map((breaker) => breaker.status()),
  };
}

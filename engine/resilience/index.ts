export { type BreakerRegistry, createBreakerRegistry } from './breaker-registry.js';
export { type Cache, type CacheStatus, createCache } from './cache.js';
export {
  ANCHOR_BREAKER,
  type BreakerOptions,
  type BreakerStatus,
  type CircuitBreaker,
  type CircuitState,
  createCircuitBreaker,
  DEFAULT_BREAKER,
} from './circuit-breaker.js';

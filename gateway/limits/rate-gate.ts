import { ServiceError } from '../../engine/errors/index.js';
import type { Exchange } from '../http/exchange.js';
import { createRateLimiter } from './rate-limit.js';

/**
 * Counts a request with valid credentials against their own limit, if they have one, and says in `ratelimit-limit`,
 * `ratelimit-remaining` and `ratelimit-reset` (seconds) how it stands.
 *
 * @throws ServiceError RATE_LIMIT_EXCEEDED
 */
export type RateGate = (exchange: Exchange) => void;

/** @param nowMs milliseconds on a clock that never goes back */
export function createRateGate(nowMs: () => number): RateGate {
  const limiter = createRateLimiter(nowMs);
  return (exchange) => {
    const { rateLimit, rateCaller } = exchange.auth;
    if (rateLimit === null) return;
    const { allowed, remaining, waitSecs } = limiter.take(rateCaller, rateLimit);
    exchange.headers = [
      ['ratelimit-limit', String(rateLimit)],
      ['ratelimit-remaining', String(remaining)],
      ['ratelimit-reset', String(waitSecs)],
    ];
    if (!allowed)
      throw new ServiceError(
        'RATE_LIMIT_EXCEEDED',
        `These credentials may send ${rateLimit} requests per minute; the next one fits in ${waitSecs} s`,
        { retryAfter: waitSecs },
      );
  };
}

import { ServiceError } from '../../engine/errors/index.js';
import type { AuthContext } from '../auth/context.js';
import type { Exchange } from '../http/exchange.js';
import type { RateLimiter, RateVerdict } from './rate-limit.js';

/**
 * Counts a request with valid credentials against their own limit, if they have one, and says in `ratelimit-limit`,
 * `ratelimit-remaining` and `ratelimit-reset` (seconds) how it stands.
 *
 * @throws ServiceError RATE_LIMIT_EXCEEDED
 */
export type RateGate = (exchange: Exchange) => void;

export function createRateGate(limiter: RateLimiter): RateGate {
  return (exchange) => {
    const { rateLimit } = exchange.auth;
    const verdict = charge(limiter, exchange.auth);
    if (rateLimit === null || verdict === undefined) return;
    exchange.headers = [
      ['ratelimit-limit', String(rateLimit)],
      ['ratelimit-remaining', String(verdict.remaining)],
      ['ratelimit-reset', String(verdict.waitSecs)],
    ];
    requireAllowed(rateLimit, verdict);
  };
}

/** The same for what has no headers. @throws ServiceError RATE_LIMIT_EXCEEDED */
export function chargeRate(limiter: RateLimiter, auth: AuthContext): void {
  const verdict = charge(limiter, auth);
  if (verdict !== undefined) requireAllowed(auth.rateLimit!, verdict);
}

const charge = (limiter: RateLimiter, { rateLimit, rateCaller }: AuthContext): RateVerdict | undefined =>
  rateLimit === null ? undefined : limiter.take(rateCaller, rateLimit);

function requireAllowed(rateLimit: number, { allowed, waitSecs }: RateVerdict): void {
  if (allowed) return;
  throw new ServiceError(
    'RATE_LIMIT_EXCEEDED',
    `These credentials may send ${rateLimit} requests per minute; the next one fits in ${waitSecs} s`,
    { retryAfter: waitSecs },
  );
}

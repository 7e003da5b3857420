import type { Exchange } from '../http/exchange.js';
import { type RequestRates, requireAllowed } from './request-rates.js';

/**
 * Counts a request against the limits it has, and says in `ratelimit-limit`, `ratelimit-remaining` and `ratelimit-reset` (seconds) how
 * the narrowest stands.
 *
 * @throws ServiceError RATE_LIMIT_EXCEEDED
 */
export type RateGate = (exchange: Exchange) => void;

export function createRateGate(rates: RequestRates): RateGate {
  return (exchange) => {
    const standing = rates.take(exchange.auth, exchange.remoteAddress);
    if (standing === undefined) return;
    exchange.headers = [
      ['ratelimit-limit', String(standing.limit)],
      ['ratelimit-remaining', String(standing.remaining)],
      ['ratelimit-reset', String(standing.waitSecs)],
    ];
    requireAllowed(standing);
  };
}

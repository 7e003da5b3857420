/**
 * The limits of requests in a time: of the credentials, of their tenant, and of anonymous readers. One object for HTTP, gRPC and
 * WebSocket, so that a limit holds over all of them together. Counted in this process.
 */
import { networkOf } from '../../engine/access/index.js';
import type { Config } from '../../engine/config/index.js';
import { ServiceError } from '../../engine/errors/index.js';
import { ANONYMOUS_CONTEXT, type AuthContext } from '../auth/context.js';
import { createRateLimiter, type RateLimiter, type RateVerdict } from './rate-limit.js';

/** How a caller stands under one limit. */
export interface RateStanding extends RateVerdict {
  /** Whose limit it is. */
  readonly of: 'credentials' | 'tenant' | 'address';
  /** Most requests in the window. */
  readonly limit: number;
  readonly windowSecs: number;
}

export interface RequestRates {
  /**
   * Counts a request under every limit that it has; one that any of them refuses counts under none.
   *
   * @param address of the client; used where there are no credentials
   * @returns where the fewest requests are left, or what refused it; undefined: there is no limit
   */
  take(auth: AuthContext, address?: () => string): RateStanding | undefined;
  /** How the limits of these credentials stand; nothing is counted. */
  look(auth: AuthContext): readonly RateStanding[];
}

type Limit = Pick<RateStanding, 'of' | 'limit'> & { readonly limiter: RateLimiter; readonly caller: string };

/** @param nowMs milliseconds on a clock that never goes back */
export function createRequestRates(config: Config['limits'], nowMs: () => number): RequestRates {
  const { rateEntriesMax: callersMax, rateWindowSecs, tenantRatePerMinute, publicRatePerMinute } = config;
  const credentials = createRateLimiter(nowMs, { windowSecs: rateWindowSecs, callersMax });
  const tenants = createRateLimiter(nowMs, { callersMax });
  const addresses = createRateLimiter(nowMs, { callersMax });

  function limitsOf(auth: AuthContext, address: (() => string) | undefined): Limit[] {
    if (auth === ANONYMOUS_CONTEXT)
      return address === undefined || publicRatePerMinute === 0
        ? []
        : [{ of: 'address', limit: publicRatePerMinute, limiter: addresses, caller: networkOf(address()) }];
    const limits: Limit[] = [];
    if (auth.rateLimit !== null)
      limits.push({
        of: 'credentials',
        limit: auth.rateLimit,
        limiter: credentials,
        caller: auth.rateCaller,
      });
    if (tenantRatePerMinute !== undefined)
      limits.push({ of: 'tenant', limit: tenantRatePerMinute, limiter: tenants, caller: auth.tenant });
    return limits;
  }

  const standing = ({ of, limit, limiter }: Limit, verdict: RateVerdict): RateStanding => ({
    ...verdict,
    of,
    limit,
    windowSecs: limiter.windowSecs,
  });

  return {
    take(auth, address) {
      const limits = limitsOf(auth, address);
      let narrowest: RateStanding | undefined;
      for (const [i, limit] of limits.entries()) {
        const now = standing(limit, limit.limiter.take(limit.caller, limit.limit));
        if (!now.allowed) {
          for (const { limiter, caller } of limits.slice(0, i)) limiter.giveBack(caller);
          return now;
        }
        if (narrowest === undefined || now.remaining < narrowest.remaining) narrowest = now;
      }
      return narrowest;
    },
    look: (auth) =>
      limitsOf(auth, undefined).map((limit) =>
        standing(limit, limit.limiter.look(limit.caller, limit.limit)),
      ),
  };
}

/** Counts a request. @throws ServiceError RATE_LIMIT_EXCEEDED */
export function chargeRate(rates: RequestRates, auth: AuthContext): void {
  const standing = rates.take(auth);
  if (standing !== undefined) requireAllowed(standing);
}

const WHO: Record<RateStanding['of'], string> = {
  credentials: 'These credentials',
  tenant: 'The credentials of this tenant together',
  address: 'Without credentials, one client address',
};

/** @throws ServiceError RATE_LIMIT_EXCEEDED */
export function requireAllowed({ allowed, of, limit, windowSecs, waitSecs }: RateStanding): void {
  if (allowed) return;
  const window = windowSecs === 60 ? 'minute' : `${windowSecs} s`;
  throw new ServiceError(
    'RATE_LIMIT_EXCEEDED',
    `${WHO[of]} may send ${limit} requests per ${window}; the next one fits in ${waitSecs} s`,
    { retryAfter: waitSecs, details: { limit_of: of, limit, window_seconds: windowSecs } },
  );
}

import { ServiceError } from '../../engine/errors/index.js';
import { ANONYMOUS_CONTEXT, type AuthContext } from '../auth/context.js';

/** Requests and calls of each tenant that are under way, over HTTP and gRPC; streams count for as long as they last. */
export interface TenantRequests {
  /**
   * Counts one more.
   *
   * @returns to be called once, when it is over
   * @throws ServiceError RATE_LIMIT_EXCEEDED
   */
  enter(auth: AuthContext): () => void;
  held(auth: AuthContext): number;
}

/** @param requestsMax of one tenant */
export function createTenantRequests(requestsMax: number): TenantRequests {
  const underWay = new Map<string, number>();
  const nothing = () => {};
  return {
    enter(auth) {
      if (auth === ANONYMOUS_CONTEXT) return nothing;
      const { tenant } = auth;
      const count = underWay.get(tenant) ?? 0;
      if (count >= requestsMax)
        throw new ServiceError(
          'RATE_LIMIT_EXCEEDED',
          `${requestsMax} requests of this tenant are under way already; wait for answers before sending more`,
          { retryAfter: 1, details: { limit_of: 'requests_under_way', limit: requestsMax } },
        );
      underWay.set(tenant, count + 1);
      return () => {
        const left = underWay.get(tenant)! - 1;
        if (left > 0) underWay.set(tenant, left);
        else underWay.delete(tenant);
      };
    },
    held: ({ tenant }) => underWay.get(tenant) ?? 0,
  };
}

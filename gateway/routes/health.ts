import { ServiceError } from '../../engine/errors/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { answering } from '../http/exchange.js';
import { json } from '../http/reply.js';
import type { Route } from '../http/router.js';

/** Name in `/health`. */
const SERVICE_NAME = 'stateset-sequencer';

const PING_TIMEOUT_MS = 2000;
/** However often `/ready` is asked, the database is asked once in this time, and more rarely while it does not answer. */
const PING_AGE_MAX_MS = 250;

export interface HealthDeps {
  readonly sql: Sql;
  readonly version: string;
  readonly readiness: () => { ready: boolean; reason?: string };
}

/** `/health`: the process runs. `/ready`: it can serve, its database included. Both are public. */
export const healthRoutes = ({ sql, version, readiness }: HealthDeps): Route[] => {
  const ping = createPing(sql);
  return [
    {
      method: 'GET',
      path: '/health',
      scope: 'public',
      handler: answering(() =>
        json({
          status: 'healthy',
          service: SERVICE_NAME,
          version,
          timestamp: new Date().toISOString().replace('Z', '+00:00'),
        }),
      ),
    },
    {
      method: 'GET',
      path: '/ready',
      scope: 'public',
      handler: answering(async () => {
        const { ready, reason } = readiness();
        if (!ready)
          throw new ServiceError('SERVICE_UNAVAILABLE', `Not ready: ${reason ?? 'the service is starting'}`);
        const responseTimeMs = await ping();
        return json({
          status: 'ready',
          database: { connected: true, response_time_ms: Math.round(responseTimeMs * 100) / 100 },
          pool: null,
        });
      }),
    },
  ];
};

/** Milliseconds the database takes to answer; concurrent and rapid callers share one question. */
function createPing(sql: Sql): () => Promise<number> {
  let askedAt = Number.NEGATIVE_INFINITY;
  let unanswered = 0;
  let answer: Promise<number> | undefined;
  return () => {
    const now = performance.now();
    // Questions to a database that hangs would pile up behind each other (L8).
    const ageMaxMs = unanswered > 0 ? PING_TIMEOUT_MS : PING_AGE_MAX_MS;
    if (answer === undefined || now - askedAt > ageMaxMs) {
      askedAt = now;
      unanswered++;
      const settled = () => {
        unanswered--;
      };
      const query = sql`select 1`;
      query.then(settled, settled);
      answer = inTime(query);
    }
    return answer;
  };
}

async function inTime(query: Promise<unknown>): Promise<number> {
  const start = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PING_TIMEOUT_MS} ms`)), PING_TIMEOUT_MS);
  });
  try {
    await Promise.race([query, late]);
    return performance.now() - start;
  } catch (cause) {
    throw new ServiceError('SERVICE_UNAVAILABLE', 'Not ready: the database does not answer', { cause });
  } finally {
    clearTimeout(timer);
  }
}

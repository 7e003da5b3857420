import { ServiceError } from '../../engine/errors/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { answering } from '../http/exchange.js';
import { json } from '../http/reply.js';
import type { Route } from '../http/router.js';

/** Name in `/health`. */
export const SERVICE_NAME = 'stateset-sequencer';

const PING_TIMEOUT_MS = 2000;
/** Answers are this old at most; however often `/ready` is asked, the database is not. */
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
  let answer: Promise<number> | undefined;
  return () => {
    const now = performance.now();
    if (answer === undefined || now - askedAt > PING_AGE_MAX_MS) {
      askedAt = now;
      answer = askDatabase(sql);
    }
    return answer;
  };
}

async function askDatabase(sql: Sql): Promise<number> {
  const start = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PING_TIMEOUT_MS} ms`)), PING_TIMEOUT_MS);
  });
  const query = sql`select 1`;
  try {
    await Promise.race([query, late]);
    return performance.now() - start;
  } catch (cause) {
    query.catch(() => {});
    throw new ServiceError('SERVICE_UNAVAILABLE', 'Not ready: the database does not answer', { cause });
  } finally {
    clearTimeout(timer);
  }
}

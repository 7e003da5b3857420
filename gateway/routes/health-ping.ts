import { ServiceError } from '../../engine/errors/index.js';
import type { Sql } from '../../engine/store/connection.js';

const PING_TIMEOUT_MS = 2000;
/** However often health is asked for, the database is asked once in this time, and more rarely while it does not answer. */
const PING_AGE_MAX_MS = 250;

/**
 * Asks the database for a sign of life: the milliseconds it took. Concurrent and rapid callers share one question.
 *
 * @returns a function that rejects with SERVICE_UNAVAILABLE when there is no answer
 */
export function createPing(sql: Sql): () => Promise<number> {
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

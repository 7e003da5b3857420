import { setTimeout as sleep } from 'node:timers/promises';
import { ServiceError } from '../errors/index.js';
import type { Sql } from './connection.js';

export type WaitOptions = {
  /** Further tries after the first. */
  readonly retriesMax: number;
  readonly retryDelayMs: number;
  readonly log: (message: string) => void;
};

/**
 * Failures that no waiting cures (PostgreSQL manual, appendix A): wrong credentials, no such role or database, no right
 * to connect.
 */
const HOPELESS = new Set(['28P01', '28000', '3D000', '42501']);

/**
 * Waits for the first answer of a database that may still be starting.
 *
 * @throws ServiceError DATABASE_UNREACHABLE when the tries are used up, or at once for wrong credentials
 */
export const waitForDatabase = async (sql: Sql, options: WaitOptions): Promise<void> => {
  for (let attempt = 0; ; attempt++) {
    try {
      await sql`select 1`;
      return;
    } catch (cause) {
      const { code, message } = cause as { code?: string; message?: string };
      const reason = message || code || String(cause);
      if (attempt >= options.retriesMax || (code !== undefined && HOPELESS.has(code)))
        throw new ServiceError(
          'DATABASE_UNREACHABLE',
          `The database cannot be reached (${reason}): check DATABASE_URL and that the server runs.`,
          { cause },
        );
      options.log(`the database does not answer yet (${reason}); trying again in ${options.retryDelayMs} ms`);
      await sleep(options.retryDelayMs);
    }
  }
};

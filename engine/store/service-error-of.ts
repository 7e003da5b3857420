import { ServiceError, toServiceError } from '../errors/index.js';

/** SQLSTATE classes and codes that say "not now": connection exceptions, resources, shutdown, locks that were not got. */
const UNAVAILABLE = /^(08|53|57P|55P03|40)/;
/** The driver's and the system's words for a connection that could not be made, was lost, or is in the middle of a COPY. */
const CONNECTION_LOST =
  /^(CONNECTION_|COPY_IN_PROGRESS|CONNECT_|E(CONN|PIPE|HOST|NET|TIMEDOUT|AI_AGAIN|NOTFOUND)|ENOENT)/;
const QUERY_CANCELED = '57014';

/** Any thrown value as a `ServiceError`, failures of the database told apart by what the caller can do about them. */
export function serviceErrorOf(thrown: unknown): ServiceError {
  if (thrown instanceof ServiceError) return thrown;
  const code = (thrown as { code?: unknown } | null)?.code;
  if (typeof code !== 'string') return toServiceError(thrown);
  const answered = (thrown as Error).name === 'PostgresError';
  if (answered && code === QUERY_CANCELED)
    return new ServiceError('TIMEOUT', 'The store took too long to answer', { cause: thrown });
  if (answered ? UNAVAILABLE.test(code) : CONNECTION_LOST.test(code))
    return new ServiceError(
      'SERVICE_UNAVAILABLE',
      'The store cannot be reached at present; try again shortly',
      {
        cause: thrown,
      },
    );
  if (answered) return new ServiceError('DATABASE_ERROR', undefined, { cause: thrown });
  return toServiceError(thrown);
}

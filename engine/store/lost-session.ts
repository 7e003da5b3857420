/**
 * postgres 3.4.9 asks every new connection for the server's array types and lets nobody hold the promise of that question. A
 * session that the server or the network ends in this moment is an unhandled rejection, which would end the process; the
 * query that the connection was opened for is tried again or fails on its own promise.
 */

const SESSION_ENDING = new Set(['FATAL', 'PANIC']);
const CONNECTION_ERROR = /^(CONNECTION_|ECONNRESET$|EPIPE$)/;

/** Whether an unhandled rejection says no more than that a database session has ended. */
export function isLostSession(reason: unknown): boolean {
  if (!(reason instanceof Error)) return false;
  const { code, severity } = reason as { code?: unknown; severity?: string };
  if (reason.name === 'PostgresError') return SESSION_ENDING.has(severity ?? '');
  return typeof code === 'string' && CONNECTION_ERROR.test(code);
}

/** For worker threads: every other unhandled rejection still ends the thread. */
export function surviveLostSessions(): void {
  process.on('unhandledRejection', (reason) => {
    if (!isLostSession(reason)) throw reason;
  });
}

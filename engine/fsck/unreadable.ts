import type { Fault } from './finding.js';

/** SQLSTATE classes of a server that cannot read its own data: internal error and corruption, I/O, bad stored values. */
const DATA_CLASSES = /^(XX|58|22)/;

/** Whether a failure says that stored data cannot be read (a bad page, a lost TOAST value, a broken index). */
export function isUnreadable(error: unknown): boolean {
  const { name, code } = error as { name?: unknown; code?: unknown };
  return name === 'PostgresError' && typeof code === 'string' && DATA_CLASSES.test(code);
}

export const unreadableFault = (error: unknown): Fault => ({
  check: 'readable',
  column: '*',
  message: `the server cannot read it: ${(error as Error).message}`,
});

import { type Fault, type Finding, type FindingList, findingOf } from './finding.js';

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

/** Does `work`; where the server cannot read what it needs, that is a finding, and the answer is `fallback`. */
export async function orUnreadable<T>(
  row: Pick<Finding, 'table' | 'stream' | 'row' | 'position'>,
  findings: Pick<FindingList, 'add'>,
  fallback: T,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    findings.add(findingOf(row, [unreadableFault(error)]));
    return fallback;
  }
}

/** Names a table as a whole. */
export const allRows = (table: string): Pick<Finding, 'table' | 'stream' | 'row' | 'position'> => ({
  table,
  stream: null,
  row: 'all rows',
  position: 0,
});

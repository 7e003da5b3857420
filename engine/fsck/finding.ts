import type { CheckName } from './checks.js';

/** Which stream. Ids are 32 lower-case hex digits. */
export interface StreamId {
  readonly tenant: string;
  readonly store: string;
}

/** One wrong row. */
export interface Finding {
  /** The check that says most about what is wrong. */
  readonly check: CheckName;
  /** Other checks that the same row fails. */
  readonly also: readonly CheckName[];
  readonly table: string;
  /** The stream the row belongs to; null for rows of the whole database. */
  readonly stream: StreamId | null;
  /** The row within its stream or table, such as `sequence_number 17`. */
  readonly row: string;
  /** The column, or the columns one of which must be wrong. */
  readonly column: string;
  /** A sentence. */
  readonly message: string;
  /** The event the row is about, or the last one of several: rows are told in this order. */
  readonly position: number;
}

/** One thing that is wrong with a row. */
export interface Fault {
  readonly check: CheckName;
  readonly column: string;
  readonly message: string;
}

/** A finding of all faults of a row; the first one gives it its name. */
export function findingOf(
  row: Pick<Finding, 'table' | 'stream' | 'row' | 'position'>,
  faults: readonly [Fault, ...Fault[]],
): Finding {
  const [first, ...rest] = faults;
  return { ...row, ...first, also: [...new Set(rest.map(({ check }) => check))] };
}

/** Gathers the findings of one task: the first ones whole, of the others the number. */
export interface FindingList {
  add(finding: Finding): void;
  /** In order of position, `max` at most. */
  readonly first: readonly Finding[];
  readonly total: number;
}

export function createFindingList(max: number): FindingList {
  const kept: Finding[] = [];
  let total = 0;
  const keepFirst = () => {
    kept.sort((a, b) => a.position - b.position);
    kept.length = Math.min(kept.length, max);
  };
  return {
    add(finding) {
      total++;
      kept.push(finding);
      if (kept.length >= 2 * max) keepFirst();
    },
    get first() {
      keepFirst();
      return kept;
    },
    get total() {
      return total;
    },
  };
}

/** A UUID in its usual form, from 32 hex digits. */
export const uuidText = (hex: string): string =>
  hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

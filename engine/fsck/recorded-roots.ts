/** Roots of streams that were recorded besides those of groups: ves_log_roots, and what the notary says of streams (L5). */
import type { ClaimList } from './claims.js';
import { type FindingList, findingOf } from './finding.js';
import { type PlacedRange, rangeQuery, readRanges } from './range-query.js';
import type { Session } from './session.js';
import { bytesAt, columnList, createRowCheckJudge, LOG_ROOTS, numberAt } from './tables.js';
import { CLAIM } from './task.js';

const LOG_ROOT_SIZE = 2;
const LOG_ROOT_HASH = 3;
/** A range's sizes are those behind its events; size 0 belongs to the first range. */
const SIZES = 'tree_size between r.first - (r.first = 1)::int and r.last';

/** Makes the reader of recorded roots. It answers how many rows of each table there were. */
export function createRecordedRoots(session: Session) {
  const judge = createRowCheckJudge(LOG_ROOTS);

  return async (
    ranges: readonly PlacedRange[],
    claims: readonly ClaimList[],
    findings: FindingList,
  ): Promise<{ logRoots: number }> => {
    let logRoots = 0;
    const query = rangeQuery(ranges, LOG_ROOTS.table, columnList(LOG_ROOTS), SIZES, 'tree_size');
    await readRanges(session, query, LOG_ROOTS.columns.length, (tuple, place) => {
      logRoots++;
      const size = numberAt(tuple, LOG_ROOT_SIZE);
      claims[place]!.add(size, CLAIM.logRoot, bytesAt(tuple, LOG_ROOT_HASH));
      if (judge(tuple) === 'good') return;
      const { tenant, store } = ranges[place]!;
      const row = {
        table: LOG_ROOTS.table,
        stream: { tenant, store },
        row: `tree_size ${size}`,
        position: size,
      };
      const column = 'row_check, recorded_at, or a column named by another check';
      const message = 'row_check is not the CRC-32 of the row';
      findings.add(findingOf(row, [{ check: 'row-check', column, message }]));
    });
    // The entries' own rows are checked with the notary's log.
    const entries = rangeQuery(ranges, 'notary_entries', 'tree_size, root_hash', SIZES, 'tree_size');
    await readRanges(session, entries, 2, (tuple, place) => {
      claims[place]!.add(numberAt(tuple, 0), CLAIM.notaryEntry, bytesAt(tuple, 1));
    });
    return { logRoots };
  };
}

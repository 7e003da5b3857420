import { invariant, ServiceError } from '../errors/index.js';
import type { Sha256Into } from '../log/index.js';
import type { Sql } from '../store/connection.js';
import { type NotaryEntryRow, notaryEntryCheck, readNotaryEntries } from '../store/notary.js';
import {
  insertNotaryTiles,
  missingNotaryTiles,
  readNotaryState,
  readNotaryTiles,
  recordNotaryRoot,
} from '../store/notary-log.js';
import type { LogSource } from './log-source.js';
import { createNotaryEntryMaker } from './notary-entry.js';

/** The notary log as a source of proofs. */
export function createNotarySource(deps: { sql: Sql; sha256: Sha256Into }): LogSource {
  const { sql } = deps;
  const makeEntry = createNotaryEntryMaker(deps.sha256);
  return {
    name: 'notary',
    async state(sizes) {
      const state = await readNotaryState(sql, sizes);
      // Every append leaves its root, so the last one ends at the log's end.
      invariant(
        state.size === 0 || state.root !== undefined,
        'INTERNAL_ERROR',
        () => `The log notary: no root is recorded at its size ${state.size}`,
      );
      return state;
    },
    async entries(ranges) {
      const rows = await readNotaryEntries(sql, ranges);
      const byIndex = new Map(rows.map((row) => [row.leafIndex, row]));
      return ranges.map(({ from, to }) =>
        Array.from({ length: to - from }, (_, i) => makeEntry(intact(byIndex.get(from + i), from + i)).entry),
      );
    },
    tiles: {
      read: (queries) => readNotaryTiles(sql, queries),
      missing: (level, from, to, limit) => missingNotaryTiles(sql, level, from, to, limit),
      insert: (tiles) => insertNotaryTiles(sql, tiles),
    },
    recordRoot: (size, root) => recordNotaryRoot(sql, size, root),
  };
}

/** The row, which must be there and be what was written. */
export function intact(row: NotaryEntryRow | undefined, leafIndex: number): NotaryEntryRow {
  if (!row) throw new ServiceError('SEQUENCE_GAP', `The notary log has no entry ${leafIndex}.`);
  invariant(
    row.rowCheck === notaryEntryCheck(row),
    'INTERNAL_ERROR',
    () => `notary_entries: entry ${leafIndex} was changed after it was written`,
  );
  return row;
}

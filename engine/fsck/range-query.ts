/** Queries over many ranges of many streams at once, for COPY, which takes no parameters. */

import type { Tuple, TupleSink } from '../store/copy-tuples.js';
import { type Finding, type StreamId, uuidText } from './finding.js';
import type { Session } from './session.js';
import type { StreamRange } from './task.js';

/** A range and its number among those asked for. */
export interface PlacedRange extends StreamRange {
  readonly place: number;
}

/**
 * The rows of a table that belong to ranges, range by range. `condition` and `order` may use the columns of the table and the
 * range's, `r.first` and `r.last`. The last column of a row is the range's place.
 */
export function rangeQuery(
  ranges: readonly PlacedRange[],
  table: string,
  columns: string,
  condition: string,
  order: string,
): string {
  const values = ranges.map(({ place, tenant, store, from, to }) => {
    const ids = `'${uuidText(tenant)}'::uuid, '${uuidText(store)}'::uuid`;
    return `(${place}, ${ids}, ${from}::bigint, ${to}::bigint)`;
  });
  return `select e.*, r.place from (values ${values.join(', ')}) as r(place, tenant, store, first, last)
    cross join lateral (select ${columns} from ${table} where tenant_id = r.tenant and store_id = r.store and ${condition}
      order by ${order} offset 0) e`;
}

/** Reads such rows and tells for each the place of its range. `columns` counts the table's columns only. */
export async function readRanges(
  session: Session,
  query: string,
  columns: number,
  sink: (tuple: Tuple, place: number) => void,
): Promise<void> {
  let last = -1;
  const placed: TupleSink = (tuple) => {
    const place = tuple.bytes.readInt32BE(tuple.at[columns]!);
    if (place < last) throw new Error('the database answered ranges out of order');
    last = place;
    sink(tuple, place);
  };
  await session.copyOut(query, columns + 1, placed);
}

/** A condition on one stream. */
export const streamCondition = ({ tenant, store }: StreamId): string =>
  `tenant_id = '${uuidText(tenant)}' and store_id = '${uuidText(store)}'`;

/** Names the rows that belong to ranges, when all of them are meant. */
export function rowsOf(ranges: readonly StreamRange[]): Pick<Finding, 'stream' | 'row' | 'position'> {
  const [first] = ranges;
  const { tenant, store, from, to } = first!;
  if (ranges.length > 1)
    return { stream: { tenant, store }, row: `${ranges.length} streams from this one on`, position: 0 };
  return { stream: { tenant, store }, row: `those of events ${from} to ${to}`, position: from };
}

import { parseUuid } from '../protocol/index.js';
import type { Tuple } from '../store/copy-tuples.js';
import { VES } from '../store/ves-columns.js';
import type { EventFilter } from './filter.js';

/** Whether a row passes a filter, decided on its bytes. */
export type Matcher = (tuple: Tuple) => boolean;

/** Makes the matcher; undefined when everything passes. */
export function createMatcher(filter: EventFilter): Matcher | undefined {
  const text = (values: readonly string[] | undefined) => values?.map((value) => Buffer.from(value));
  const lists = [
    [VES.entityType, text(filter.entityTypes)],
    [VES.entityId, text(filter.entityIds)],
    [VES.eventType, text(filter.eventTypes)],
    [VES.agent, filter.agents?.map((agent) => Buffer.from(parseUuid(agent)!))],
  ] as const;
  const wanted = lists.flatMap(([column, values]) => (values?.length ? [{ column, values }] : []));
  if (wanted.length === 0) return undefined;
  return (tuple) => wanted.every(({ column, values }) => values.some((value) => holds(tuple, column, value)));
}

function holds({ bytes, at, length }: Tuple, column: number, value: Buffer): boolean {
  if (length[column] !== value.length) return false;
  const start = at[column]!;
  for (let i = 0; i < value.length; i++) if (bytes[start + i] !== value[i]) return false;
  return true;
}

/** Where a stream ends. */
import { type Fault, type Finding, findingOf, uuidText } from './finding.js';
import type { Session } from './session.js';
import { type StreamState, TABLES } from './streams.js';
import { CHUNK_EVENTS } from './task.js';

/** How many events of a stream there are to look at, and what is wrong about its end. */
export interface StreamExtent {
  readonly n: number;
  readonly wrongCounter: boolean;
  readonly findings: readonly Finding[];
}

/**
 * Where a stream ends. Counter and events say the same unless one of them is wrong: the counter, if events go on behind it without a
 * gap, or end before it and no group goes further; otherwise events, which are missing or have a wrong number.
 */
export async function extentOf(session: Session, stream: StreamState): Promise<StreamExtent> {
  const { head, lastEvent, kind, tenant, store } = stream;
  if (head === lastEvent) return { n: head, wrongCounter: false, findings: [] };
  const { counters, events } = TABLES[kind];
  const counterFinding = (n: number, message: string): StreamExtent => {
    const row = {
      table: counters,
      stream: { tenant, store },
      row: 'the stream',
      position: Number.MAX_SAFE_INTEGER,
    };
    const fault: Fault = {
      check: 'head',
      column: 'current_sequence',
      message: `current_sequence is ${head}, ${message}`,
    };
    return { n, wrongCounter: true, findings: [findingOf(row, [fault])] };
  };
  if (lastEvent < head) {
    if ((await groupsEnd(session, stream)) === head) return { n: head, wrongCounter: false, findings: [] }; // to be missed by the workers
    return counterFinding(lastEvent, `the last event is ${lastEvent}`);
  }
  const [counted] = await session.run(
    (sql) => sql<{ all: number; first: number; last: number }[]>`
      select count(*)::float8 as all, min(sequence_number) filter (where sequence_number > ${head})::float8 as first,
        coalesce(max(sequence_number) filter (where sequence_number <= ${head}), 0)::float8 as last
      from ${sql(events)} where tenant_id = ${uuidText(tenant)} and store_id = ${uuidText(store)}`,
  );
  const { all, first, last } = counted!;
  if (all === lastEvent) return counterFinding(lastEvent, `but events go on to ${lastEvent}`);
  const row = { table: events, stream: { tenant, store }, row: `sequence_number ${first}`, position: first };
  const message = `the event is behind current_sequence, which is ${head}`;
  const stray = findingOf(row, [{ check: 'beyond-head', column: 'sequence_number', message }]);
  return { n: head - last <= CHUNK_EVENTS ? head : last, wrongCounter: false, findings: [stray] };
}

/** Last number that a group covers; undefined for legacy streams, which have none. */
async function groupsEnd(
  session: Session,
  { kind, tenant, store }: StreamState,
): Promise<number | undefined> {
  if (kind === 'legacy') return undefined;
  const [row] = await session.run(
    (sql) => sql<
      { last: number | null }[]
    >`select max(last_sequence)::float8 as last from ves_sequencer_receipts
      where tenant_id = ${uuidText(tenant)} and store_id = ${uuidText(store)}`,
  );
  return row?.last ?? undefined;
}

/**
 * Legacy state roots: hashes over the number of events that every entity of a store had at a commitment. They are re-derived by
 * counting the events from commitment to commitment. This is the one check whose memory grows, with the number of entities of a
 * store that has legacy commitments (about 200 bytes each).
 */
import { createHash } from 'node:crypto';
import { add, type Counts } from './counts.js';
import { type Fault, type FindingList, findingOf, type StreamId, uuidText } from './finding.js';
import { streamCondition } from './range-query.js';
import type { Session } from './session.js';
import { columnList, createRowCheckJudge, ENTITY_COUNTS, ENTITY_HEADS, numberAt, textAt } from './tables.js';

interface Heads {
  readonly ves: number;
  readonly legacy: number;
}

/** A commitment's state root and the heads it is of. */
interface State extends Heads {
  readonly start: number;
  readonly root: Uint8Array;
}

/** Type and id in one text, a character per byte: texts of Postgres have no U+0000, so this sorts as the pair does. */
const nameOf = (type: string, id: string) => `${type}\0${id}`;
const quote = (name: string) =>
  name
    .split('\0')
    .map((part) => JSON.stringify(Buffer.from(part, 'latin1').toString('utf8')))
    .join(', entity_id ');

/** Checks the state roots and the stored counts of a store. */
export async function checkLegacyStates(
  session: Session,
  stream: StreamId,
  findings: FindingList,
  counts: Counts,
): Promise<void> {
  const counter = createEntityCounter(session, stream);
  const limits = await readHeads(session, stream);
  const fail = (table: string, row: string, position: number, fault: Fault) =>
    findings.add(findingOf({ table, stream, row, position }, [fault]));

  let diverged = false;
  for (const state of await readStates(session, stream)) {
    const row = `sequence_start ${state.start}`;
    const problem = counter.problemOf(state, limits);
    if (problem !== undefined) {
      fail('commitments', row, state.start, {
        check: 'state-root',
        column: 'ves_head or legacy_head',
        message: problem,
      });
      continue;
    }
    await counter.advance(state);
    const good = Buffer.compare(counter.root(), state.root) === 0;
    if (!good && !diverged) {
      const message = `new_state_root is not that of the entities at ${state.ves} (VES) and ${state.legacy} (legacy)`;
      const column = 'new_state_root, ves_head or legacy_head';
      fail('commitments', row, state.start, { check: 'state-root', column, message });
    }
    diverged = !good; // one wrong event makes all later roots wrong
  }

  const counted = await readCountedHeads(session, stream);
  if (counted === undefined) {
    // Counts that nobody knows the heads of would be counted once more. Without counts, all is counted anew.
    let rows = 0;
    await session.copyOut(countsOf(stream), ENTITY_COUNTS.columns.length, () => {
      rows++;
    });
    add(counts, ENTITY_COUNTS.table, rows);
    const message = 'the row is gone, and events of entities are counted up to it';
    if (rows > 0) fail(ENTITY_HEADS.table, 'the store', 0, { check: 'entity-count', column: '*', message });
    return;
  }
  add(counts, ENTITY_HEADS.table, 1);
  const row = 'the store';
  if (!counted.good)
    fail(ENTITY_HEADS.table, row, counted.legacy, {
      check: 'row-check',
      column: 'row_check',
      message: WRONG_CHECK,
    });
  const problem = counter.problemOf(counted, limits);
  if (problem !== undefined) {
    const column = 'ves_head or legacy_head';
    fail(ENTITY_HEADS.table, row, counted.legacy, { check: 'entity-count', column, message: problem });
    return;
  }
  await counter.advance(counted);
  const rows = await compareCounts(session, stream, counter.versions(), (name, fault) =>
    fail(ENTITY_COUNTS.table, `entity_type ${quote(name)}`, counted.legacy, fault),
  );
  add(counts, ENTITY_COUNTS.table, rows);
}

const WRONG_CHECK = 'row_check is not the CRC-32 of the row';

/** Counts events of entities from heads to heads. */
function createEntityCounter(session: Session, stream: StreamId) {
  const versions = new Map<string, number>();
  let sorted: string[] = [];
  let fresh: string[] = [];
  let at: Heads = { ves: 0, legacy: 0 };
  const ids = Buffer.from(stream.tenant + stream.store, 'hex');

  return {
    versions: (): ReadonlyMap<string, number> => versions,
    problemOf({ ves, legacy }: Heads, limits: Heads): string | undefined {
      if (ves > limits.ves || legacy > limits.legacy)
        return `it counts events up to ${ves} (VES) and ${legacy} (legacy), but the streams end at ${limits.ves} and ${limits.legacy}`;
      if (ves < at.ves || legacy < at.legacy)
        return `it counts events up to ${ves} (VES) and ${legacy} (legacy), fewer than the one before`;
      return undefined;
    },
    async advance(to: Heads): Promise<void> {
      const range = (table: string, from: number, last: number) =>
        `select entity_type, entity_id from ${table} where ${streamCondition(stream)}
          and sequence_number > ${from} and sequence_number <= ${last}`;
      const events = `${range('ves_events', at.ves, to.ves)} union all ${range('events', at.legacy, to.legacy)}`;
      const query = `select entity_type, entity_id, count(*) from (${events}) behind group by 1, 2`;
      await session.copyOut(query, 3, (tuple) => {
        const name = nameOf(textAt(tuple, 0, 'latin1'), textAt(tuple, 1, 'latin1'));
        const known = versions.get(name);
        if (known === undefined) fresh.push(name);
        versions.set(name, (known ?? 0) + numberAt(tuple, 2));
      });
      at = to;
    },
    /** SHA-256(tenant ‖ store ‖ for each entity, in the order of their bytes: type ‖ id ‖ version as u64, little-endian). */
    root(): Buffer {
      sorted = mergeSorted(sorted, fresh.sort(compareUnits));
      fresh = [];
      const hash = createHash('sha256').update(ids);
      for (const name of sorted) {
        const split = name.indexOf('\0');
        const entry = Buffer.alloc(name.length + 7);
        entry.write(name.slice(0, split), 0, 'latin1');
        entry.write(name.slice(split + 1), split, 'latin1');
        entry.writeBigInt64LE(BigInt(versions.get(name)!), name.length - 1);
        hash.update(entry);
      }
      return hash.digest();
    },
  };
}

const compareUnits = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function mergeSorted(a: readonly string[], b: readonly string[]): string[] {
  const merged: string[] = [];
  let i = 0;
  for (const each of b) {
    while (i < a.length && a[i]! < each) merged.push(a[i++]!);
    merged.push(each);
  }
  while (i < a.length) merged.push(a[i++]!);
  return merged;
}

/** The commitments' states in the order of the heads. */
async function readStates(session: Session, { tenant, store }: StreamId): Promise<State[]> {
  const rows = await session.run(
    (sql) => sql<(Heads & { start: number; root: Buffer })[]>`
      select sequence_start::float8 as start, ves_head::float8 as ves, legacy_head::float8 as legacy, new_state_root as root
      from commitments where tenant_id = ${uuidText(tenant)} and store_id = ${uuidText(store)} order by sequence_start`,
  );
  return [...rows];
}

/** Where the streams end, by their events: a wrong counter is reported elsewhere. */
async function readHeads(session: Session, { tenant, store }: StreamId): Promise<Heads> {
  const [row] = await session.run(
    (sql) => sql<Heads[]>`select
      coalesce((select max(sequence_number) from ves_events
        where tenant_id = ${uuidText(tenant)} and store_id = ${uuidText(store)}), 0)::float8 as ves,
      coalesce((select max(sequence_number) from events
        where tenant_id = ${uuidText(tenant)} and store_id = ${uuidText(store)}), 0)::float8 as legacy`,
  );
  return row!;
}

async function readCountedHeads(
  session: Session,
  stream: StreamId,
): Promise<(Heads & { good: boolean }) | undefined> {
  const judge = createRowCheckJudge(ENTITY_HEADS);
  let found: (Heads & { good: boolean }) | undefined;
  const query = `select ${columnList(ENTITY_HEADS)} from ${ENTITY_HEADS.table} where ${streamCondition(stream)}`;
  await session.copyOut(query, ENTITY_HEADS.columns.length, (tuple) => {
    found = { ves: numberAt(tuple, 2), legacy: numberAt(tuple, 3), good: judge(tuple) === 'good' };
  });
  return found;
}

const countsOf = (stream: StreamId) =>
  `select ${columnList(ENTITY_COUNTS)} from ${ENTITY_COUNTS.table} where ${streamCondition(stream)}`;

/** Compares stored counts with derived ones. Answers how many there are. */
async function compareCounts(
  session: Session,
  stream: StreamId,
  versions: ReadonlyMap<string, number>,
  fail: (name: string, fault: Fault) => void,
): Promise<number> {
  const judge = createRowCheckJudge(ENTITY_COUNTS);
  const unseen = new Set(versions.keys());
  let rows = 0;
  await session.copyOut(countsOf(stream), ENTITY_COUNTS.columns.length, (tuple) => {
    rows++;
    const name = nameOf(textAt(tuple, 2, 'latin1'), textAt(tuple, 3, 'latin1'));
    const version = numberAt(tuple, 4);
    const derived = versions.get(name) ?? 0;
    unseen.delete(name);
    const column = 'version, entity_type or entity_id';
    const message = `version is ${version}, but there are ${derived} events`;
    if (version !== derived) fail(name, { check: 'entity-count', column, message });
    else if (judge(tuple) !== 'good')
      fail(name, { check: 'row-check', column: 'row_check', message: WRONG_CHECK });
  });
  for (const name of unseen) {
    const message = `there is no row, but there are ${versions.get(name)} events`;
    fail(name, { check: 'entity-count', column: '*', message });
  }
  return rows;
}

/** Rows of ves_sequencer_receipts: ranges without a hole, the instant of their events, key version, check value; and their roots. */

import { readMicros } from '../store/copy-tuples.js';
import type { ClaimList } from './claims.js';
import { addFault } from './event-range.js';
import { type Fault, type FindingList, findingOf } from './finding.js';
import { type PlacedRange, rangeQuery, readRanges } from './range-query.js';
import type { Session } from './session.js';
import {
  bytesAt,
  columnList,
  createRowCheckJudge,
  GROUPS,
  numberAt,
  type RowCheckVerdict,
} from './tables.js';
import { CLAIM, type FsckSetup } from './task.js';
import { EVENT, type VesChunk } from './ves-chunk.js';

const LAST = 2;
const FIRST = 3;
const KEY_VERSION = 5;
const SEQUENCED_AT = 6;
const ROOT = 7;

interface Group {
  readonly first: number;
  readonly last: number;
  readonly keyVersion: number;
  readonly micros: number;
  readonly root: Uint8Array;
  readonly verdict: RowCheckVerdict;
}

/** The groups that end in a range, the one before them, and the one that covers the range's last event. */
const CONDITION = `last_sequence between
  coalesce((select max(last_sequence) from ves_sequencer_receipts
    where tenant_id = r.tenant and store_id = r.store and last_sequence < r.first), r.first)
  and coalesce((select min(last_sequence) from ves_sequencer_receipts
    where tenant_id = r.tenant and store_id = r.store and last_sequence >= r.last), r.last)`;

/** Makes the check of groups. It answers the last number that is covered by the groups which end in each range, 0 for none. */
export function createGroupCheck(session: Session, setup: Pick<FsckSetup, 'keyVersions' | 'oldRows'>) {
  const judge = createRowCheckJudge(GROUPS);
  const keyVersions = new Set(setup.keyVersions);

  async function read(ranges: readonly PlacedRange[]): Promise<Group[][]> {
    const groups: Group[][] = ranges.map(() => []);
    const query = rangeQuery(ranges, GROUPS.table, columnList(GROUPS), CONDITION, 'last_sequence');
    await readRanges(session, query, GROUPS.columns.length, (tuple, place) => {
      groups[place]!.push({
        first: numberAt(tuple, FIRST),
        last: numberAt(tuple, LAST),
        keyVersion: numberAt(tuple, KEY_VERSION),
        micros: readMicros(tuple.bytes, tuple.at[SEQUENCED_AT]!),
        root: bytesAt(tuple, ROOT),
        verdict: judge(tuple),
      });
    });
    return groups;
  }

  /** What is wrong with the row by itself, and with its place behind the group before. */
  function faultsOf(group: Group, before: number): Fault[] {
    const faults: Fault[] = [];
    if (group.first !== before + 1) {
      const message = `the group begins at ${group.first}, the one before it ends at ${before}`;
      faults.push({ check: 'group-range', column: 'first_sequence or last_sequence', message });
    }
    if (!keyVersions.has(group.keyVersion)) {
      const message = `sequencer_keys has no version ${group.keyVersion}`;
      faults.push({ check: 'group-key', column: 'sequencer_key_version', message });
    }
    if (group.verdict === 'wrong') faults.push(WRONG_CHECK);
    else if (group.verdict === 'absent' && !setup.oldRows) faults.push(NO_CHECK);
    return faults;
  }

  /** Compares the group with its events; may add to either's faults. */
  function compareEvents(group: Group, chunk: VesChunk, faults: Fault[]): void {
    const { range, flags, times } = chunk;
    const from = Math.max(group.first, range.from) - range.from;
    const to = Math.min(group.last, range.to) - range.from;
    let present = 0;
    let differing = 0;
    for (let i = from; i <= to; i++) {
      if ((flags[i]! & EVENT.present) === 0) continue;
      present++;
      if (times[i] !== group.micros) differing++;
      // A group and its events are written by one process: all of them have check values, or none.
      const checked = (flags[i]! & EVENT.checked) !== 0;
      if (checked && group.verdict === 'absent' && !faults.includes(NO_CHECK)) faults.push(NO_CHECK);
      if (!checked && group.verdict !== 'absent' && setup.oldRows) addFault(chunk, range.from + i, NO_CHECK);
    }
    if (differing === 0) return;
    if (differing === present && group.verdict !== 'good') {
      const message = 'its events were sequenced at another instant';
      faults.push({ check: 'group-time', column: 'sequenced_at', message });
      return;
    }
    const message = `sequenced_at is not that of its group, which ends at ${group.last}`;
    for (let i = from; i <= to; i++)
      if ((flags[i]! & EVENT.present) !== 0 && times[i] !== group.micros)
        addFault(chunk, range.from + i, { check: 'group-time', column: 'sequenced_at', message });
  }

  return async (
    chunks: readonly VesChunk[],
    claims: readonly ClaimList[],
    findings: FindingList,
  ): Promise<{ ends: (number | undefined)[]; rows: number }> => {
    const groups = await read(chunks.map(({ range }, place) => ({ ...range, place })));
    let rows = 0;
    const ends = chunks.map((chunk, place) => {
      const { range } = chunk;
      let before = 0;
      let end = 0;
      for (const group of groups[place]!) {
        const own = group.last >= range.from && group.last <= range.to;
        const faults = own ? faultsOf(group, before) : [];
        if (group.last >= range.from) compareEvents(group, chunk, faults);
        before = group.last;
        if (!own) continue;
        rows++;
        end = group.last;
        claims[place]!.add(group.last, CLAIM.group, group.root);
        const [first, ...rest] = faults;
        if (first === undefined) continue;
        const stream = { tenant: range.tenant, store: range.store };
        const row = { table: GROUPS.table, stream, row: `last_sequence ${group.last}`, position: group.last };
        findings.add(findingOf(row, [first, ...rest]));
      }
      return end;
    });
    return { ends, rows };
  };
}

const WRONG_CHECK: Fault = {
  check: 'row-check',
  column: 'row_check, sequencer_id, or a column named by another check',
  message: 'row_check is not the CRC-32 of the row',
};
const NO_CHECK: Fault = {
  check: 'row-check',
  column: 'row_check',
  message: 'the row has no check value, although rows of its time do',
};

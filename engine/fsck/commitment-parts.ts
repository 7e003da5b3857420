/** Commitments that overlap ranges: their rows, and the pieces of their trees. */

import {
  type RowHasher,
  type Sha256,
  vesPaddedLeafCount,
  vesStateRoot,
  vesStreamId,
  vesTreeDepth,
} from '../protocol/index.js';
import type { Tuple } from '../store/copy-tuples.js';
import type { FsckCrypto } from './crypto.js';
import { type Fault, type FindingList, findingOf } from './finding.js';
import { type PlacedRange, rangeQuery, readRanges } from './range-query.js';
import type { Session } from './session.js';
import { piecesOf } from './subtrees.js';
import {
  bytesAt,
  columnList,
  createRowCheckJudge,
  LEGACY_COMMITMENTS,
  numberAt,
  type RowCheckVerdict,
  VES_COMMITMENTS,
} from './tables.js';
import type { CommitmentPart } from './task.js';

/** What a row says that the trees are compared with. */
export type CommitmentRow = Omit<CommitmentPart, 'pieces'> & {
  readonly verdict: RowCheckVerdict;
  readonly shape: Fault[];
};

const START = 2;
const END = 3;

/** By the primary key: the commitments that begin in the range, and the one before, which may reach into it. */
const conditionOf = (
  table: string,
) => `(sequence_end >= r.first or sequence_start >= r.first) and sequence_start between
  coalesce((select max(sequence_start) from ${table}
    where tenant_id = r.tenant and store_id = r.store and sequence_start <= r.first), r.first) and r.last`;

/** Reads the commitments that overlap each range. */
export async function readCommitments(
  session: Session,
  kind: 'ves' | 'legacy',
  ranges: readonly PlacedRange[],
  crypto: Pick<FsckCrypto, 'sha256'>,
): Promise<CommitmentRow[][]> {
  const table = kind === 'ves' ? VES_COMMITMENTS : LEGACY_COMMITMENTS;
  const judge = createRowCheckJudge(table);
  const read = kind === 'ves' ? createVesReader(crypto) : readLegacy;
  const rows: CommitmentRow[][] = ranges.map(() => []);
  const query = rangeQuery(
    ranges,
    table.table,
    columnList(table),
    conditionOf(table.table),
    'sequence_start',
  );
  await readRanges(session, query, table.columns.length, (tuple, place) => {
    rows[place]!.push({ ...read(tuple), verdict: judge(tuple) });
  });
  return rows;
}

function createVesReader({ sha256 }: Pick<FsckCrypto, 'sha256'>) {
  const digest: Sha256 = (bytes) => {
    const hash = new Uint8Array(32);
    sha256(bytes, hash, 0);
    return hash;
  };
  return (tuple: Tuple): Omit<CommitmentRow, 'verdict'> => {
    const [start, end, version, depth, leafCount, padded] = [START, END, 5, 6, 7, 8].map((column) =>
      numberAt(tuple, column),
    ) as [number, number, number, number, number, number];
    const [root, prevStateRoot, newStateRoot] = [9, 10, 11].map((column) => bytesAt(tuple, column)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    const shape: Fault[] = rangeFaults(start, end);
    const expect = (column: string, value: number, expected: number) => {
      if (value !== expected)
        shape.push({ check: 'commitment-shape', column, message: `${column} is ${value}, not ${expected}` });
    };
    expect('ves_version', version, 1);
    expect('leaf_count', leafCount, end - start + 1);
    expect('tree_depth', depth, vesTreeDepth(end - start + 1));
    expect('padded_leaf_count', padded, vesPaddedLeafCount(end - start + 1));
    const streamId = vesStreamId(Buffer.concat([bytesAt(tuple, 0), bytesAt(tuple, 1)]), digest);
    const derived = vesStateRoot(
      { streamId, prevStateRoot, merkleRoot: root, sequenceStart: start, sequenceEnd: end, leafCount },
      digest,
    );
    if (Buffer.compare(derived, newStateRoot) !== 0) {
      const message = 'new_state_root is not what prev_state_root, merkle_root and the range give';
      shape.push({ check: 'state-root', column: 'new_state_root, or what it is the hash of', message });
    }
    return { start, end, root, prevStateRoot, newStateRoot, shape };
  };
}

function readLegacy(tuple: Tuple): Omit<CommitmentRow, 'verdict'> {
  const start = numberAt(tuple, START);
  const end = numberAt(tuple, END);
  const count = numberAt(tuple, 5);
  const message = `event_count is ${count}, not ${end - start + 1}`;
  const shape = rangeFaults(start, end);
  if (count !== end - start + 1) shape.push({ check: 'commitment-shape', column: 'event_count', message });
  return {
    start,
    end,
    root: bytesAt(tuple, 6),
    prevStateRoot: bytesAt(tuple, 7),
    newStateRoot: bytesAt(tuple, 8),
    shape,
  };
}

function rangeFaults(start: number, end: number): Fault[] {
  if (start >= 1 && end >= start) return [];
  const message = `the commitment ends at ${end}, before it begins`;
  return [{ check: 'commitment-range', column: 'sequence_start or sequence_end', message }];
}

/** The pieces of each commitment in the range, and findings about the rows that begin in it. Answers how many those are. */
export function commitmentParts(
  table: string,
  range: PlacedRange,
  rows: readonly CommitmentRow[],
  leaves: Uint8Array | undefined,
  hashPairs: RowHasher,
  findings: FindingList,
): { parts: CommitmentPart[]; rows: number } {
  let own = 0;
  const parts = rows.map(({ verdict, shape, ...row }): CommitmentPart => {
    if (row.start >= range.from) {
      own++;
      const faults: Fault[] = verdict === 'good' ? shape : [...shape, WRONG_CHECK];
      const [first, ...rest] = faults;
      const { tenant, store } = range;
      const name = {
        table,
        stream: { tenant, store },
        row: `sequence_start ${row.start}`,
        position: row.start,
      };
      if (first) findings.add(findingOf(name, [first, ...rest]));
    }
    const from = Math.max(row.start, range.from);
    const to = Math.min(row.end, range.to);
    const covered = leaves!.slice(32 * (from - range.from), 32 * Math.max(0, to - range.from + 1));
    return { ...row, pieces: piecesOf(covered, from - row.start, hashPairs) };
  });
  return { parts, rows: own };
}

const WRONG_CHECK: Fault = {
  check: 'row-check',
  column: 'row_check, batch_id, committed_at, an anchoring column, or a column named by another check',
  message: 'row_check is not the CRC-32 of the row',
};

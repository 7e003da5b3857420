/** Rows of bookkeeping with a check value: what is read of them, and how the value is recomputed from the COPY tuple. */
import { crc32 } from 'node:zlib';
import type { Tuple } from '../store/copy-tuples.js';
import { readInt8, readMicros } from '../store/copy-tuples.js';

/**
 * How a column goes into the check value: ids as 16 bytes or as text, numbers of any width and instants (microseconds since 1970) as
 * eight bytes, texts and byte strings as they are.
 */
type ColumnKind = 'id' | 'id-text' | 'number' | 'time' | 'bytes';

export interface TableShape {
  readonly table: string;
  /** All columns in table order; the last one is row_check. */
  readonly columns: readonly (readonly [name: string, kind: ColumnKind])[];
}

/** The list of columns for a select. */
export const columnList = ({ columns }: TableShape): string => columns.map(([name]) => name).join(', ');

export const GROUPS: TableShape = {
  table: 'ves_sequencer_receipts',
  columns: [
    ['tenant_id', 'id'],
    ['store_id', 'id'],
    ['last_sequence', 'number'],
    ['first_sequence', 'number'],
    ['sequencer_id', 'id'],
    ['sequencer_key_version', 'number'],
    ['sequenced_at', 'time'],
    ['root_hash', 'bytes'],
    ['row_check', 'number'],
  ],
};

export const LOG_ROOTS: TableShape = {
  table: 'ves_log_roots',
  columns: [
    ['tenant_id', 'id-text'],
    ['store_id', 'id-text'],
    ['tree_size', 'number'],
    ['root_hash', 'bytes'],
    ['recorded_at', 'time'],
    ['row_check', 'number'],
  ],
};

const ANCHORING: TableShape['columns'] = [
  ['committed_at', 'time'],
  ['chain_id', 'number'],
  ['chain_tx_hash', 'bytes'],
  ['chain_block_number', 'number'],
  ['anchored_at', 'time'],
  ['row_check', 'number'],
];

export const VES_COMMITMENTS: TableShape = {
  table: 'ves_commitments',
  columns: [
    ['tenant_id', 'id'],
    ['store_id', 'id'],
    ['sequence_start', 'number'],
    ['sequence_end', 'number'],
    ['batch_id', 'id'],
    ['ves_version', 'number'],
    ['tree_depth', 'number'],
    ['leaf_count', 'number'],
    ['padded_leaf_count', 'number'],
    ['merkle_root', 'bytes'],
    ['prev_state_root', 'bytes'],
    ['new_state_root', 'bytes'],
    ...ANCHORING,
  ],
};

export const LEGACY_COMMITMENTS: TableShape = {
  table: 'commitments',
  columns: [
    ['tenant_id', 'id'],
    ['store_id', 'id'],
    ['sequence_start', 'number'],
    ['sequence_end', 'number'],
    ['batch_id', 'id'],
    ['event_count', 'number'],
    ['events_root', 'bytes'],
    ['prev_state_root', 'bytes'],
    ['new_state_root', 'bytes'],
    ['ves_head', 'number'],
    ['legacy_head', 'number'],
    ...ANCHORING,
  ],
};

export const ENTITY_HEADS: TableShape = {
  table: 'commitment_entity_heads',
  columns: [
    ['tenant_id', 'id'],
    ['store_id', 'id'],
    ['ves_head', 'number'],
    ['legacy_head', 'number'],
    ['row_check', 'number'],
  ],
};

export const ENTITY_COUNTS: TableShape = {
  table: 'commitment_entity_versions',
  columns: [
    ['tenant_id', 'id'],
    ['store_id', 'id'],
    ['entity_type', 'bytes'],
    ['entity_id', 'bytes'],
    ['version', 'number'],
    ['row_check', 'number'],
  ],
};

export const NOTARY_ENTRIES: TableShape = {
  table: 'notary_entries',
  columns: [
    ['leaf_index', 'number'],
    ['tenant_id', 'id-text'],
    ['store_id', 'id-text'],
    ['origin', 'bytes'],
    ['tree_size', 'number'],
    ['root_hash', 'bytes'],
    ['notarised_at', 'time'],
    ['row_check', 'number'],
  ],
};

export const NOTARY_ROOTS: TableShape = {
  table: 'notary_roots',
  columns: [
    ['tree_size', 'number'],
    ['root_hash', 'bytes'],
    ['recorded_at', 'time'],
    ['row_check', 'number'],
  ],
};

export const NOTARY_CHECKPOINTS: TableShape = {
  table: 'notary_checkpoints',
  columns: [
    ['origin', 'bytes'],
    ['tree_size', 'number'],
    ['key_version', 'number'],
    ['root_hash', 'bytes'],
    ['issued_at', 'time'],
    ['note', 'bytes'],
    ['row_check', 'number'],
  ],
};

export const NOTARY_COSIGNATURES: TableShape = {
  table: 'notary_cosignatures',
  columns: [
    ['origin', 'bytes'],
    ['tree_size', 'number'],
    ['witness_name', 'bytes'],
    ['key_id', 'bytes'],
    ['signature_line', 'bytes'],
    ['cosigned_at', 'time'],
    ['row_check', 'number'],
  ],
};

export type RowCheckVerdict = 'good' | 'wrong' | 'absent';

/** Makes a function that judges the check value of a table's rows. Not re-entrant. */
export function createRowCheckJudge({ columns }: TableShape): (tuple: Tuple) => RowCheckVerdict {
  const checkColumn = columns.length - 1;
  let scratch = Buffer.alloc(1024);
  return ({ bytes, at, length, start, end }) => {
    if (length[checkColumn]! < 0) return 'absent';
    // Ids as text are the only values that grow.
    const size = 2 * (end - start) + 64;
    if (scratch.length < size) scratch = Buffer.alloc(2 * size);
    let place = 0;
    for (let i = 0; i < checkColumn; i++) {
      const from = at[i]!;
      const bytesOfValue = length[i]!;
      const kind = columns[i]![1];
      if (bytesOfValue < 0) place = scratch.writeInt32BE(-1, place);
      else if (kind === 'number' || kind === 'time') {
        place = scratch.writeInt32BE(8, place);
        const value =
          kind === 'time'
            ? BigInt(readMicros(bytes, from))
            : BigInt(bytes.readIntBE(from, Math.min(bytesOfValue, 6)));
        place = scratch.writeBigInt64BE(
          bytesOfValue === 8 && kind === 'number' ? bytes.readBigInt64BE(from) : value,
          place,
        );
      } else if (kind === 'id-text') {
        place = scratch.writeInt32BE(36, place);
        place += scratch.write(uuidAt(bytes, from), place, 'latin1');
      } else {
        place = scratch.writeInt32BE(bytesOfValue, place);
        place += bytes.copy(scratch, place, from, from + bytesOfValue);
      }
    }
    const expected = crc32(scratch.subarray(0, place)) | 0;
    return expected === bytes.readInt32BE(at[checkColumn]!) ? 'good' : 'wrong';
  };
}

function uuidAt(bytes: Buffer, at: number): string {
  const hex = (from: number, to: number) => bytes.toString('hex', at + from, at + to);
  return `${hex(0, 4)}-${hex(4, 6)}-${hex(6, 8)}-${hex(8, 10)}-${hex(10, 16)}`;
}

/** A whole number of any width. */
export function numberAt({ bytes, at, length }: Tuple, column: number): number {
  const from = at[column]!;
  if (length[column] === 8) return readInt8(bytes, from);
  return length[column] === 4 ? bytes.readInt32BE(from) : bytes.readInt16BE(from);
}

/** A copy of the value's bytes. */
export function bytesAt({ bytes, at, length }: Tuple, column: number): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes, at[column]!, at[column]! + Math.max(0, length[column]!));
}

/** A text, or an id as 32 hex digits. */
export function textAt(
  { bytes, at, length }: Tuple,
  column: number,
  encoding: BufferEncoding = 'utf8',
): string {
  return bytes.toString(encoding, at[column]!, at[column]! + Math.max(0, length[column]!));
}

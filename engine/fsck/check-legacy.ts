/** The check of ranges of legacy streams, in one worker: rows, and the pieces of commitments. Their signatures are stored unverified. */
import { DOMAIN } from '../protocol/index.js';
import { CHECKED_FROM } from '../store/copy-row.js';
import type { Tuple } from '../store/copy-tuples.js';
import { LEGACY, LEGACY_EVENTS } from '../store/legacy-columns.js';
import { tupleCheck } from '../store/row-check.js';
import { isSealed } from '../store/sealed-payload.js';
import { commitmentParts, readCommitments } from './commitment-parts.js';
import { add, type Counts } from './counts.js';
import type { FsckCrypto } from './crypto.js';
import { addFault, createEventRange, type EventRange } from './event-range.js';
import { type Fault, type FindingList, findingOf } from './finding.js';
import { createMissingReport } from './missing.js';
import { createPayloads, type OpenKeyHolder, type OpenPayload } from './payloads.js';
import { rowsOf } from './range-query.js';
import { readEvents } from './read-events.js';
import type { Session } from './session.js';
import { PAIR_BYTES } from './subtrees.js';
import { LEGACY_COMMITMENTS } from './tables.js';
import type { FsckSetup, LogPart, StreamRange } from './task.js';
import { orUnreadable } from './unreadable.js';

/** A legacy range while it is being checked. */
interface LegacyChunk extends EventRange {
  /** Leaf hashes; undefined where no commitment needs them. */
  readonly leaves: Buffer | undefined;
  events: number;
  unchecked: number;
}

export function createLegacyCheck(
  session: Session,
  setup: FsckSetup,
  crypto: FsckCrypto,
  openKeys?: OpenKeyHolder,
) {
  const payloads = createPayloads(session, 'legacy', openKeys);
  const checkRow = createLegacyRowChecker(crypto, setup.oldRows, payloads.open);
  const hashPairs = crypto.hashing(new Uint8Array(0), PAIR_BYTES);
  const reportMissing = createMissingReport('events');

  const createChunk = (range: StreamRange, committed: boolean): LegacyChunk => ({
    ...createEventRange(range),
    leaves: committed ? Buffer.alloc(32 * (range.to - range.from + 1)) : undefined,
    events: 0,
    unchecked: 0,
  });

  function takeEvent(chunk: LegacyChunk, tuple: Tuple): void {
    chunk.events++;
    if (tuple.length[LEGACY.rowCheck]! < 0) chunk.unchecked++;
    for (const fault of checkRow(tuple, chunk.leaves, chunk.next - chunk.range.from))
      addFault(chunk, chunk.next, fault);
  }

  return async (
    ranges: readonly StreamRange[],
    findings: FindingList,
    counts: Counts,
  ): Promise<LogPart[]> => {
    const placed = ranges.map((range, place) => ({ ...range, place }));
    const commitments = await orUnreadable(
      { table: LEGACY_COMMITMENTS.table, ...rowsOf(ranges) },
      findings,
      placed.map(() => []),
      () => readCommitments(session, 'legacy', placed, crypto),
    );
    const chunks = ranges.map((range, place) => createChunk(range, commitments[place]!.length > 0));
    await payloads.prepare(ranges);
    await readEvents(session, LEGACY_EVENTS, chunks, takeEvent);
    payloads.report(counts);
    return chunks.map((chunk, place): LogPart => {
      const { range, leaves, faults, missing } = chunk;
      const suspects = reportMissing(range, missing, findings);
      for (const [sequence, [first, ...rest]] of faults) {
        const stream = { tenant: range.tenant, store: range.store };
        const row = { table: 'events', stream, row: `sequence_number ${sequence}`, position: sequence };
        findings.add(findingOf(row, [first!, ...rest]));
        suspects.push(sequence);
      }
      const own = commitmentParts(
        LEGACY_COMMITMENTS.table,
        placed[place]!,
        commitments[place]!,
        leaves,
        hashPairs,
        findings,
      );
      add(counts, 'events', chunk.events);
      add(counts, 'rows without check value', chunk.unchecked);
      add(counts, LEGACY_COMMITMENTS.table, own.rows);
      suspects.sort((a, b) => a - b);
      return { ...NO_LOG, from: range.from, to: range.to, suspects, commitments: own.parts };
    });
  };
}

const NONE = new Uint8Array(0);
/** Legacy streams have no log of their own. */
const NO_LOG = {
  pieces: { levels: NONE, hashes: NONE },
  tileRoots: NONE,
  claims: { sizes: new Float64Array(0), sources: NONE, folds: NONE, roots: NONE },
  upperTiles: [],
  groupsEnd: 0,
};

const NO_FAULTS: readonly Fault[] = [];
const WRONG_PAYLOAD: Fault = {
  check: 'payload-hash',
  column: 'payload or payload_hash',
  message: 'the payload does not hash to payload_hash',
};

/** Makes a checker of rows. It writes the leaf hash of place `index`, where leaves are wanted. */
function createLegacyRowChecker(
  { sha256 }: Pick<FsckCrypto, 'sha256'>,
  oldRows: boolean,
  openPayload: OpenPayload,
) {
  const digest = Buffer.alloc(32);
  let scratch = Buffer.alloc(16 * 1024);
  const label = DOMAIN.legacyLeaf.length;

  /** Copies ids, then the piece of the tuple that has type and id, with the lengths that `from` includes. */
  function writeEntityKey({ bytes, at, length }: Tuple): void {
    const typeFrom = at[LEGACY.entityType]! - 4;
    const typeTo = at[LEGACY.entityType]! + length[LEGACY.entityType]!;
    const idFrom = at[LEGACY.entityId]!;
    const idTo = idFrom + length[LEGACY.entityId]!;
    const preimage = scratchOf(32 + typeTo - typeFrom + idTo - idFrom);
    bytes.copy(preimage, 0, at[LEGACY.tenant]!, at[LEGACY.tenant]! + 16);
    bytes.copy(preimage, 16, at[LEGACY.store]!, at[LEGACY.store]! + 16);
    let end = 32 + bytes.copy(preimage, 32, typeFrom, typeTo);
    end += bytes.copy(preimage, end, idFrom, idTo);
    sha256(preimage.subarray(0, end), digest, 0);
  }

  function writeLeaf({ bytes, at, length }: Tuple, leaves: Buffer, index: number): void {
    const from = at[LEGACY.entityType]! - 4;
    const to = at[LEGACY.entityId]! + length[LEGACY.entityId]!;
    const preimage = scratchOf(label + 72 + to - from);
    preimage.set(DOMAIN.legacyLeaf);
    let end = label + bytes.copy(preimage, label, at[LEGACY.tenant]!, at[LEGACY.tenant]! + 16);
    end += bytes.copy(preimage, end, at[LEGACY.store]!, at[LEGACY.store]! + 16);
    end += bytes.copy(preimage, end, at[LEGACY.sequence]!, at[LEGACY.sequence]! + 8);
    end += bytes.copy(preimage, end, at[LEGACY.payloadHash]!, at[LEGACY.payloadHash]! + 32);
    end += bytes.copy(preimage, end, from, to);
    sha256(preimage.subarray(0, end), leaves, 32 * index);
  }

  function scratchOf(size: number): Buffer {
    if (scratch.length < size) scratch = Buffer.alloc(2 * size);
    return scratch;
  }

  return (tuple: Tuple, leaves: Buffer | undefined, index: number): readonly Fault[] => {
    const { bytes, at, length, start } = tuple;
    const faults: Fault[] = [];
    if (length[LEGACY.payloadHash] !== 32) {
      const message = `payload_hash has ${length[LEGACY.payloadHash]} bytes`;
      return [{ check: 'row-shape', column: 'payload_hash', message }];
    }
    const from = at[LEGACY.payload]!;
    const stored = bytes.subarray(from, from + length[LEGACY.payload]!);
    const payload = isSealed(stored) ? openPayload(tuple) : stored;
    if (payload instanceof Uint8Array) {
      sha256(payload, digest, 0);
      const hash = at[LEGACY.payloadHash]!;
      if (bytes.compare(digest, 0, 32, hash, hash + 32) !== 0) faults.push(WRONG_PAYLOAD);
    } else if (payload) faults.push(payload);
    writeEntityKey(tuple);
    const key = at[LEGACY.entityKey]!;
    if (bytes.compare(digest, 0, 8, key, key + 8) !== 0)
      faults.push({
        check: 'entity-key',
        column: 'entity_key, entity_type or entity_id',
        message: 'entity_key is not that of the entity',
      });
    if (leaves) writeLeaf(tuple, leaves, index);
    const check = at[LEGACY.rowCheck]!;
    if (length[LEGACY.rowCheck] === 4) {
      if (tupleCheck(bytes, start + CHECKED_FROM, check - 4) !== bytes.readInt32BE(check))
        faults.push({
          check: 'row-check',
          column: 'row_check, or any column but sequence_number and sequenced_at',
          message: 'row_check is not the CRC-32 of the row',
        });
    } else if (!oldRows)
      faults.push({ check: 'row-check', column: 'row_check', message: 'the row has no check value' });
    return faults.length === 0 ? NO_FAULTS : faults;
  };
}

/** The check of ranges of VES streams, in one worker: rows, keys, signatures, groups, tiles, recorded roots, commitments. */
import { HASH_BYTES, LEAF_PREFIX } from '../log/index.js';
import { DOMAIN, type RowHasher, VES_LEAF_BYTES } from '../protocol/index.js';
import { readMicros, type Tuple } from '../store/copy-tuples.js';
import { VES, VES_EVENTS } from '../store/ves-columns.js';
import { createAgentKeys } from './agent-keys.js';
import { type ClaimList, createClaimList } from './claims.js';
import { commitmentParts, readCommitments } from './commitment-parts.js';
import { add, type Counts } from './counts.js';
import type { FsckCrypto } from './crypto.js';
import { addFault } from './event-range.js';
import { type FindingList, findingOf } from './finding.js';
import { createGroupCheck } from './groups.js';
import { createLogPartMaker } from './log-part.js';
import { createMissingReport } from './missing.js';
import { createPayloads, type OpenKeyHolder } from './payloads.js';
import { type PlacedRange, rangeQuery, readRanges, rowsOf } from './range-query.js';
import { readEvents } from './read-events.js';
import { createRecordedRoots } from './recorded-roots.js';
import type { Session } from './session.js';
import { checkSignatures, createKeyNumbers } from './signatures.js';
import { PAIR_BYTES } from './subtrees.js';
import { bytesAt, GROUPS, LOG_ROOTS, numberAt, VES_COMMITMENTS } from './tables.js';
import type { FsckSetup, LogPart, StreamRange } from './task.js';
import { type StoredTile, tileLeaves, tilesEndingIn } from './tiles.js';
import { orUnreadable } from './unreadable.js';
import { createVesChunk, EVENT, type VesChunk } from './ves-chunk.js';
import { createVesRowChecker } from './ves-row.js';

/** Checks of a row whose failing puts the event's leaf in doubt. */
const LEAF_CHECKS = new Set(['row-shape', 'signing-hash', 'signature', 'readable', 'sequence']);

export function createVesCheck(
  session: Session,
  setup: FsckSetup,
  crypto: FsckCrypto,
  openKeys?: OpenKeyHolder,
) {
  const payloads = createPayloads(session, 'ves', openKeys);
  const rows = createVesRowChecker(crypto, payloads.open);
  const findKeys = createAgentKeys(session, crypto);
  const checkGroups = createGroupCheck(session, setup);
  const readRecordedRoots = createRecordedRoots(session);
  const makeLogPart = createLogPartMaker(crypto, 'ves_log_tiles');
  const reportMissing = createMissingReport('ves_events');
  const hashLeaves = crypto.hashing(Uint8Array.of(LEAF_PREFIX), VES_LEAF_BYTES);
  const hashVesLeaves = crypto.hashing(new Uint8Array(0), VES_LEAF_BYTES);
  const hashVesPairs = crypto.hashing(DOMAIN.node, PAIR_BYTES);

  function takeEvent(chunk: VesChunk, tuple: Tuple, keyNumbers: ReturnType<typeof createKeyNumbers>): void {
    const sequence = chunk.next;
    const index = sequence - chunk.range.from;
    const faults = rows.check(tuple, chunk, index);
    for (const fault of faults) addFault(chunk, sequence, fault);
    const checked = tuple.length[VES.rowCheck]! >= 0;
    chunk.flags[index] = EVENT.present | (checked ? EVENT.checked : 0);
    chunk.times[index] = readMicros(tuple.bytes, tuple.at[VES.sequencedAt]!);
    if (faults[0]?.check !== 'row-shape') chunk.keys[index] = keyNumbers.numberOf(tuple);
    if (!checked && !setup.oldRows) addFault(chunk, sequence, NO_CHECK);
  }

  async function readTiles(ranges: readonly PlacedRange[]): Promise<StoredTile[][]> {
    const tiles: StoredTile[][] = ranges.map(() => []);
    const condition = `(${tilesEndingIn('r.first - 1', 'r.last')})`;
    const query = rangeQuery(
      ranges,
      'ves_log_tiles',
      'level, tile_index, root_hash, hashes',
      condition,
      'level, tile_index',
    );
    await readRanges(session, query, 4, (tuple, place) => {
      const level = numberAt(tuple, 0);
      const index = numberAt(tuple, 1);
      const end = (index + 1) * tileLeaves(level);
      tiles[place]!.push({ level, index, end, root: bytesAt(tuple, 2), hashes: bytesAt(tuple, 3) });
    });
    return tiles;
  }

  /** Marks events whose leaves are in doubt, and turns what is wrong with rows into findings. */
  function report(chunk: VesChunk, findings: FindingList): void {
    const { range, flags, faults, missing } = chunk;
    const stream = { tenant: range.tenant, store: range.store };
    for (const sequence of reportMissing(range, missing, findings))
      flags[sequence - range.from]! |= EVENT.suspect;
    for (const [sequence, list] of faults) {
      list.sort((a, b) => rankOf(a.check) - rankOf(b.check));
      const [first, ...rest] = list;
      const row = { table: 'ves_events', stream, row: `sequence_number ${sequence}`, position: sequence };
      findings.add(findingOf(row, [first!, ...rest]));
      // Without signatures only the check value tells of a changed signature.
      if (list.some(({ check }) => LEAF_CHECKS.has(check) || (check === 'row-check' && !setup.signatures)))
        flags[sequence - range.from]! |= EVENT.suspect;
    }
  }

  return async (
    ranges: readonly StreamRange[],
    findings: FindingList,
    counts: Counts,
  ): Promise<LogPart[]> => {
    const placed = ranges.map((range, place) => ({ ...range, place }));
    const guard = <T>(table: string, fallback: T, work: () => Promise<T>) =>
      orUnreadable({ table, ...rowsOf(ranges) }, findings, fallback, work);
    const commitments = await guard(
      VES_COMMITMENTS.table,
      placed.map(() => []),
      () => readCommitments(session, 'ves', placed, crypto),
    );
    const chunks = ranges.map(createVesChunk);
    const keyNumbers = createKeyNumbers();
    await payloads.prepare(ranges);
    await readEvents(session, VES_EVENTS, chunks, (chunk, tuple) => takeEvent(chunk, tuple, keyNumbers));
    const claims: ClaimList[] = ranges.map(() => createClaimList());
    const groups = await guard(GROUPS.table, { ends: ranges.map(() => undefined), rows: 0 }, () =>
      checkGroups(chunks, claims, findings),
    );
    const { logRoots } = await guard(LOG_ROOTS.table, { logRoots: 0 }, () =>
      readRecordedRoots(placed, claims, findings),
    );
    const tiles = await guard(
      'ves_log_tiles',
      placed.map(() => []),
      () => readTiles(placed),
    );
    const verified = await guard('agent_signing_keys', 0, () =>
      checkSignatures(chunks, keyNumbers.names, { findKeys, crypto, signatures: setup.signatures }),
    );

    let events = 0;
    let unchecked = 0;
    let committed = 0;
    const parts = chunks.map((chunk, place): LogPart => {
      report(chunk, findings);
      const { range, flags, entries } = chunk;
      for (const flag of flags) {
        if (flag & EVENT.present) events++;
        if ((flag & (EVENT.present | EVENT.checked)) === EVENT.present) unchecked++;
      }
      const own = commitmentParts(
        VES_COMMITMENTS.table,
        placed[place]!,
        commitments[place]!,
        commitments[place]!.length > 0 ? hashed(entries, hashVesLeaves) : undefined,
        hashVesPairs,
        findings,
      );
      committed += own.rows;
      const tree = makeLogPart(
        {
          stream: { tenant: range.tenant, store: range.store },
          before: range.from - 1,
          leaves: hashed(entries, hashLeaves),
          isSuspect: (index) => (flags[index]! & EVENT.suspect) !== 0,
          claims: claims[place]!,
          tiles: tiles[place]!,
        },
        findings,
      );
      return {
        from: range.from,
        to: range.to,
        ...tree,
        commitments: own.parts,
        groupsEnd: groups.ends[place],
      };
    });
    add(counts, 'ves_events', events);
    payloads.report(counts);
    add(counts, 'signatures', verified);
    add(counts, 'rows without check value', unchecked);
    add(counts, 'ves_sequencer_receipts', groups.rows);
    add(counts, 'ves_log_roots', logRoots);
    add(
      counts,
      'ves_log_tiles',
      tiles.reduce((sum, list) => sum + list.length, 0),
    );
    add(counts, 'ves_commitments', committed);
    return parts;
  };
}

/** The hash of each entry, side by side. */
function hashed(entries: Uint8Array, hashRows: RowHasher): Uint8Array {
  const count = entries.length / VES_LEAF_BYTES;
  const hashes = new Uint8Array(count * HASH_BYTES);
  hashRows(entries, 0, count, hashes, 0);
  return hashes;
}

/** The check value says least about what is wrong. */
const rankOf = (check: string): number => (check === 'row-check' ? 1 : 0);

const NO_CHECK = {
  check: 'row-check',
  column: 'row_check',
  message: 'the row has no check value',
} as const;

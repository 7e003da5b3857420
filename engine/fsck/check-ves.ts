/** The check of ranges of VES streams, in one worker: rows, keys, signatures, groups, tiles, recorded roots, commitments. */
import { DOMAIN } from '../protocol/index.js';
import { createAgentKeys } from './agent-keys.js';
import { type ClaimList, createClaimList } from './claims.js';
import { commitmentParts, readCommitments } from './commitment-parts.js';
import { add, type Counts } from './counts.js';
import type { FsckCrypto } from './crypto.js';
import { type FindingList, findingOf } from './finding.js';
import { createGroupCheck } from './groups.js';
import { createLogPartMaker } from './log-part.js';
import { createMissingReport } from './missing.js';
import { type PlacedRange, rangeQuery, readRanges } from './range-query.js';
import { type EventSink, readEvents } from './read-events.js';
import { createRecordedRoots } from './recorded-roots.js';
import type { Session } from './session.js';
import { checkSignatures, createKeyNumbers } from './signatures.js';
import { createPrefixedNodeHasher } from './subtrees.js';
import { bytesAt, numberAt, VES_COMMITMENTS } from './tables.js';
import type { FsckSetup, LogPart, StreamRange } from './task.js';
import { type StoredTile, tileLeaves, tilesEndingIn } from './tiles.js';
import { readMicros } from './tuples.js';
import { addFault, createVesChunk, EVENT, type VesChunk } from './ves-chunk.js';
import { createVesRowChecker, VES, VES_COLUMN_COUNT, VES_COLUMNS } from './ves-row.js';

/** Checks of a row whose failing puts the event's leaf in doubt. */
const LEAF_CHECKS = new Set(['row-shape', 'signing-hash', 'signature', 'readable', 'sequence']);

export function createVesCheck(session: Session, setup: FsckSetup, crypto: FsckCrypto) {
  const rows = createVesRowChecker(crypto);
  const findKeys = createAgentKeys(session, crypto);
  const checkGroups = createGroupCheck(session, setup);
  const readRecordedRoots = createRecordedRoots(session);
  const makeLogPart = createLogPartMaker(crypto, 'ves_log_tiles');
  const reportMissing = createMissingReport('ves_events');
  const hashVesNode = createPrefixedNodeHasher(crypto.sha256, DOMAIN.node);

  function sinkOf(chunk: VesChunk, keyNumbers: ReturnType<typeof createKeyNumbers>): EventSink {
    const { range } = chunk;
    return {
      range,
      missing: chunk.missing,
      get next() {
        return chunk.next;
      },
      set next(value) {
        chunk.next = value;
      },
      fail: (sequence, fault) => addFault(chunk, sequence, fault),
      take(tuple) {
        const index = chunk.next - range.from;
        const faults = rows.check(tuple, chunk, index);
        for (const fault of faults) addFault(chunk, chunk.next, fault);
        const checked = tuple.length[VES.rowCheck]! >= 0;
        chunk.flags[index] = EVENT.present | (checked ? EVENT.checked : 0);
        chunk.times[index] = readMicros(tuple.bytes, tuple.at[VES.sequencedAt]!);
        if (faults[0]?.check !== 'row-shape') chunk.keys[index] = keyNumbers.numberOf(tuple);
        if (!checked && !setup.oldRows) addFault(chunk, chunk.next, NO_CHECK);
      },
    };
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
    const commitments = await readCommitments(session, 'ves', placed, crypto);
    const chunks = ranges.map((range, place) => createVesChunk(range, commitments[place]!.length > 0));
    const keyNumbers = createKeyNumbers();
    const sinks = chunks.map((chunk) => sinkOf(chunk, keyNumbers));
    await readEvents(session, 'ves_events', VES_COLUMNS, VES_COLUMN_COUNT, sinks);
    const claims: ClaimList[] = ranges.map(() => createClaimList());
    const groups = await checkGroups(chunks, claims, findings);
    const { logRoots } = await readRecordedRoots(placed, claims, findings);
    const tiles = await readTiles(placed);
    const verified = await checkSignatures(chunks, keyNumbers.names, {
      findKeys,
      crypto,
      signatures: setup.signatures,
    });

    let events = 0;
    let unchecked = 0;
    let committed = 0;
    const parts = chunks.map((chunk, place): LogPart => {
      report(chunk, findings);
      const { range, flags, leaves, vesLeaves } = chunk;
      for (const flag of flags) {
        if (flag & EVENT.present) events++;
        if ((flag & (EVENT.present | EVENT.checked)) === EVENT.present) unchecked++;
      }
      const own = commitmentParts(
        VES_COMMITMENTS.table,
        placed[place]!,
        commitments[place]!,
        vesLeaves,
        hashVesNode,
        findings,
      );
      committed += own.rows;
      const tree = makeLogPart(
        {
          stream: { tenant: range.tenant, store: range.store },
          before: range.from - 1,
          leaves,
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
        groupsEnd: groups.ends[place]!,
      };
    });
    add(counts, 'ves_events', events);
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

/** The check value says least about what is wrong. */
const rankOf = (check: string): number => (check === 'row-check' ? 1 : 0);

const NO_CHECK = {
  check: 'row-check',
  column: 'row_check',
  message: 'the row has no check value',
} as const;

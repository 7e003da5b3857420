/** The check of a range of the notary log, in one worker: entries, tiles, recorded roots, checkpoints and their signatures. */
import { formatCheckpoint, leafHash, NOTE_ED25519, notaryEntry, noteKeyId, parseNote } from '../log/index.js';
import { encodeUtf8, equalBytes, type Sha256, vesStreamId } from '../protocol/index.js';
import type { Tuple } from '../store/copy-tuples.js';
import { type ClaimList, createClaimList } from './claims.js';
import { add, type Counts } from './counts.js';
import type { FsckCrypto } from './crypto.js';
import { type Fault, type Finding, type FindingList, findingOf } from './finding.js';
import { createLogPartMaker } from './log-part.js';
import type { Session } from './session.js';
import {
  bytesAt,
  columnList,
  createRowCheckJudge,
  NOTARY_CHECKPOINTS,
  NOTARY_ENTRIES,
  NOTARY_ROOTS,
  numberAt,
  type TableShape,
  textAt,
} from './tables.js';
import { CLAIM, type LogPart } from './task.js';
import { type StoredTile, tileLeaves, tilesEndingIn } from './tiles.js';
import { orUnreadable } from './unreadable.js';

/** A range of entries; leaves are counted from 1, as sizes are: leaf n has leaf_index n - 1. */
interface NotaryRange {
  readonly from: number;
  readonly to: number;
}

export function createNotaryCheck(session: Session, crypto: FsckCrypto) {
  const { sha256 } = crypto;
  const makeLogPart = createLogPartMaker(crypto, 'notary_tiles');
  const judges = new Map(
    [NOTARY_ENTRIES, NOTARY_ROOTS, NOTARY_CHECKPOINTS].map((table) => [table, createRowCheckJudge(table)]),
  );
  const digest: Sha256 = (bytes) => {
    const hash = new Uint8Array(32);
    sha256(bytes, hash, 0);
    return hash;
  };
  let keys: Map<number, Uint8Array> | undefined;

  const rowFault = (table: TableShape, tuple: Tuple): Fault[] =>
    judges.get(table)!(tuple) === 'good' ? [] : [WRONG_CHECK];

  function report(
    findings: FindingList,
    row: Omit<Finding, keyof Fault | 'also'>,
    faults: readonly Fault[],
  ): void {
    const [first, ...rest] = faults;
    if (first) findings.add(findingOf(row, [first, ...rest]));
  }

  const read = (table: TableShape, column: string, { from, to }: NotaryRange, sink: (tuple: Tuple) => void) =>
    session.copyOut(
      `select ${columnList(table)} from ${table.table} where ${column} between ${from} and ${to} order by ${column}`,
      table.columns.length,
      sink,
    );

  /** Leaf hashes; those of missing or malformed entries stay zero and are marked. */
  async function readEntries(
    range: NotaryRange,
    suspects: Uint8Array,
    findings: FindingList,
    counts: Counts,
  ): Promise<Uint8Array> {
    const leaves = new Uint8Array(32 * suspects.length);
    let next = range.from;
    const miss = (last: number) => {
      if (next > last) return;
      suspects.fill(1, next - range.from, last + 1 - range.from);
      const row = `leaf_index ${next - 1}${next === last ? '' : `–${last - 1}`}`;
      const fault: Fault = { check: 'notary-entry', column: 'leaf_index', message: 'the entry is missing' };
      report(findings, { table: NOTARY_ENTRIES.table, stream: null, row, position: next }, [fault]);
    };
    await read(NOTARY_ENTRIES, 'leaf_index', { from: range.from - 1, to: range.to - 1 }, (tuple) => {
      const leaf = numberAt(tuple, 0) + 1;
      if (leaf < next || leaf > range.to) return; // an index that leads to another row: its own place will be missed
      miss(leaf - 1);
      next = leaf + 1;
      add(counts, NOTARY_ENTRIES.table, 1);
      const faults = rowFault(NOTARY_ENTRIES, tuple);
      const hash = entryHash(tuple);
      if (typeof hash === 'string')
        faults.unshift({ check: 'notary-entry', column: 'origin or tree_size', message: hash });
      else leaves.set(hash, 32 * (leaf - range.from));
      if (faults.length > 0) suspects[leaf - range.from] = 1;
      const row = {
        table: NOTARY_ENTRIES.table,
        stream: null,
        row: `leaf_index ${leaf - 1}`,
        position: leaf,
      };
      report(findings, row, faults);
    });
    miss(range.to);
    return leaves;
  }

  /** The leaf hash of an entry, or why there is none. */
  function entryHash(tuple: Tuple): Uint8Array | string {
    const streamId = vesStreamId(Buffer.concat([bytesAt(tuple, 1), bytesAt(tuple, 2)]), digest);
    try {
      const body = formatCheckpoint({
        origin: textAt(tuple, 3),
        size: numberAt(tuple, 4),
        root: bytesAt(tuple, 5),
      });
      return leafHash(notaryEntry(streamId, body, sha256), sha256);
    } catch (error) {
      return `no log entry can be made of the row: ${(error as Error).message}`;
    }
  }

  async function readRoots(range: NotaryRange, claims: ClaimList, findings: FindingList): Promise<number> {
    let rows = 0;
    const sizes = range.from === 1 ? { ...range, from: 0 } : range;
    await read(NOTARY_ROOTS, 'tree_size', sizes, (tuple) => {
      rows++;
      const size = numberAt(tuple, 0);
      claims.add(size, CLAIM.notaryRoot, bytesAt(tuple, 1));
      const row = { table: NOTARY_ROOTS.table, stream: null, row: `tree_size ${size}`, position: size };
      report(findings, row, rowFault(NOTARY_ROOTS, tuple));
    });
    return rows;
  }

  async function readKeys(): Promise<Map<number, Uint8Array>> {
    const rows = await session.run(
      (sql) => sql<{ version: number; key: Buffer }[]>`
        select key_version as version, public_key as key from sequencer_keys`,
    );
    return new Map(rows.map(({ version, key }) => [version, key]));
  }

  async function readCheckpoints(
    range: NotaryRange,
    claims: ClaimList,
    findings: FindingList,
  ): Promise<number> {
    keys ??= await readKeys();
    const publicKeys = keys;
    let rows = 0;
    await read(NOTARY_CHECKPOINTS, 'tree_size', range, (tuple) => {
      rows++;
      const [origin, size, version] = [textAt(tuple, 0), numberAt(tuple, 1), numberAt(tuple, 2)] as const;
      const root = bytesAt(tuple, 3);
      claims.add(size, CLAIM.notaryCheckpoint, root);
      const problem = noteProblem(textAt(tuple, 5), { origin, size, root }, publicKeys.get(version));
      const faults = rowFault(NOTARY_CHECKPOINTS, tuple);
      if (problem !== undefined) {
        const column = 'note, origin, tree_size, root_hash, key_version, or public_key in sequencer_keys';
        faults.unshift({ check: 'note', column, message: problem });
      }
      const row = {
        table: NOTARY_CHECKPOINTS.table,
        stream: null,
        row: `origin ${JSON.stringify(origin)}, tree_size ${size}, key_version ${version}`,
        position: size,
      };
      report(findings, row, faults);
    });
    return rows;
  }

  /** What is wrong with a stored note. */
  function noteProblem(
    note: string,
    checkpoint: { readonly origin: string; readonly size: number; readonly root: Uint8Array },
    publicKey: Uint8Array | undefined,
  ): string | undefined {
    if (publicKey === undefined) return 'sequencer_keys has no such version';
    const parsed = parseNote(note);
    if ('problem' in parsed) return parsed.problem;
    try {
      if (parsed.text !== formatCheckpoint(checkpoint)) return 'the note does not say what the row says';
    } catch (error) {
      return (error as Error).message;
    }
    const keyId = noteKeyId(checkpoint.origin, NOTE_ED25519, publicKey);
    const message = encodeUtf8(parsed.text);
    for (const { name, keyId: signer, signature } of parsed.signatures)
      if (name !== checkpoint.origin || !equalBytes(signer, keyId) || signature.length !== 64)
        return "the note has a signature that is not of the sequencer's key";
      else if (!crypto.verify(signature, 0, message, publicKey))
        return 'the signature of the note does not verify';
    return undefined;
  }

  async function readTiles({ from, to }: NotaryRange): Promise<StoredTile[]> {
    const tiles: StoredTile[] = [];
    const condition = tilesEndingIn(String(from - 1), String(to));
    const query = `select level, tile_index, root_hash, hashes from notary_tiles where ${condition} order by level, tile_index`;
    await session.copyOut(query, 4, (tuple) => {
      const level = numberAt(tuple, 0);
      const index = numberAt(tuple, 1);
      const end = (index + 1) * tileLeaves(level);
      tiles.push({ level, index, end, root: bytesAt(tuple, 2), hashes: bytesAt(tuple, 3) });
    });
    return tiles;
  }

  return async (range: NotaryRange, findings: FindingList, counts: Counts): Promise<LogPart> => {
    const suspects = new Uint8Array(range.to - range.from + 1);
    const row = `those of leaves ${range.from} to ${range.to}`;
    const guard = <T>(table: string, fallback: T, work: () => Promise<T>) =>
      orUnreadable({ table, stream: null, row, position: range.from }, findings, fallback, work);
    const none = new Uint8Array(32 * suspects.length);
    const leaves = await guard(NOTARY_ENTRIES.table, none, () =>
      readEntries(range, suspects, findings, counts),
    );
    if (leaves === none) suspects.fill(1);
    const claims = createClaimList();
    const roots = await guard(NOTARY_ROOTS.table, 0, () => readRoots(range, claims, findings));
    const checkpoints = await guard(NOTARY_CHECKPOINTS.table, 0, () =>
      readCheckpoints(range, claims, findings),
    );
    const tiles = await guard('notary_tiles', [], () => readTiles(range));
    add(counts, NOTARY_ROOTS.table, roots);
    add(counts, NOTARY_CHECKPOINTS.table, checkpoints);
    add(counts, 'notary_tiles', tiles.length);
    const tree = makeLogPart(
      {
        stream: null,
        before: range.from - 1,
        leaves,
        isSuspect: (place) => suspects[place] === 1,
        claims,
        tiles,
      },
      findings,
    );
    return { ...range, ...tree, commitments: [], groupsEnd: 0 };
  };
}

const WRONG_CHECK: Fault = {
  check: 'row-check',
  column: 'row_check, or a column named by another check',
  message: 'row_check is not the CRC-32 of the row',
};

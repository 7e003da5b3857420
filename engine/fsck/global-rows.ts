/** Rows of the whole database: the sequencer's keys, and what lies beyond the end of the notary log. */
import { add, type Counts } from './counts.js';
import type { FsckCrypto } from './crypto.js';
import { type Fault, type FindingList, findingOf } from './finding.js';
import type { Session } from './session.js';

type KeyRow = { version: number; publicKey: Buffer; sane: boolean };

export async function checkSequencerKeys(
  session: Session,
  crypto: Pick<FsckCrypto, 'isUsablePublicKey'>,
  findings: FindingList,
  counts: Counts,
): Promise<void> {
  const rows = await session.run(
    (sql) => sql<KeyRow[]>`
      select key_version as version, public_key as "publicKey", coalesce(valid_from <= valid_to, true) as sane
      from sequencer_keys order by key_version`,
  );
  add(counts, 'sequencer_keys', rows.length);
  rows.forEach(({ version, publicKey, sane }, i) => {
    const faults: Fault[] = [];
    const fail = (column: string, message: string) =>
      void faults.push({ check: 'sequencer-key', column, message });
    if (version !== i) fail('key_version', `key_version is ${version}, not ${i}`);
    if (!crypto.isUsablePublicKey(publicKey))
      fail('public_key', 'public_key is not a valid Ed25519 public key');
    if (!sane) fail('valid_from or valid_to', 'valid_to is before valid_from');
    const [first, ...rest] = faults;
    const row = { table: 'sequencer_keys', stream: null, row: `key_version ${version}`, position: version };
    if (first) findings.add(findingOf(row, [first, ...rest]));
  });
}

/** The notary log as its row says. */
export interface NotaryState {
  readonly size: number;
  readonly frontier: Uint8Array;
}

/** Undefined when the row is gone. */
export async function readNotaryState(session: Session): Promise<NotaryState | undefined> {
  const [row] = await session.run(
    (sql) => sql<NotaryState[]>`select tree_size::float8 as size, frontier from notary_log`,
  );
  return row;
}

/** How many entries there are to look at: those that the row of the log and the entries agree on. */
export async function notaryExtent(
  session: Session,
  state: NotaryState | undefined,
  findings: FindingList,
): Promise<number> {
  const [row] = await session.run(
    (sql) => sql<{ rows: number; last: number }[]>`
      select count(*)::float8 as rows, coalesce(max(leaf_index) + 1, 0)::float8 as last from notary_entries`,
  );
  const { rows, last } = row!;
  const size = state?.size ?? 0;
  if (size === last) return size;
  const message = state ? `tree_size is ${size}, but the last entry is ${last - 1}` : 'the row is gone';
  findings.add(
    findingOf({ table: 'notary_log', stream: null, row: 'the row', position: Number.MAX_SAFE_INTEGER }, [
      { check: 'head', column: 'tree_size', message },
    ]),
  );
  return rows === last ? last : Math.min(size, last);
}

const SIZED_TABLES = ['notary_roots', 'notary_checkpoints', 'notary_cosignatures'];

/** Finds rows about sizes that the notary log does not have yet. */
export async function findBeyondNotary(session: Session, size: number, findings: FindingList): Promise<void> {
  for (const table of SIZED_TABLES) {
    const rows = await session.run(
      (sql) => sql<{ at: number }[]>`select tree_size::float8 as at from ${sql(table)}
        where tree_size > ${size} or tree_size < 0 order by tree_size limit 1000`,
    );
    for (const { at } of rows) {
      const message = `the notary log has ${size} entries`;
      findings.add(
        findingOf({ table, stream: null, row: `tree_size ${at}`, position: at }, [
          { check: 'beyond-head', column: 'tree_size', message },
        ]),
      );
    }
  }
  const tiles = await session.run(
    (sql) => sql<{ level: number; index: number }[]>`
      select level, tile_index::float8 as index from notary_tiles
      where tile_index < 0 or level not between 0 and 6
        or (tile_index::numeric + 1) * 256::numeric ^ (level + 1) > ${size} limit 1000`,
  );
  for (const { level, index } of tiles) {
    const message = `the tile ends behind the log, which has ${size} entries`;
    const row = `level ${level}, tile_index ${index}`;
    findings.add(
      findingOf({ table: 'notary_tiles', stream: null, row, position: Number.MAX_SAFE_INTEGER }, [
        { check: 'beyond-head', column: 'level or tile_index', message },
      ]),
    );
  }
}

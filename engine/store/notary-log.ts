/** The notary's Merkle log as proofs see it: its state, its recorded roots, its stored tiles. */
import type { Sql } from './connection.js';
import { literal } from './id-text.js';
import { rowCheck } from './row-check.js';

type RootAt = { readonly size: number; readonly root: Uint8Array };

/** A root of the notary log that may be signed. */
export interface NotaryRootRow {
  readonly treeSize: number;
  /** `Uint8Array(32)`. */
  readonly rootHash: Uint8Array;
  /** Microseconds since 1970. */
  readonly recordedAt: number;
}

/** The check value that a root's row must have. */
export function notaryRootCheck({ treeSize, rootHash, recordedAt }: NotaryRootRow): number {
  return rowCheck([treeSize, rootHash, recordedAt]);
}

/**
 * Records a root unless one is recorded at this size, and answers what is recorded then (L5): the primary key decides, and a second
 * writer waits until the first has committed.
 */
export async function recordNotaryRoot(sql: Sql, size: number, root: Uint8Array): Promise<Uint8Array> {
  const row = { treeSize: size, rootHash: root, recordedAt: Date.now() * 1000 };
  await sql`
    insert into notary_roots (tree_size, root_hash, recorded_at, row_check)
    values (${size}, ${Buffer.from(root)}, to_timestamp(0) + ${row.recordedAt}::bigint * interval '1 microsecond',
      ${notaryRootCheck(row)})
    on conflict do nothing`;
  // A statement of its own: the first one's snapshot does not show the row it had to wait for.
  const [recorded] = await sql<{ root: Buffer }[]>`
    select root_hash as root from notary_roots where tree_size = ${size}`;
  return recorded!.root;
}

/** The log as of one snapshot: size, frontier, the recorded root at the size, and what is recorded around other sizes. */
export type NotaryStateRow = {
  readonly size: number;
  readonly frontier: Uint8Array;
  readonly root: Uint8Array | undefined;
  readonly around: readonly { before: RootAt | undefined; after: RootAt | undefined }[];
};

/** Reads it with one query, by primary keys. */
export async function readNotaryState(sql: Sql, sizes: readonly number[]): Promise<NotaryStateRow> {
  const rows = await sql<StateRow[]>`
    select n.tree_size as size, n.frontier, h.root_hash as root,
      a.tree_size as after, a.root_hash as after_root, b.tree_size as before, b.root_hash as before_root
    from notary_log n
    left join notary_roots h on h.tree_size = n.tree_size
    left join unnest(${literal(sizes.map(String))}::text::bigint[]) with ordinality as s(size, place) on true
    left join lateral (
      select tree_size, root_hash from notary_roots where tree_size >= s.size order by tree_size limit 1
    ) a on true
    left join lateral (
      select tree_size, root_hash from notary_roots where tree_size < s.size order by tree_size desc limit 1
    ) b on true
    order by s.place`;
  const first = rows[0];
  if (first === undefined) throw new Error('notary_log: the row is gone');
  return {
    size: Number(first.size),
    frontier: first.frontier,
    root: first.root ?? undefined,
    around: sizes.map((_, i) => ({
      before: rootAt(rows[i]!.before, rows[i]!.before_root),
      after: rootAt(rows[i]!.after, rows[i]!.after_root),
    })),
  };
}

type StateRow = {
  size: bigint;
  frontier: Buffer;
  root: Buffer | null;
  after: bigint | null;
  after_root: Buffer | null;
  before: bigint | null;
  before_root: Buffer | null;
};

const rootAt = (size: bigint | null, root: Buffer | null): RootAt | undefined =>
  size === null || root === null ? undefined : { size: Number(size), root };

/** A stored tile: its own root (32 bytes) and, where they were asked for, its 256 hashes (8192 bytes). */
export type NotaryTileRow = {
  readonly level: number;
  readonly index: number;
  readonly root: Uint8Array;
  readonly hashes: Uint8Array | undefined;
};

/** Those of the tiles that are stored. By the primary key; hashes that nobody asked for are not read. */
export async function readNotaryTiles(
  sql: Sql,
  queries: readonly { level: number; from: number; to: number; whole: boolean }[],
): Promise<NotaryTileRow[]> {
  if (queries.length === 0) return [];
  const rows = await sql<{ level: number; tile_index: bigint; root_hash: Buffer; hashes: Buffer | null }[]>`
    select t.level, t.tile_index, t.root_hash, case when q.whole then t.hashes end as hashes
    from unnest(${literal(queries.map(({ level }) => String(level)))}::text::smallint[],
      ${literal(queries.map(({ from }) => String(from)))}::text::bigint[],
      ${literal(queries.map(({ to }) => String(to)))}::text::bigint[],
      ${literal(queries.map(({ whole }) => String(whole)))}::text::boolean[]) as q(level, first, past, whole)
    join notary_tiles t on t.level = q.level and t.tile_index >= q.first and t.tile_index < q.past`;
  return rows.map((row) => ({
    level: row.level,
    index: Number(row.tile_index),
    root: row.root_hash,
    hashes: row.hashes ?? undefined,
  }));
}

/** Indexes of the tiles from `from` to `to` (excluded) that are not stored, ascending. By the primary key, index only. */
export async function missingNotaryTiles(
  sql: Sql,
  level: number,
  from: number,
  to: number,
  limit: number,
): Promise<number[]> {
  const rows = await sql<{ index: bigint }[]>`
    select i as index from generate_series(${from}::bigint, ${to - 1}::bigint) i
    where not exists (select from notary_tiles where level = ${level} and tile_index = i)
    order by i limit ${limit}`;
  return rows.map(({ index }) => Number(index));
}

/** Stores the tiles that are not stored yet, all or none; says how many those were. A tile that is there stays as it is. */
export async function insertNotaryTiles(
  sql: Sql,
  tiles: readonly { level: number; index: number; root: Uint8Array; hashes: Uint8Array }[],
): Promise<number> {
  if (tiles.length === 0) return 0;
  const { count } = await sql`
    insert into notary_tiles (level, tile_index, root_hash, hashes)
    select level, tile_index, decode(root, 'hex'), decode(hashes, 'hex')
    from unnest(${literal(tiles.map(({ level }) => String(level)))}::text::smallint[],
      ${literal(tiles.map(({ index }) => String(index)))}::text::bigint[],
      ${literal(tiles.map(({ root }) => Buffer.from(root).toString('hex')))}::text::text[],
      ${literal(tiles.map(({ hashes }) => Buffer.from(hashes).toString('hex')))}::text::text[]) as v(level, tile_index, root, hashes)
    order by level, tile_index
    on conflict do nothing`;
  return count;
}

/** Stored tiles of the streams' Merkle logs (table ves_log_tiles): full ones only, append-only, derived from the events. */
import type { Sql } from './connection.js';
import { literal } from './id-text.js';

type Stream = { readonly tenantId: string; readonly storeId: string };

/** A stored tile: its own root (32 bytes) and, where they were asked for, its 256 hashes (8192 bytes). */
export type LogTileRow = {
  readonly level: number;
  readonly index: number;
  readonly root: Uint8Array;
  readonly hashes: Uint8Array | undefined;
};

/** A tile's index as int8 and its root. */
const ROOT_RECORD_BYTES = 8 + 32;
const TILE_BYTES = 8192;

/** Those of the tiles that are stored. By the primary key; hashes that nobody asked for are not read (they lie out of line). */
export async function readLogTiles(
  sql: Sql,
  { tenantId, storeId }: Stream,
  queries: readonly { level: number; from: number; to: number; whole: boolean }[],
): Promise<LogTileRow[]> {
  if (queries.length === 0) return [];
  // One row per query: hundreds of small ones would cost the driver more than all else.
  const rows = await sql<{ roots: Buffer | null; hashes: Buffer | null }[]>`
    select t.roots, t.hashes
    from unnest(${literal(queries.map(({ level }) => String(level)))}::text::smallint[],
      ${literal(queries.map(({ from }) => String(from)))}::text::bigint[],
      ${literal(queries.map(({ to }) => String(to)))}::text::bigint[],
      ${literal(queries.map(({ whole }) => String(whole)))}::text::boolean[])
      with ordinality as q(level, first, past, whole, place)
    cross join lateral (
      select string_agg(int8send(tile_index) || root_hash, ''::bytea order by tile_index) as roots,
        string_agg(case when q.whole then hashes end, ''::bytea order by tile_index) as hashes
      from ves_log_tiles
      where tenant_id = ${tenantId} and store_id = ${storeId} and level = q.level
        and tile_index >= q.first and tile_index < q.past
    ) t
    order by q.place`;
  return rows.flatMap(({ roots, hashes }, i) =>
    Array.from({ length: (roots?.length ?? 0) / ROOT_RECORD_BYTES }, (_, n) => {
      const at = n * ROOT_RECORD_BYTES;
      return {
        level: queries[i]!.level,
        index: Number(roots!.readBigInt64BE(at)),
        root: roots!.subarray(at + 8, at + ROOT_RECORD_BYTES),
        hashes: hashes?.subarray(n * TILE_BYTES, (n + 1) * TILE_BYTES),
      };
    }),
  );
}

/** Indexes of the tiles from `from` to `to` (excluded) that are not stored, ascending. By the primary key, index only. */
export async function missingLogTiles(
  sql: Sql,
  { tenantId, storeId }: Stream,
  level: number,
  from: number,
  to: number,
  limit: number,
): Promise<number[]> {
  const rows = await sql<{ index: bigint }[]>`
    select i as index from generate_series(${from}::bigint, ${to - 1}::bigint) i
    where not exists (
      select from ves_log_tiles
      where tenant_id = ${tenantId} and store_id = ${storeId} and level = ${level} and tile_index = i)
    order by i limit ${limit}`;
  return rows.map(({ index }) => Number(index));
}

/** Stores the tiles that are not stored yet, all or none; says how many those were. A tile that is there stays as it is. */
export async function insertLogTiles(
  sql: Sql,
  { tenantId, storeId }: Stream,
  tiles: readonly { level: number; index: number; root: Uint8Array; hashes: Uint8Array }[],
): Promise<number> {
  if (tiles.length === 0) return 0;
  const { count } = await sql`
    insert into ves_log_tiles (tenant_id, store_id, level, tile_index, root_hash, hashes)
    select ${tenantId}, ${storeId}, level, tile_index, decode(root, 'hex'), decode(hashes, 'hex')
    from unnest(${literal(tiles.map(({ level }) => String(level)))}::text::smallint[],
      ${literal(tiles.map(({ index }) => String(index)))}::text::bigint[],
      ${literal(tiles.map(({ root }) => hexText(root)))}::text::text[],
      ${literal(tiles.map(({ hashes }) => hexText(hashes)))}::text::text[]) as v(level, tile_index, root, hashes)
    order by level, tile_index
    on conflict do nothing`;
  return count;
}

/**
 * Streams that have full tiles which are not stored. Compares each counter with the highest stored tile of every level: one
 * look into the primary key per stream and level, no events, no tiles.
 */
export async function streamsMissingLogTiles(sql: Sql, limit: number): Promise<Stream[]> {
  return sql<Stream[]>`
    select c.tenant_id as "tenantId", c.store_id as "storeId"
    from ves_sequence_counters c
    where c.current_sequence >= 256 and exists (
      select from (values (0, 256::bigint), (1, 65536), (2, 16777216), (3, 4294967296), (4, 1099511627776),
        (5, 281474976710656)) as l(level, leaves)
      where c.current_sequence >= l.leaves and c.current_sequence / l.leaves - 1 > coalesce((
        select max(tile_index) from ves_log_tiles t
        where t.tenant_id = c.tenant_id and t.store_id = c.store_id and t.level = l.level), -1))
    limit ${limit}`;
}

const hexText = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');

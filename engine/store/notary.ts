/** The notary log's entries, and which streams have something new for it. */
import type { Sql } from './connection.js';
import { literal } from './id-text.js';
import { type NotaryRootRow, notaryRootCheck } from './notary-log.js';
import { rowCheck } from './row-check.js';

/** A stream by its ids, lower-case hyphenated UUIDs. */
export interface StreamName {
  readonly tenantId: string;
  readonly storeId: string;
}

/** A notarised stream checkpoint. */
export interface NotaryEntryRow extends StreamName {
  readonly leafIndex: number;
  /** The stream's, at that time. */
  readonly origin: string;
  readonly treeSize: number;
  /** `Uint8Array(32)`. */
  readonly rootHash: Uint8Array;
  /** Microseconds since 1970. */
  readonly notarisedAt: number;
  readonly rowCheck: number;
}

/** The check value that an entry's row must have. */
export function notaryEntryCheck(entry: Omit<NotaryEntryRow, 'rowCheck'>): number {
  const { leafIndex, tenantId, storeId, origin, treeSize, rootHash, notarisedAt } = entry;
  return rowCheck([leafIndex, tenantId, storeId, origin, treeSize, rootHash, notarisedAt]);
}

/** What a part of the search for streams that have something new has found. */
export interface AdvancedStreams {
  readonly streams: readonly StreamName[];
  /** Where the next part begins; unset at the end. */
  readonly next: StreamName | undefined;
}

/**
 * Streams whose head is not the size they were last notarised at, in the order of their counters' primary key. Looks at `countersMax`
 * counters, and for each at the end of the index (tenant_id, store_id, tree_size) of notary_entries (3 µs each); takes no lock.
 *
 * @param after where the part before ended
 */
export async function findAdvancedStreams(
  sql: Sql,
  after: StreamName | undefined,
  countersMax: number,
): Promise<AdvancedStreams> {
  const beyond = after
    ? sql`where (tenant_id, store_id) > (${after.tenantId}::uuid, ${after.storeId}::uuid)`
    : sql``;
  // The last counter is always told when there may be more behind it.
  const rows = await sql<(StreamName & { n: bigint; advanced: boolean })[]>`
    with part as materialized (
      select tenant_id, store_id, current_sequence, row_number() over (order by tenant_id, store_id) as n
      from ves_sequence_counters ${beyond} order by tenant_id, store_id limit ${countersMax}
    )
    select p.tenant_id as "tenantId", p.store_id as "storeId", p.n,
      p.current_sequence <> coalesce(e.tree_size, 0) as advanced
    from part p left join lateral (
      select tree_size from notary_entries
      where tenant_id = p.tenant_id and store_id = p.store_id order by tree_size desc limit 1
    ) e on true
    where p.current_sequence <> coalesce(e.tree_size, 0) or p.n = ${countersMax}
    order by p.n`;
  const last = rows.at(-1);
  return {
    streams: rows.filter(({ advanced }) => advanced).map(nameOf),
    next: last?.n === BigInt(countersMax) ? nameOf(last) : undefined,
  };
}

const nameOf = ({ tenantId, storeId }: StreamName): StreamName => ({ tenantId, storeId });

/** A stream's counter, the root recorded at its head, and what was last notarised of it, all from one snapshot. */
export interface StreamHead extends StreamName {
  readonly head: number;
  /** As stored in the counter. */
  readonly frontier: Uint8Array;
  /** Root in the receipt row that ends at the head; unset when there is none. */
  readonly recordedRoot: Uint8Array | undefined;
  /** 0: never. */
  readonly notarisedSize: number;
  /** Root in the notary's entry of that size, and in the receipt row that ends there; unset when there is none. */
  readonly notarisedRoot: Uint8Array | undefined;
  readonly rootThen: Uint8Array | undefined;
}

interface StreamHeadRow extends StreamName {
  readonly head: bigint;
  readonly frontier: Buffer;
  readonly root: Buffer | null;
  readonly notarised: bigint;
  readonly notarisedRoot: Buffer | null;
  readonly rootThen: Buffer | null;
}

/** Heads of streams in the order asked for. By primary keys; locks nothing, so that no ingest waits for the notary. */
export async function readStreamHeads(sql: Sql, streams: readonly StreamName[]): Promise<StreamHead[]> {
  const tenants = literal(streams.map(({ tenantId }) => tenantId));
  const stores = literal(streams.map(({ storeId }) => storeId));
  const rows = await sql<StreamHeadRow[]>`
    select c.tenant_id as "tenantId", c.store_id as "storeId", c.current_sequence as head, c.frontier,
      r.root_hash as root, coalesce(e.tree_size, 0) as notarised, e.root_hash as "notarisedRoot",
      t.root_hash as "rootThen"
    from unnest(${tenants}::text::uuid[], ${stores}::text::uuid[]) with ordinality as s(tenant_id, store_id, n)
    join ves_sequence_counters c on c.tenant_id = s.tenant_id and c.store_id = s.store_id
    left join ves_sequencer_receipts r
      on r.tenant_id = c.tenant_id and r.store_id = c.store_id and r.last_sequence = c.current_sequence
    left join lateral (
      select tree_size, root_hash from notary_entries
      where tenant_id = c.tenant_id and store_id = c.store_id order by tree_size desc limit 1
    ) e on true
    left join ves_sequencer_receipts t
      on t.tenant_id = c.tenant_id and t.store_id = c.store_id and t.last_sequence = e.tree_size
    order by s.n`;
  return rows.map(({ tenantId, storeId, head, frontier, root, notarised, notarisedRoot, rootThen }) => ({
    tenantId,
    storeId,
    head: Number(head),
    frontier,
    recordedRoot: root ?? undefined,
    notarisedSize: Number(notarised),
    notarisedRoot: notarisedRoot ?? undefined,
    rootThen: rootThen ?? undefined,
  }));
}

/** The notary log's edge: how many leaves, and its frontier as `encodeFrontier` writes it. */
export interface NotaryEdge {
  readonly size: number;
  readonly frontier: Uint8Array;
}

/**
 * Adds entries, moves the edge and records the new root, all or nothing: a compare-and-swap on the edge in one statement. Answers false,
 * and has done nothing, when the edge is not `from` any more. Holds the row lock of notary_log for this one statement, so that a notary
 * that stops half-way never stands in another's way.
 */
export async function appendNotaryEntries(
  sql: Sql,
  from: NotaryEdge,
  to: NotaryEdge,
  entries: readonly NotaryEntryRow[],
  root: NotaryRootRow,
): Promise<boolean> {
  const hexes = entries.map(({ rootHash }) => Buffer.from(rootHash).toString('hex'));
  const [moved] = await sql`
    with edge as (
      update notary_log set tree_size = ${to.size}, frontier = ${Buffer.from(to.frontier)}
      where tree_size = ${from.size} and frontier = ${Buffer.from(from.frontier)}
      returning tree_size
    ), added as (
      insert into notary_entries (leaf_index, tenant_id, store_id, origin, tree_size, root_hash, notarised_at, row_check)
      select e.leaf_index, e.tenant_id, e.store_id, e.origin, e.tree_size, decode(e.root, 'hex'),
        to_timestamp(0) + e.micros * interval '1 microsecond', e.row_check
      from edge cross join unnest(${literal(entries.map((e) => String(e.leafIndex)))}::text::bigint[],
        ${literal(entries.map((e) => e.tenantId))}::text::uuid[], ${literal(entries.map((e) => e.storeId))}::text::uuid[],
        ${entries.map((e) => e.origin)}::text[], ${literal(entries.map((e) => String(e.treeSize)))}::text::bigint[],
        ${literal(hexes)}::text::text[], ${literal(entries.map((e) => String(e.notarisedAt)))}::text::bigint[],
        ${literal(entries.map((e) => String(e.rowCheck)))}::text::int[])
        as e(leaf_index, tenant_id, store_id, origin, tree_size, root, micros, row_check)
    ), recorded as (
      insert into notary_roots (tree_size, root_hash, recorded_at, row_check)
      select tree_size, ${Buffer.from(root.rootHash)}::bytea,
        to_timestamp(0) + ${root.recordedAt}::bigint * interval '1 microsecond', ${notaryRootCheck(root)}::int
      from edge
    )
    select tree_size from edge`;
  return moved !== undefined;
}

type EntryRow = Omit<NotaryEntryRow, 'leafIndex' | 'treeSize' | 'notarisedAt'> & {
  leafIndex: bigint;
  treeSize: bigint;
  notarisedAt: bigint;
};

const toEntry = (row: EntryRow): NotaryEntryRow => ({
  ...row,
  leafIndex: Number(row.leafIndex),
  treeSize: Number(row.treeSize),
  notarisedAt: Number(row.notarisedAt),
});

/** The entries of ranges of leaves (`to` excluded), in order of their indexes. One query, by the primary key. */
export async function readNotaryEntries(
  sql: Sql,
  ranges: readonly { readonly from: number; readonly to: number }[],
): Promise<NotaryEntryRow[]> {
  if (ranges.length === 0) return [];
  const rows = await sql<EntryRow[]>`
    select leaf_index as "leafIndex", tenant_id as "tenantId", store_id as "storeId", origin, tree_size as "treeSize",
      root_hash as "rootHash", (extract(epoch from notarised_at) * 1000000)::bigint as "notarisedAt", row_check as "rowCheck"
    from unnest(${literal(ranges.map(({ from }) => String(from)))}::text::bigint[],
      ${literal(ranges.map(({ to }) => String(to)))}::text::bigint[]) as r(first, past)
    join notary_entries on leaf_index >= r.first and leaf_index < r.past
    order by leaf_index`;
  return rows.map(toEntry);
}

/**
 * A stream's entry among the first `logSize` of the notary log: with `sizeMin` the first that covers this size, else the latest. By the
 * index (tenant_id, store_id, tree_size); a stream's entries grow in both orders, so few are passed over.
 */
export async function findNotaryEntry(
  sql: Sql,
  { tenantId, storeId }: StreamName,
  logSize: number,
  sizeMin?: number,
): Promise<NotaryEntryRow | undefined> {
  const covers = sizeMin === undefined ? sql`` : sql`and tree_size >= ${sizeMin}`;
  const order = sizeMin === undefined ? sql`desc` : sql`asc`;
  const [row] = await sql<EntryRow[]>`
    select leaf_index as "leafIndex", tenant_id as "tenantId", store_id as "storeId", origin, tree_size as "treeSize",
      root_hash as "rootHash", (extract(epoch from notarised_at) * 1000000)::bigint as "notarisedAt", row_check as "rowCheck"
    from notary_entries
    where tenant_id = ${tenantId} and store_id = ${storeId} and leaf_index < ${logSize} ${covers}
    order by tree_size ${order} limit 1`;
  return row && toEntry(row);
}

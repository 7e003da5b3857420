/**
 * Recorded roots of the streams' Merkle logs: at the ends of groups by the group itself (ves_sequencer_receipts), at sizes in
 * between by whoever signs first (ves_log_roots).
 */
import type { Sql } from './connection.js';
import { literal } from './id-text.js';
import { rowCheck } from './row-check.js';

type Stream = { readonly tenantId: string; readonly storeId: string };
type GroupRoot = { readonly size: number; readonly root: Uint8Array };

/** A stream's log as of one snapshot: size, frontier, the root its last group recorded, and the group roots around sizes. */
export type LogStateRow = {
  readonly size: number;
  readonly frontier: Uint8Array;
  readonly root: Uint8Array | undefined;
  readonly around: readonly { before: GroupRoot | undefined; after: GroupRoot | undefined }[];
};

/** Reads it with one query, by primary keys. Undefined when the stream has no counter. */
export async function readLogState(
  sql: Sql,
  { tenantId, storeId }: Stream,
  sizes: readonly number[],
): Promise<LogStateRow | undefined> {
  const rows = await sql<StateRow[]>`
    select c.current_sequence as head, c.frontier, h.root_hash as head_root, s.place,
           a.last_sequence as after, a.root_hash as after_root, b.last_sequence as before, b.root_hash as before_root
    from ves_sequence_counters c
    left join ves_sequencer_receipts h
      on h.tenant_id = c.tenant_id and h.store_id = c.store_id and h.last_sequence = c.current_sequence
    left join unnest(${literal(sizes.map(String))}::text::bigint[]) with ordinality as s(size, place) on true
    left join lateral (
      select last_sequence, root_hash from ves_sequencer_receipts r
      where r.tenant_id = c.tenant_id and r.store_id = c.store_id and r.last_sequence >= s.size
      order by last_sequence limit 1
    ) a on true
    left join lateral (
      select last_sequence, root_hash from ves_sequencer_receipts r
      where r.tenant_id = c.tenant_id and r.store_id = c.store_id and r.last_sequence < s.size
      order by last_sequence desc limit 1
    ) b on true
    where c.tenant_id = ${tenantId} and c.store_id = ${storeId}
    order by s.place`;
  const first = rows[0];
  if (first === undefined) return undefined;
  return {
    size: Number(first.head),
    frontier: first.frontier,
    root: first.head_root ?? undefined,
    around: sizes.map((_, i) => ({
      before: groupRoot(rows[i]!.before, rows[i]!.before_root),
      after: groupRoot(rows[i]!.after, rows[i]!.after_root),
    })),
  };
}

type StateRow = {
  head: bigint;
  frontier: Buffer;
  head_root: Buffer | null;
  after: bigint | null;
  after_root: Buffer | null;
  before: bigint | null;
  before_root: Buffer | null;
};

const groupRoot = (size: bigint | null, root: Buffer | null): GroupRoot | undefined =>
  size === null || root === null ? undefined : { size: Number(size), root };

/**
 * Records a root at a size inside a group unless one is recorded, and answers what is recorded then: a compare-and-swap by the
 * primary key, for which a second writer waits until the first has committed (L5).
 */
export async function recordLogRoot(
  sql: Sql,
  { tenantId, storeId }: Stream,
  size: number,
  root: Uint8Array,
): Promise<Uint8Array> {
  const micros = Date.now() * 1000;
  const check = rowCheck([tenantId, storeId, size, root, micros]);
  await sql`
    insert into ves_log_roots (tenant_id, store_id, tree_size, root_hash, recorded_at, row_check)
    values (${tenantId}, ${storeId}, ${size}, ${root}, to_timestamp(0) + ${micros}::bigint * interval '1 microsecond', ${check})
    on conflict do nothing`;
  // A statement of its own: the first one's snapshot does not show the row it had to wait for.
  const rows = await sql<{ root: Buffer }[]>`
    select root_hash as root from ves_log_roots
    where tenant_id = ${tenantId} and store_id = ${storeId} and tree_size = ${size}`;
  return rows[0]!.root;
}

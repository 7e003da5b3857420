import type { CommitmentStream } from './commitment-rows.js';
import type { Sql } from './connection.js';

/** The two kinds of streams that are committed. */
export type CommitmentKind = 'ves' | 'legacy';

/** A stream that has waited long enough for a commitment. */
export type DueStream = CommitmentStream & {
  /** End of its last commitment, 0 without one. */
  readonly committed: bigint;
  readonly head: bigint;
  /** Whether its oldest uncommitted event is older than the cutoff. */
  readonly old: boolean;
};

/** Some streams in key order, and where to go on. */
export type DuePage = {
  readonly due: readonly DueStream[];
  /** Last stream that was looked at; `undefined`: there are no more. */
  readonly next: CommitmentStream | undefined;
};

/**
 * Looks at the next `streamsMax` streams behind `after` and answers those that have `eventsMax` uncommitted events or one that
 * was sequenced before `cutoff` (RFC 3339). Walks the counters' primary key with two index look-ups for each (its last
 * commitment, the event behind it); no events are scanned, no lock is taken.
 */
export async function findDueStreams(
  sql: Sql,
  kind: CommitmentKind,
  after: CommitmentStream | undefined,
  {
    eventsMax,
    cutoff,
    streamsMax,
    dueMax,
  }: { eventsMax: number; cutoff: string; streamsMax: number; dueMax: number },
): Promise<DuePage> {
  const counters = sql(kind === 'ves' ? 'ves_sequence_counters' : 'sequence_counters');
  const commitments = sql(kind === 'ves' ? 'ves_commitments' : 'commitments');
  const events = sql(kind === 'ves' ? 'ves_events' : 'events');
  const rows = await sql<
    (DueStream & { pageTenant: string; pageStore: string; looked: number; tenantId: string | null })[]
  >`
    with page as materialized (
      select tenant_id, store_id, current_sequence as head from ${counters}
      ${after === undefined ? sql`` : sql`where (tenant_id, store_id) > (${after.tenantId}::uuid, ${after.storeId}::uuid)`}
      order by tenant_id, store_id limit ${streamsMax}
    ), due as (
      select p.tenant_id, p.store_id, p.head, coalesce(c.sequence_end, 0) as committed, coalesce(e.sequenced_at < ${cutoff}::timestamptz, false) as old
      from page p
      left join lateral (
        select sequence_end from ${commitments} c where c.tenant_id = p.tenant_id and c.store_id = p.store_id
        order by sequence_start desc limit 1
      ) c on true
      left join lateral (
        select sequenced_at from ${events} e where e.tenant_id = p.tenant_id and e.store_id = p.store_id
          and e.sequence_number = coalesce(c.sequence_end, 0) + 1
      ) e on true
      where p.head > coalesce(c.sequence_end, 0)
        and (p.head - coalesce(c.sequence_end, 0) >= ${eventsMax} or e.sequenced_at < ${cutoff}::timestamptz)
      order by p.tenant_id, p.store_id limit ${dueMax}
    )
    select edge.tenant_id as "pageTenant", edge.store_id as "pageStore",
      (select count(*)::float8 from page) as looked,
      due.tenant_id as "tenantId", due.store_id as "storeId", due.head, due.committed, due.old
    from (select tenant_id, store_id from page order by tenant_id desc, store_id desc limit 1) edge
    left join due on true
    order by due.tenant_id, due.store_id`;
  const first = rows[0];
  if (first === undefined) return { due: [], next: undefined };
  const due = first.tenantId === null ? [] : rows;
  // A full list of due streams may end before the page does.
  if (due.length === dueMax) return { due, next: due.at(-1) };
  const isLast = first.looked < streamsMax;
  return { due, next: isLast ? undefined : { tenantId: first.pageTenant, storeId: first.pageStore } };
}

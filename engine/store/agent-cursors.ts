import type { Sql } from './connection.js';

/** One agent's place in one stream. Lower-case hyphenated UUIDs. */
export interface CursorKey {
  readonly tenantId: string;
  readonly storeId: string;
  readonly agentId: string;
}

/** A stored cursor beside the head of its stream. `updatedAt` is the server's text, null where there is no cursor yet. */
export interface CursorRow {
  readonly acknowledged: bigint;
  readonly head: bigint;
  readonly updatedAt: string | null;
}

/** The cursors in the order of the keys, from one snapshot. By both primary keys; takes no lock. */
export async function readCursors(sql: Sql, keys: readonly CursorKey[]): Promise<CursorRow[]> {
  return sql<CursorRow[]>`
    select coalesce(s.acknowledged_sequence, 0) as acknowledged, coalesce(c.current_sequence, 0) as head,
           s.updated_at as "updatedAt"
    from unnest(${keys.map((key) => key.tenantId)}::uuid[], ${keys.map((key) => key.storeId)}::uuid[],
                ${keys.map((key) => key.agentId)}::uuid[]) with ordinality as k (tenant_id, store_id, agent_id, place)
    left join ves_sequence_counters c using (tenant_id, store_id)
    left join agent_sync_state s using (tenant_id, store_id, agent_id)
    order by k.place`;
}

/** What became of a key: the head its numbers were compared with, and the cursor if it moved. */
export interface MovedCursor extends CursorKey {
  readonly head: bigint;
  readonly acknowledged: bigint | null;
  readonly updatedAt: string | null;
}

/**
 * Moves each cursor to the greatest of its numbers that is not beyond the stream's head, unless it is there or further already.
 * Locks the cursors' rows in key order, so that several processes never wait for each other in a circle.
 *
 * @param wishes a key may occur several times
 */
export async function moveCursors(
  sql: Sql,
  wishes: readonly (CursorKey & { readonly sequence: bigint })[],
): Promise<MovedCursor[]> {
  return sql<MovedCursor[]>`
    with wanted as materialized (
      select w.tenant_id, w.store_id, w.agent_id, coalesce(c.current_sequence, 0) as head,
             max(w.sequence) filter (where w.sequence <= coalesce(c.current_sequence, 0)) as sequence
      from unnest(${wishes.map((wish) => wish.tenantId)}::uuid[], ${wishes.map((wish) => wish.storeId)}::uuid[],
                  ${wishes.map((wish) => wish.agentId)}::uuid[], ${wishes.map((wish) => String(wish.sequence))}::int8[])
             as w (tenant_id, store_id, agent_id, sequence)
      left join ves_sequence_counters c using (tenant_id, store_id)
      group by 1, 2, 3, 4
    ), moved as (
      insert into agent_sync_state as s (tenant_id, store_id, agent_id, acknowledged_sequence, updated_at)
      select tenant_id, store_id, agent_id, sequence, clock_timestamp() from wanted where sequence is not null
      order by tenant_id, store_id, agent_id
      on conflict (tenant_id, store_id, agent_id) do update
        set acknowledged_sequence = excluded.acknowledged_sequence, updated_at = excluded.updated_at
        where s.acknowledged_sequence < excluded.acknowledged_sequence
      returning tenant_id, store_id, agent_id, acknowledged_sequence, updated_at
    )
    select w.tenant_id as "tenantId", w.store_id as "storeId", w.agent_id as "agentId", w.head,
           m.acknowledged_sequence as acknowledged, m.updated_at as "updatedAt"
    from wanted w left join moved m using (tenant_id, store_id, agent_id)`;
}

/** How far cursors are behind the heads of their streams. Reads all of them; takes no lock. */
export async function measureCursorLag(
  sql: Sql,
  behindBy: number,
): Promise<{ cursors: number; behind: number; lagMax: number }> {
  const [row] = await sql<{ cursors: bigint; behind: bigint; lagMax: bigint }[]>`
    select count(*) as cursors, count(*) filter (where lag > ${behindBy}) as behind, coalesce(max(lag), 0) as "lagMax"
    from (
      select c.current_sequence - s.acknowledged_sequence as lag
      from agent_sync_state s join ves_sequence_counters c using (tenant_id, store_id)
    ) measured`;
  return {
    cursors: Number(row?.cursors ?? 0n),
    behind: Number(row?.behind ?? 0n),
    lagMax: Number(row?.lagMax ?? 0n),
  };
}

/** What a planned group writes: the COPY data, then counters, frontiers, receipt rows and version checkpoints. */
import { encodeFrontier, type Frontier } from '../log/index.js';
import {
  type GroupWrite,
  type RowRef,
  rowLength,
  rowOffset,
  STREAM_LEGACY,
  STREAM_VES,
} from '../sequencer/index.js';
import type { Sql } from './connection.js';
import { COPY_HEADER, COPY_TRAILER } from './copy-row.js';
import { literal } from './id-text.js';
import { rowCheck } from './row-check.js';

/** Issues the statements between COPY and COMMIT without waiting for them. */
export function advanceStreams(
  sql: Sql,
  group: GroupWrite,
  sequencerId: string,
  rootOf: (frontier: Frontier) => Uint8Array,
): PromiseLike<unknown>[] {
  const queries: PromiseLike<unknown>[] = [];
  const ves = group.streams.filter(({ stream }) => stream.kind === STREAM_VES);
  const legacy = group.streams.filter(({ stream }) => stream.kind === STREAM_LEGACY);
  if (ves.length > 0) {
    const tenants = literal(ves.map(({ stream }) => stream.tenant));
    const stores = literal(ves.map(({ stream }) => stream.store));
    const heads = literal(ves.map(({ last }) => String(last)));
    const frontiers = literal(
      ves.map(({ frontier }) => Buffer.from(encodeFrontier(frontier!)).toString('hex')),
    );
    const rootHashes = ves.map(({ frontier }) => Buffer.from(rootOf(frontier!)));
    const roots = literal(rootHashes.map((root) => root.toString('hex')));
    const firsts = literal(ves.map(({ first }) => String(first)));
    const checks = literal(
      ves.map(({ stream, first, last }, i) =>
        String(
          groupRowCheck({
            tenant: Buffer.from(stream.tenant, 'hex'),
            store: Buffer.from(stream.store, 'hex'),
            first,
            last,
            sequencer: Buffer.from(sequencerId.replaceAll('-', ''), 'hex'),
            keyVersion: group.keyVersion,
            sequencedAtMicros: group.sequencedAtMicros,
            root: rootHashes[i]!,
          }),
        ),
      ),
    );
    queries.push(
      sql`update ves_sequence_counters c
        set current_sequence = v.head, frontier = decode(v.frontier, 'hex'), updated_at = now()
        from unnest(${tenants}::text::uuid[], ${stores}::text::uuid[], ${heads}::text::bigint[], ${frontiers}::text::text[])
          as v(tenant_id, store_id, head, frontier)
        where c.tenant_id = v.tenant_id and c.store_id = v.store_id`.execute(),
      sql`insert into ves_sequencer_receipts (tenant_id, store_id, last_sequence, first_sequence, sequencer_id,
          sequencer_key_version, sequenced_at, root_hash, row_check)
        select tenant_id, store_id, head, first, ${sequencerId}::uuid, ${group.keyVersion}::int,
          to_timestamp(0) + ${group.sequencedAtMicros}::bigint * interval '1 microsecond', decode(root, 'hex'), row_check
        from unnest(${tenants}::text::uuid[], ${stores}::text::uuid[], ${heads}::text::bigint[], ${firsts}::text::bigint[],
          ${roots}::text::text[], ${checks}::text::int[]) as v(tenant_id, store_id, head, first, root, row_check)`.execute(),
    );
  }
  if (legacy.length > 0) {
    queries.push(
      sql`update sequence_counters c set current_sequence = v.head, updated_at = now()
        from unnest(${literal(legacy.map(({ stream }) => stream.tenant))}::text::uuid[],
          ${literal(legacy.map(({ stream }) => stream.store))}::text::uuid[],
          ${literal(legacy.map(({ last }) => String(last)))}::text::bigint[]) as v(tenant_id, store_id, head)
        where c.tenant_id = v.tenant_id and c.store_id = v.store_id`.execute(),
    );
  }
  if (group.versions.length > 0) queries.push(storeVersions(sql, group.versions));
  return queries;
}

/** The check value of a row of ves_sequencer_receipts. Ids are 16 bytes. */
export function groupRowCheck(row: {
  readonly tenant: Uint8Array;
  readonly store: Uint8Array;
  readonly first: number;
  readonly last: number;
  readonly sequencer: Uint8Array;
  readonly keyVersion: number;
  readonly sequencedAtMicros: number | bigint;
  readonly root: Uint8Array;
}): number {
  return rowCheck([
    row.tenant,
    row.store,
    row.last,
    row.first,
    row.sequencer,
    row.keyVersion,
    row.sequencedAtMicros,
    row.root,
  ]);
}

/** Checkpoints the checked entities at the streams' new heads (the statement sees the counters updated before it). */
function storeVersions(sql: Sql, versions: GroupWrite['versions']): PromiseLike<unknown> {
  const entities = versions.map(({ entity }) => entity);
  return sql`insert into entity_versions (tenant_id, store_id, entity_type, entity_id, version, ves_sequence, legacy_sequence)
    select w.tenant_id, w.store_id, w.entity_type, w.entity_id, w.version,
      coalesce(v.current_sequence, 0), coalesce(l.current_sequence, 0)
    from unnest(${literal(entities.map((e) => e.tenant))}::text::uuid[], ${literal(entities.map((e) => e.store))}::text::uuid[],
        ${entities.map((e) => e.type)}::text[], ${entities.map((e) => e.id)}::text[],
        ${literal(versions.map(({ version }) => String(version)))}::text::bigint[])
      as w(tenant_id, store_id, entity_type, entity_id, version)
    left join ves_sequence_counters v on v.tenant_id = w.tenant_id and v.store_id = w.store_id
    left join sequence_counters l on l.tenant_id = w.tenant_id and l.store_id = w.store_id
    on conflict (tenant_id, store_id, entity_type, entity_id) do update
      set version = excluded.version, ves_sequence = excluded.ves_sequence, legacy_sequence = excluded.legacy_sequence`.execute();
}

/** The COPY data of a group: neighbouring rows of one batch go out as one piece of its buffer. */
export function tuples(rows: readonly RowRef[]): Buffer[] {
  const chunks: Buffer[] = [COPY_HEADER];
  let batch = rows[0]!.batch;
  let start = rowOffset(batch, rows[0]!.event);
  let end = start;
  for (const row of rows) {
    const at = rowOffset(row.batch, row.event);
    if (row.batch !== batch || at !== end) {
      chunks.push(batch.bytes.subarray(start, end));
      batch = row.batch;
      start = at;
    }
    end = at + rowLength(row.batch, row.event);
  }
  chunks.push(batch.bytes.subarray(start, end), COPY_TRAILER);
  return [Buffer.concat(chunks)];
}

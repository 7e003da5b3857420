import { expect } from 'vitest';
import { createNodeHasher, decodeFrontier, frontierRoot } from '../../engine/log/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { naiveRoot } from '../log/naive-tree.js';
import { sha256, sha256Into } from './support.js';

/** Checks every stream of the database: numbers, head, frontier, group receipts, entity versions. */
export async function expectConsistent(sql: Sql): Promise<void> {
  await expectVesStreams(sql);
  await expectLegacyStreams(sql);
  await expectVersions(sql);
}

type VesRow = { tenant: string; store: string; sequence: bigint; proof: Buffer; at: string };

async function expectVesStreams(sql: Sql): Promise<void> {
  const events = await sql<VesRow[]>`
    select tenant_id as tenant, store_id as store, sequence_number as sequence, substr(hashes, 1, 96) as proof,
      sequenced_at as at from ves_events order by tenant_id, store_id, sequence_number`;
  const streams = new Map<string, VesRow[]>();
  for (const row of events) {
    const key = `${row.tenant} ${row.store}`;
    streams.set(key, [...(streams.get(key) ?? []), row]);
  }
  const counters = await sql`select tenant_id || ' ' || store_id as key, current_sequence as head, frontier
    from ves_sequence_counters`;
  const receipts =
    await sql`select tenant_id || ' ' || store_id as key, first_sequence as first, last_sequence as last,
    root_hash as root, sequenced_at as at from ves_sequencer_receipts order by tenant_id, store_id, last_sequence`;
  const covered = new Map<string, number>();
  for (const { key, first, last, root, at } of receipts) {
    const rows = streams.get(key)!;
    expect(Number(first)).toBe((covered.get(key) ?? 0) + 1); // ranges follow one another
    covered.set(key, Number(last));
    const leaves = rows.slice(0, Number(last)).map(leafOf);
    expect(root.toString('hex')).toBe(naiveRoot(leaves).toString('hex'));
    expect(rows.slice(Number(first) - 1, Number(last)).every((row) => row.at === at)).toBe(true);
  }
  for (const { key, head, frontier } of counters) {
    const rows = streams.get(key) ?? [];
    expect(rows.map((row) => Number(row.sequence))).toEqual(rows.map((_, i) => i + 1)); // L1
    expect(Number(head)).toBe(rows.length);
    expect(covered.get(key) ?? 0).toBe(rows.length);
    const root = frontierRoot(
      decodeFrontier(rows.length, frontier)!,
      createNodeHasher(sha256Into),
      sha256Into,
    );
    expect(Buffer.from(root).toString('hex')).toBe(naiveRoot(rows.map(leafOf)).toString('hex'));
    streams.delete(key);
  }
  expect([...streams.keys()]).toEqual([]); // no stream without a counter
}

/** The RFC 6962 leaf of a stored event. */
function leafOf({ tenant, store, sequence, proof }: VesRow): Buffer {
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(sequence);
  const ids = Buffer.from((tenant + store).replaceAll('-', ''), 'hex');
  return sha256(Buffer.of(0), Buffer.from('VES_LEAF_V1'), ids, number, proof);
}

async function expectLegacyStreams(sql: Sql): Promise<void> {
  const wrong = await sql`
    select c.tenant_id, c.store_id, c.current_sequence, count(e.*) as events, max(e.sequence_number) as last
    from sequence_counters c left join events e using (tenant_id, store_id)
    group by 1, 2, 3
    having c.current_sequence <> count(e.*) or c.current_sequence <> coalesce(max(e.sequence_number), 0)`;
  expect([...wrong]).toEqual([]);
  const orphans = await sql`select 1 from events e where not exists
    (select from sequence_counters c where c.tenant_id = e.tenant_id and c.store_id = e.store_id)`;
  expect(orphans.length).toBe(0);
}

/** A checkpoint plus the events after it must always be the number of the entity's events. */
async function expectVersions(sql: Sql): Promise<void> {
  const wrong = await sql`
    with everything as (
      select tenant_id, store_id, entity_type, entity_id, sequence_number, 0 as kind from ves_events
      union all select tenant_id, store_id, entity_type, entity_id, sequence_number, 1 from events)
    select v.*, count(*) as events,
      v.version + count(*) filter (where e.sequence_number > case kind when 0 then v.ves_sequence else v.legacy_sequence end)
        as derived
    from entity_versions v join everything e using (tenant_id, store_id, entity_type, entity_id)
    group by v.tenant_id, v.store_id, v.entity_type, v.entity_id
    having v.version + count(*) filter
      (where e.sequence_number > case kind when 0 then v.ves_sequence else v.legacy_sequence end) <> count(*)`;
  expect([...wrong]).toEqual([]);
}

/** What a group must know of the database before it is planned: stored ids, used commands, entity versions. */
import {
  type ContentDigest,
  type EntityRef,
  type GroupNeeds,
  type Snapshot,
  STREAM_LEGACY,
  STREAM_VES,
  type StoredEvent,
  type StreamKind,
  streamKey,
} from '../sequencer/index.js';
import type { Sql } from './connection.js';
import { hexOf, literal } from './id-text.js';

/** Reads what a group must know besides its streams. Issue it behind the stream locks, on the same connection. */
export async function lookUp(
  sql: Sql,
  needs: GroupNeeds,
  contentDigest: ContentDigest,
): Promise<Omit<Snapshot, 'streams'>> {
  const [events, commands, versions] = await Promise.all([
    lookUpEvents(sql, needs, contentDigest),
    lookUpCommands(sql, needs),
    lookUpVersions(sql, [...needs.entities.values()]),
  ]);
  return { events, commands, versions };
}

type StoredRow = {
  event_id: string;
  tenant_id: string;
  store_id: string;
  sequence_number: bigint;
  micros: bigint;
  command_id: string | null;
  base_version: bigint | null;
  proof: Buffer;
  envelope_hash: Buffer | null;
  sequencer_id: string | null;
  sequencer_key_version: number | null;
};

async function lookUpEvents(
  sql: Sql,
  needs: GroupNeeds,
  contentDigest: ContentDigest,
): Promise<Map<string, StoredEvent[]>> {
  const [ves, legacy] = needs.eventIds;
  // Index ves_events_event_id / events_event_id. The receipt row is the first whose range ends at or after the event.
  const [vesRows, legacyRows] = await Promise.all([
    ves.length === 0
      ? []
      : sql<StoredRow[]>`select e.event_id, e.tenant_id, e.store_id, e.sequence_number,
            (extract(epoch from e.sequenced_at) * 1000000)::bigint as micros, e.command_id, e.base_version,
            substr(e.hashes, 1, 96) as proof,
            case when e.payload_kind <> 1 then null
              -- A sealed envelope carries its hash at fixed characters (engine/vault/record.ts).
              when starts_with(e.payload, 'SSE2') then substr(decode(substr(e.payload, 37, 44), 'base64'), 1, 32)
              else sha256(convert_to(e.payload, 'UTF8')) end as envelope_hash,
            r.sequencer_id, r.sequencer_key_version
          from ves_events e
          left join lateral (select sequencer_id, sequencer_key_version from ves_sequencer_receipts r
            where r.tenant_id = e.tenant_id and r.store_id = e.store_id and r.last_sequence >= e.sequence_number
            order by r.last_sequence limit 1) r on true
          where e.event_id = any(${literal(ves)}::text::uuid[])`.execute(),
    legacy.length === 0
      ? []
      : sql<StoredRow[]>`select event_id, tenant_id, store_id, sequence_number,
            (extract(epoch from sequenced_at) * 1000000)::bigint as micros, command_id, base_version, payload_hash as proof,
            null as envelope_hash, null as sequencer_id, null as sequencer_key_version
          from events where event_id = any(${literal(legacy)}::text::uuid[])`.execute(),
  ]);
  const found = new Map<string, StoredEvent[]>();
  for (const row of vesRows) remember(found, STREAM_VES, row, contentDigest);
  for (const row of legacyRows) remember(found, STREAM_LEGACY, row, contentDigest);
  return found;
}

function remember(
  found: Map<string, StoredEvent[]>,
  kind: StreamKind,
  row: StoredRow,
  contentDigest: ContentDigest,
): void {
  const tenant = hexOf(row.tenant_id);
  const digest = Buffer.allocUnsafe(32);
  const command = row.command_id === null ? undefined : Buffer.from(hexOf(row.command_id), 'hex');
  const base = row.base_version === null ? undefined : Number(row.base_version);
  contentDigest(row.proof, 0, row.proof.length, command, 0, base, row.envelope_hash ?? undefined, digest, 0);
  const key = `${kind}${hexOf(row.event_id)}`;
  const list = found.get(key) ?? [];
  list.push({
    stream: streamKey(kind, tenant, hexOf(row.store_id)),
    tenant,
    digest: digest.toString('hex'),
    sequence: Number(row.sequence_number),
    sequencedAtMicros: Number(row.micros),
    sequencer: row.sequencer_id === null ? '' : hexOf(row.sequencer_id),
    keyVersion: row.sequencer_key_version ?? 0,
  });
  found.set(key, list);
}

async function lookUpCommands(sql: Sql, needs: GroupNeeds): Promise<Set<string>> {
  const found = new Set<string>();
  for (const kind of [STREAM_VES, STREAM_LEGACY] as const) {
    const tenants: string[] = [];
    const stores: string[] = [];
    const commands: string[] = [];
    for (const [key, list] of needs.commands) {
      const stream = needs.streams.get(key)!;
      if (stream.kind !== kind) continue;
      for (const command of list) {
        tenants.push(stream.tenant);
        stores.push(stream.store);
        commands.push(command);
      }
    }
    if (commands.length === 0) continue;
    type CommandRow = { tenant_id: string; store_id: string; command_id: string };
    // Partial unique index on (tenant_id, store_id, command_id) where command_id is not null.
    const wanted = sql`select * from unnest(${literal(tenants)}::text::uuid[], ${literal(stores)}::text::uuid[], ${literal(commands)}::text::uuid[])`;
    const rows: CommandRow[] =
      kind === STREAM_VES
        ? await sql<CommandRow[]>`select tenant_id, store_id, command_id from ves_events
            where command_id is not null and (tenant_id, store_id, command_id) in (${wanted})`
        : await sql<CommandRow[]>`select tenant_id, store_id, command_id from events
            where command_id is not null and (tenant_id, store_id, command_id) in (${wanted})`;
    for (const row of rows)
      found.add(streamKey(kind, hexOf(row.tenant_id), hexOf(row.store_id)) + hexOf(row.command_id));
  }
  return found;
}

/** The current version of each entity: its checkpoint plus the events of both streams after the checkpoint's heads. */
async function lookUpVersions(sql: Sql, entities: readonly EntityRef[]): Promise<Map<string, number>> {
  const versions = new Map<string, number>();
  if (entities.length === 0) return versions;
  const rows = await sql<{ n: bigint; version: bigint }[]>`
    select w.n, coalesce(v.version, 0)
      + (select count(*) from ves_events e where e.entity_key = w.entity_key
          and e.sequence_number > coalesce(v.ves_sequence, 0) and e.tenant_id = w.tenant_id and e.store_id = w.store_id
          and e.entity_type = w.entity_type and e.entity_id = w.entity_id)
      + (select count(*) from events e where e.entity_key = w.entity_key
          and e.sequence_number > coalesce(v.legacy_sequence, 0) and e.tenant_id = w.tenant_id and e.store_id = w.store_id
          and e.entity_type = w.entity_type and e.entity_id = w.entity_id) as version
    from unnest(${literal(entities.map((e) => e.tenant))}::text::uuid[], ${literal(entities.map((e) => e.store))}::text::uuid[],
        ${literal(entities.map((e) => BigInt.asIntN(64, BigInt(`0x${e.entityKey}`)).toString()))}::text::bigint[],
        ${entities.map((e) => e.type)}::text[], ${entities.map((e) => e.id)}::text[])
      with ordinality as w(tenant_id, store_id, entity_key, entity_type, entity_id, n)
    left join entity_versions v on v.tenant_id = w.tenant_id and v.store_id = w.store_id
      and v.entity_type = w.entity_type and v.entity_id = w.entity_id`;
  for (const row of rows) versions.set(entities[Number(row.n) - 1]!.key, Number(row.version));
  return versions;
}

/**
 * The form in which a stream leaves a database: NDJSON, one record a line.
 *
 *   {"record":"export", …}          first: which stream, which range, heads
 *   {"record":"sequencer_key", …}   keys that signed receipts, with versions
 *   {"record":"agent_key", …}       keys the events are signed with
 *   {…envelope…}                    an event as the API shows it: no `record` member
 *   {"record":"group", …}           behind the last event of each committed group: who, when, which key, the log's root
 */
import type { Sql } from '../../engine/store/connection.js';
import { readLegacyEvents } from '../../engine/store/legacy-events.js';
import { readVesEvents } from '../../engine/store/ves-events.js';
import { renderLegacyEvent } from '../../gateway/render/legacy-envelope.js';
import { renderTimestamp } from '../../gateway/render/timestamp.js';
import { renderVesEnvelope } from '../../gateway/render/ves-envelope.js';

export const EXPORT_FORMAT = 1;
const PAGE = 1000n;

export interface ExportStream {
  readonly kind: 'ves' | 'legacy';
  readonly tenantId: string;
  readonly storeId: string;
  /** Both inclusive. */
  readonly from: bigint;
  readonly to: bigint;
  readonly head: bigint;
}

/** What travels besides the events. Timestamps are RFC 3339, bytes lower-case hex. */
export type ExportRecord =
  | {
      readonly record: 'export';
      readonly format: number;
      readonly kind: 'ves' | 'legacy';
      readonly tenant_id: string;
      readonly store_id: string;
      readonly from: number;
      readonly to: number;
      readonly head: number;
    }
  | {
      readonly record: 'sequencer_key';
      readonly key_version: number;
      readonly public_key: string;
      readonly valid_from: string;
      readonly valid_to: string | null;
    }
  | {
      readonly record: 'agent_key';
      readonly agent_id: string;
      readonly key_id: number;
      readonly key_algorithm: number;
      readonly public_key: string;
      readonly status: string;
      readonly valid_from: string | null;
      readonly valid_to: string | null;
      readonly revoked_at: string | null;
      readonly created_at: string;
    }
  | GroupRecord;

export type GroupRecord = {
  readonly record: 'group';
  readonly first_sequence: number;
  readonly last_sequence: number;
  readonly sequencer_id: string;
  readonly sequencer_key_version: number;
  readonly sequenced_at: string;
  readonly root_hash: string;
};

/** A line: the text as it is written, and whether it is an event. */
export interface ExportLine {
  readonly kind: 'record' | 'event';
  readonly text: string;
}

const recordLine = (record: ExportRecord): ExportLine => ({ kind: 'record', text: JSON.stringify(record) });

/** All lines of an export, from a snapshot that history gives for free: events and groups never change. */
export async function* exportLines(sql: Sql, stream: ExportStream): AsyncGenerator<ExportLine> {
  const { kind, tenantId, storeId, from, to, head } = stream;
  yield recordLine({
    record: 'export',
    format: EXPORT_FORMAT,
    kind,
    tenant_id: tenantId,
    store_id: storeId,
    from: Number(from),
    to: Number(to),
    head: Number(head),
  });
  if (kind === 'legacy') {
    yield* legacyEvents(sql, stream);
    return;
  }
  for (const key of await readSequencerKeyRecords(sql)) yield recordLine(key);
  for (const key of await readAgentKeyRecords(sql, stream)) yield recordLine(key);
  for (let at = from; at <= to; ) {
    const last = at + PAGE - 1n < to ? at + PAGE - 1n : to;
    const { events } = await readVesEvents(sql, stream, at, last);
    if (events.length === 0) return;
    const end = events.at(-1)!.sequence;
    const groups = await readGroupRecords(sql, stream, at, end);
    let next = 0;
    for (const event of events) {
      yield { kind: 'event', text: renderVesEnvelope(event, tenantId) };
      const group = groups[next];
      if (group === undefined || BigInt(group.last_sequence) !== event.sequence) continue;
      next++;
      yield recordLine(group);
    }
    at = end + 1n;
  }
}

async function* legacyEvents(sql: Sql, stream: ExportStream): AsyncGenerator<ExportLine> {
  for (let at = stream.from; at <= stream.to; ) {
    const last = at + PAGE - 1n < stream.to ? at + PAGE - 1n : stream.to;
    const { events } = await readLegacyEvents(sql, stream, at, last);
    if (events.length === 0) return;
    for (const event of events) yield { kind: 'event', text: renderLegacyEvent(event, stream) };
    at = events.at(-1)!.sequence + 1n;
  }
}

async function readSequencerKeyRecords(sql: Sql): Promise<ExportRecord[]> {
  const rows = await sql<{ version: number; publicKey: string; from: string; to: string | null }[]>`
    select key_version as version, encode(public_key, 'hex') as "publicKey", valid_from as "from", valid_to as "to"
    from sequencer_keys order by key_version`;
  return rows.map((row) => ({
    record: 'sequencer_key',
    key_version: row.version,
    public_key: row.publicKey,
    valid_from: renderTimestamp(row.from),
    valid_to: timestampOrNull(row.to),
  }));
}

/** Keys that events of the range are signed with. By the primary keys. */
async function readAgentKeyRecords(sql: Sql, stream: ExportStream): Promise<ExportRecord[]> {
  type Row = Record<'agentId' | 'publicKey' | 'status' | 'createdAt', string> &
    Record<'validFrom' | 'validTo' | 'revokedAt', string | null> & { keyId: number; algorithm: number };
  const rows = await sql<Row[]>`
    select k.agent_id as "agentId", k.key_id::float8 as "keyId", k.key_algorithm as algorithm,
      encode(k.public_key, 'hex') as "publicKey", k.status, k.valid_from as "validFrom", k.valid_to as "validTo",
      k.revoked_at as "revokedAt", k.created_at as "createdAt"
    from (
      select distinct source_agent_id, agent_key_id from ves_events
      where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId}
        and sequence_number between ${stream.from} and ${stream.to}
    ) e
    join agent_signing_keys k on k.tenant_id = ${stream.tenantId} and k.agent_id = e.source_agent_id and k.key_id = e.agent_key_id
    order by 1, 2`;
  return rows.map((row) => ({
    record: 'agent_key',
    agent_id: row.agentId,
    key_id: row.keyId,
    key_algorithm: row.algorithm,
    public_key: row.publicKey,
    status: row.status,
    valid_from: timestampOrNull(row.validFrom),
    valid_to: timestampOrNull(row.validTo),
    revoked_at: timestampOrNull(row.revokedAt),
    created_at: renderTimestamp(row.createdAt),
  }));
}

/** Groups that lie in the range whole. By the primary key. */
async function readGroupRecords(
  sql: Sql,
  stream: ExportStream,
  from: bigint,
  to: bigint,
): Promise<GroupRecord[]> {
  const rows = await sql<
    { first: bigint; last: bigint; sequencer: string; version: number; at: string; root: string }[]
  >`
    select first_sequence as first, last_sequence as last, sequencer_id as sequencer, sequencer_key_version as version,
      sequenced_at as at, encode(root_hash, 'hex') as root
    from ves_sequencer_receipts
    where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId} and last_sequence between ${from} and ${to}
    order by last_sequence`;
  return rows.map((row) => ({
    record: 'group',
    first_sequence: Number(row.first),
    last_sequence: Number(row.last),
    sequencer_id: row.sequencer,
    sequencer_key_version: row.version,
    sequenced_at: renderTimestamp(row.at),
    root_hash: row.root,
  }));
}

const timestampOrNull = (stored: string | null): string | null =>
  stored === null ? null : renderTimestamp(stored);

import { createHash, randomUUID } from 'node:crypto';
import { type CommitmentService, createCommitmentService } from '../../engine/commitments/index.js';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { sha256Into } from '../../workers/native-crypto.js';
import { createTestDatabase } from '../support/database.js';

export type Stream = { tenantId: string; storeId: string };

export const freshStream = (): Stream => ({ tenantId: randomUUID(), storeId: randomUUID() });

export const sha256 = (...parts: readonly (Uint8Array | string)[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
export const u64 = (value: bigint | number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};
export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
export const uuidBytes = (uuid: string): Buffer => Buffer.from(uuid.replaceAll('-', ''), 'hex');
export const hex = (bytes: Uint8Array | null): string =>
  bytes === null ? 'null' : Buffer.from(bytes).toString('hex');
export const ZERO = new Uint8Array(32);

/** A service on a fresh database. */
export async function startCommitments(connections = 8) {
  const database = await createTestDatabase({ migrated: true });
  const sql = connectDatabase(database.target, { max: connections, applicationName: 'commitments-test' });
  const service: CommitmentService = createCommitmentService({ sql, sha256: sha256Into });
  return {
    sql,
    service,
    target: database.target,
    async stop() {
      await sql.end({ timeout: 1 });
      await database.drop();
    },
  };
}

export type EventShape = {
  /** SQL expression over `n`, the event's number. */
  type?: string;
  id?: string;
  sequencedAt?: string;
};

/** Appends `count` made-up events to a VES stream: nothing of a commitment depends on whether they make sense. */
export async function appendVes(
  sql: Sql,
  stream: Stream,
  count: number,
  shape: EventShape = {},
): Promise<void> {
  const { type = `'order'`, id = `'o' || (n % 7)`, sequencedAt = 'now()' } = shape;
  await sql.begin(async (tx) => {
    await tx`insert into ves_sequence_counters (tenant_id, store_id) values (${stream.tenantId}, ${stream.storeId})
      on conflict do nothing`;
    await tx.unsafe(
      `insert into ves_events (sequence_number, sequenced_at, entity_key, agent_key_id, ves_version, payload_kind, tenant_id,
         store_id, event_id, source_agent_id, entity_type, entity_id, event_type, created_at_str, payload, hashes)
       select n, ${sequencedAt}, 0, 1, 1, 0, $1, $2, gen_random_uuid(), $1, ${type}, ${id}, 'e', 'c', '{}',
         sha256(convert_to('h' || n || $2::text, 'UTF8')) || sha256(convert_to('s' || n, 'UTF8'))
           || sha256(convert_to('t' || n, 'UTF8')) || sha256('p')
       from generate_series(
         (select current_sequence + 1 from ves_sequence_counters where tenant_id = $1 and store_id = $2),
         (select current_sequence + $3 from ves_sequence_counters where tenant_id = $1 and store_id = $2)) as n`,
      [stream.tenantId, stream.storeId, count],
    );
    await tx`update ves_sequence_counters set current_sequence = current_sequence + ${count}
      where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId}`;
  });
}

/** The same for a legacy stream. */
export async function appendLegacy(
  sql: Sql,
  stream: Stream,
  count: number,
  shape: EventShape = {},
): Promise<void> {
  const { type = `'order'`, id = `'o' || (n % 7)`, sequencedAt = 'now()' } = shape;
  await sql.begin(async (tx) => {
    await tx`insert into sequence_counters (tenant_id, store_id) values (${stream.tenantId}, ${stream.storeId})
      on conflict do nothing`;
    await tx.unsafe(
      `insert into events (sequence_number, sequenced_at, entity_key, envelope_version, tenant_id, store_id, event_id,
         source_agent, entity_type, entity_id, event_type, created_at_str, payload, payload_hash)
       select n, ${sequencedAt}, 0, 1, $1, $2, gen_random_uuid(), $1, ${type}, ${id}, 'e', 'c', '{}',
         sha256(convert_to('l' || n || $2::text, 'UTF8'))
       from generate_series(
         (select current_sequence + 1 from sequence_counters where tenant_id = $1 and store_id = $2),
         (select current_sequence + $3 from sequence_counters where tenant_id = $1 and store_id = $2)) as n`,
      [stream.tenantId, stream.storeId, count],
    );
    await tx`update sequence_counters set current_sequence = current_sequence + ${count}
      where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId}`;
  });
}

/** The VES root over a range, computed as the definition says it. */
export async function vesRootOf(sql: Sql, stream: Stream, start: number, end: number): Promise<Buffer> {
  const rows = await sql<{ n: bigint; hashes: Buffer }[]>`
    select sequence_number as n, hashes from ves_events
    where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId} and sequence_number between ${start} and ${end}
    order by n`;
  let level = rows.map(({ n, hashes }) =>
    sha256(
      'VES_LEAF_V1',
      uuidBytes(stream.tenantId),
      uuidBytes(stream.storeId),
      u64(n),
      hashes.subarray(0, 96),
    ),
  );
  while ((level.length & (level.length - 1)) !== 0) level.push(sha256('VES_PAD_LEAF_V1'));
  while (level.length > 1)
    level = Array.from({ length: level.length / 2 }, (_, i) =>
      sha256('VES_NODE_V1', level[2 * i]!, level[2 * i + 1]!),
    );
  return level[0]!;
}

/** The legacy root over a range. */
export async function legacyRootOf(sql: Sql, stream: Stream, start: number, end: number): Promise<Buffer> {
  const rows = await sql<{ n: bigint; hash: Buffer; type: string; id: string }[]>`
    select sequence_number as n, payload_hash as hash, entity_type as type, entity_id as id from events
    where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId} and sequence_number between ${start} and ${end}
    order by n`;
  let level = rows.map(({ n, hash, type, id }) =>
    sha256(
      'STATESET_COMMITMENT_LEAF_V1',
      uuidBytes(stream.tenantId),
      uuidBytes(stream.storeId),
      u64(n),
      hash,
      u32(Buffer.byteLength(type)),
      type,
      u32(Buffer.byteLength(id)),
      id,
    ),
  );
  while (level.length > 1)
    level = Array.from({ length: Math.ceil(level.length / 2) }, (_, i) =>
      level[2 * i + 1] === undefined ? level[2 * i]! : sha256(level[2 * i]!, level[2 * i + 1]!),
    );
  return level[0]!;
}

/** The legacy state root at two heads, counted from the events. */
export async function stateRootAt(sql: Sql, stream: Stream, ves: bigint, legacy: bigint): Promise<Buffer> {
  const rows = await sql<{ type: string; id: string; version: bigint }[]>`
    select type, id, count(*) as version from (
      select entity_type as type, entity_id as id from ves_events
      where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId} and sequence_number <= ${ves}
      union all
      select entity_type, entity_id from events
      where tenant_id = ${stream.tenantId} and store_id = ${stream.storeId} and sequence_number <= ${legacy}
    ) both_streams group by 1, 2`;
  rows.sort(
    (a, b) =>
      Buffer.compare(Buffer.from(a.type), Buffer.from(b.type)) ||
      Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)),
  );
  const parts = rows.map(({ type, id, version }) => {
    const count = Buffer.alloc(8);
    count.writeBigInt64LE(version);
    return sha256Parts(type, id, count);
  });
  return sha256(uuidBytes(stream.tenantId), uuidBytes(stream.storeId), ...parts);
}
const sha256Parts = (type: string, id: string, count: Buffer) =>
  Buffer.concat([Buffer.from(type), Buffer.from(id), count]);

/** Code and message of what a call was refused with. */
export const refusalOf = (promise: Promise<unknown>): Promise<[string, string]> =>
  promise.then(
    () => ['', 'not refused'],
    (error: { code?: string; message: string }) => [error.code ?? '', error.message],
  );

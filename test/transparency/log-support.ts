import { hash, randomUUID } from 'node:crypto';
import {
  appendLeaf,
  createNodeHasher,
  decodeFrontier,
  emptyFrontier,
  encodeFrontier,
  frontierRoot,
  HASH_BYTES,
  LEAF_PREFIX,
} from '../../engine/log/index.js';
import { DOMAIN, parseUuid, VES_LEAF_BYTES, writeU64 } from '../../engine/protocol/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { startCopy } from '../../engine/store/copy-in.js';
import { sha256Into } from '../../workers/native-crypto.js';

export { sha256Into };
export const hashNode = createNodeHasher(sha256Into);

/** A stream that was written by {@link fillStream}, and what its log must be. */
export interface FilledStream {
  readonly log: { readonly kind: 'stream'; readonly tenantId: string; readonly storeId: string };
  /** Events so far. */
  size: number;
  /** Sizes at which a group ended. */
  readonly groupEnds: number[];
  /** 147 bytes. */
  entry(index: number): Uint8Array;
  /** RFC 6962 leaf hashes of all entries. */
  leaves(): Uint8Array[];
}

export interface FillOptions {
  readonly tenantId?: string;
  readonly storeId?: string;
  /** Size of the groups: one for all, or sizes that are repeated. */
  readonly groups?: number | readonly number[];
}

/** Bytes of an event that its log entry holds: signing hash and signature. Here they are made up from the number. */
const PROOF_BYTES = 96;
const EVENTS_PER_CHUNK = 2000;

/** A new stream with so many events: rows, counter, frontier and group rows as ingest leaves them, at a tenth of its cost. */
export async function fillStream(sql: Sql, events: number, options: FillOptions = {}): Promise<FilledStream> {
  const tenantId = options.tenantId ?? randomUUID();
  const storeId = options.storeId ?? randomUUID();
  const stream: FilledStream = {
    log: { kind: 'stream', tenantId, storeId },
    size: 0,
    groupEnds: [],
    entry: (index) => entryOf(tenantId, storeId, index + 1),
    leaves: () => Array.from({ length: stream.size }, (_, i) => leafOf(entryOf(tenantId, storeId, i + 1))),
  };
  await sql`insert into ves_sequence_counters (tenant_id, store_id) values (${tenantId}, ${storeId})`;
  await growStream(sql, stream, events, options);
  return stream;
}

/** Appends events to such a stream, in one transaction. */
export async function growStream(
  sql: Sql,
  stream: FilledStream,
  events: number,
  { groups = 100 }: FillOptions = {},
): Promise<void> {
  if (events === 0) return;
  const { tenantId, storeId } = stream.log;
  const connection = await sql.reserve();
  try {
    await connection`begin`;
    const [counter] = await connection<{ frontier: Buffer }[]>`select frontier from ves_sequence_counters
      where tenant_id = ${tenantId} and store_id = ${storeId} for update`;
    const frontier = decodeFrontier(stream.size, counter!.frontier) ?? emptyFrontier();
    const sizes = typeof groups === 'number' ? [groups] : groups;
    const ends: { first: number; last: number; root: string }[] = [];
    const rows: Buffer[] = [];
    let chunk: string[] = [];
    const past = stream.size + events;
    let first = stream.size + 1;
    for (let sequence = first, group = 0; sequence <= past; sequence++) {
      appendLeaf(frontier, leafOf(entryOf(tenantId, storeId, sequence)), 0, hashNode);
      chunk.push(rowOf(tenantId, storeId, sequence));
      if (chunk.length === EVENTS_PER_CHUNK || sequence === past) {
        rows.push(Buffer.from(chunk.join('')));
        chunk = [];
      }
      if (sequence - first + 1 === sizes[group % sizes.length] || sequence === past) {
        const root = Buffer.from(frontierRoot(frontier, hashNode, sha256Into)).toString('hex');
        ends.push({ first, last: sequence, root });
        first = sequence + 1;
        group++;
      }
    }
    await startCopy(connection`copy ves_events (sequence_number, sequenced_at, entity_key, agent_key_id, ves_version,
      payload_kind, tenant_id, store_id, event_id, source_agent_id, entity_type, entity_id, event_type, created_at_str,
      payload, hashes) from stdin`).send(rows);
    for (let i = 0; i < ends.length; i += EVENTS_PER_CHUNK) {
      const some = ends.slice(i, i + EVENTS_PER_CHUNK);
      await connection`insert into ves_sequencer_receipts (tenant_id, store_id, last_sequence, first_sequence, sequencer_id,
          sequencer_key_version, sequenced_at, root_hash)
        select ${tenantId}, ${storeId}, last, first, ${tenantId}, 0, now(), decode(root, 'hex')
        from unnest(${`{${some.map(({ first }) => first)}}`}::text::bigint[],
          ${`{${some.map(({ last }) => last)}}`}::text::bigint[], ${some.map(({ root }) => root)}::text[])
          as g(first, last, root)`;
    }
    await connection`update ves_sequence_counters
      set current_sequence = ${past}, frontier = ${Buffer.from(encodeFrontier(frontier))}
      where tenant_id = ${tenantId} and store_id = ${storeId}`;
    await connection`commit`;
    stream.size = past;
    for (const { last } of ends) stream.groupEnds.push(last);
  } catch (error) {
    await connection`rollback`;
    throw error;
  } finally {
    connection.release();
  }
}

function rowOf(tenantId: string, storeId: string, sequence: number): string {
  const digits = sequence.toString(16).padStart(12, '0');
  const eventId = `${storeId.slice(0, 8)}-${digits.slice(0, 4)}-7000-8000-${digits}`;
  const hashes = `\\\\x${proofOf(storeId, sequence).toString('hex')}${'00'.repeat(32)}`;
  return `${[sequence, '2026-01-31 12:00:00+00', sequence, 1, 1, 0, tenantId, storeId, eventId, tenantId, 'order', 'o', 'order.changed', '2026-01-31T12:00:00Z', '{}', hashes].join('\t')}\n`;
}

function proofOf(storeId: string, sequence: number): Buffer {
  const part = hash('sha256', `${storeId} ${sequence}`, 'buffer');
  const proof = Buffer.alloc(PROOF_BYTES);
  for (let at = 0; at < PROOF_BYTES; at += HASH_BYTES) {
    part.copy(proof, at);
    proof[at]! ^= at;
  }
  return proof;
}

/** The log entry of an event of a filled stream. */
function entryOf(tenantId: string, storeId: string, sequence: number): Uint8Array {
  const entry = new Uint8Array(VES_LEAF_BYTES);
  entry.set(DOMAIN.leaf);
  entry.set(parseUuid(tenantId)!, 11);
  entry.set(parseUuid(storeId)!, 27);
  writeU64(entry, 43, sequence);
  entry.set(proofOf(storeId, sequence), 51);
  return entry;
}

function leafOf(entry: Uint8Array): Uint8Array {
  const preimage = new Uint8Array(1 + entry.length);
  preimage[0] = LEAF_PREFIX;
  preimage.set(entry, 1);
  const leaf = new Uint8Array(HASH_BYTES);
  sha256Into(preimage, leaf, 0);
  return leaf;
}

/** Changes rows behind the back of the triggers that make tables append-only, as an intruder with the owner's rights would. */
export async function tamper(sql: Sql, change: (tx: Sql) => Promise<unknown>): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await change(tx as unknown as Sql);
  });
}

/** Removes stored tiles, all or those of the given places. */
export const dropTiles = (
  sql: Sql,
  { tenantId, storeId }: { tenantId: string; storeId: string },
  places?: readonly { readonly level: number; readonly index: number }[],
): Promise<void> =>
  tamper(sql, async (tx) => {
    if (places === undefined)
      await tx`delete from ves_log_tiles where tenant_id = ${tenantId} and store_id = ${storeId}`;
    for (const { level, index } of places ?? [])
      await tx`delete from ves_log_tiles
        where tenant_id = ${tenantId} and store_id = ${storeId} and level = ${level} and tile_index = ${index}`;
  });

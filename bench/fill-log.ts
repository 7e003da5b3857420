/**
 * A long stream for measurements of what is read: events, counter, frontier and group rows as ingest leaves them, except that
 * nobody signed anything. The server makes the rows up itself, a hundred times faster than ingest would write them.
 */
import {
  appendLeaf,
  createNodeHasher,
  emptyFrontier,
  encodeFrontier,
  frontierRoot,
  HASH_BYTES,
  LEAF_PREFIX,
} from '../engine/log/index.js';
import { DOMAIN, parseUuid, VES_LEAF_BYTES, writeU64 } from '../engine/protocol/index.js';
import type { Sql } from '../engine/store/connection.js';
import { sha256Into } from '../workers/native-crypto.js';

export interface LogStream {
  readonly tenantId: string;
  readonly storeId: string;
}

const GROUP_EVENTS = 1000;
const EVENTS_PER_STATEMENT = 20_000;
/** Where an entry goes on behind its number. */
const PROOF_OFFSET = 51;

/** Fills an empty stream with `events` events of an empty payload, in groups of {@link GROUP_EVENTS}. */
export async function fillLog(
  sql: Sql,
  { tenantId, storeId }: LogStream,
  events: number,
  say: (line: string) => void,
): Promise<void> {
  for (let from = 1; from <= events; from += EVENTS_PER_STATEMENT) {
    const to = Math.min(events, from + EVENTS_PER_STATEMENT - 1);
    // The proof of an event is the hash of its number, four times over: signing hash, signature (64 bytes), plain hash.
    await sql`
      insert into ves_events (sequence_number, sequenced_at, entity_key, agent_key_id, ves_version, payload_kind, tenant_id,
        store_id, event_id, source_agent_id, entity_type, entity_id, event_type, created_at_str, payload, hashes)
      select s, now(), s % 1000, 1, 2, 0, ${tenantId}, ${storeId}, encode(substr(h, 1, 16), 'hex')::uuid, ${tenantId},
        'order', 'o-' || s % 1000, 'order.changed', '2026-01-31T12:00:00Z', '{}', h || h || h || h
      from generate_series(${from}::bigint, ${to}::bigint) as s, lateral (select sha256(int8send(s))) as each(h)`;
    if (to % 200_000 === 0) say(`log: ${to.toLocaleString('en-US')} events`);
  }
  const { frontier, groups } = hashLog({ tenantId, storeId }, events);
  await sql`
    insert into ves_sequencer_receipts (tenant_id, store_id, last_sequence, first_sequence, sequencer_id,
      sequencer_key_version, sequenced_at, root_hash)
    select ${tenantId}, ${storeId}, last, first, ${tenantId}, 0, now(), decode(root, 'hex')
    from unnest(${`{${groups.map(({ first }) => first)}}`}::text::bigint[],
      ${`{${groups.map(({ last }) => last)}}`}::text::bigint[], ${groups.map(({ root }) => root)}::text[])
      as each(first, last, root)`;
  await sql`
    insert into ves_sequence_counters (tenant_id, store_id, current_sequence, frontier)
    values (${tenantId}, ${storeId}, ${events}, ${frontier})`;
  await sql`vacuum analyze ves_events`;
}

/** The same entries hashed here: the frontier at the end, and the root after each group. */
function hashLog({ tenantId, storeId }: LogStream, events: number) {
  const hashNode = createNodeHasher(sha256Into);
  const frontier = emptyFrontier();
  const groups: { first: number; last: number; root: string }[] = [];
  const preimage = new Uint8Array(1 + VES_LEAF_BYTES);
  const entry = preimage.subarray(1);
  preimage[0] = LEAF_PREFIX;
  entry.set(DOMAIN.leaf);
  entry.set(parseUuid(tenantId)!, DOMAIN.leaf.length);
  entry.set(parseUuid(storeId)!, DOMAIN.leaf.length + 16);
  const number = new Uint8Array(8);
  const leaf = new Uint8Array(HASH_BYTES);
  for (let sequence = 1, first = 1; sequence <= events; sequence++) {
    writeU64(number, 0, sequence);
    entry.set(number, PROOF_OFFSET - 8);
    sha256Into(number, entry, PROOF_OFFSET);
    entry.copyWithin(PROOF_OFFSET + HASH_BYTES, PROOF_OFFSET, PROOF_OFFSET + HASH_BYTES);
    entry.copyWithin(PROOF_OFFSET + 2 * HASH_BYTES, PROOF_OFFSET, PROOF_OFFSET + HASH_BYTES);
    sha256Into(preimage, leaf, 0);
    appendLeaf(frontier, leaf, 0, hashNode);
    if (sequence % GROUP_EVENTS === 0 || sequence === events) {
      const root = Buffer.from(frontierRoot(frontier, hashNode, sha256Into)).toString('hex');
      groups.push({ first, last: sequence, root });
      first = sequence + 1;
    }
  }
  return { frontier: Buffer.from(encodeFrontier(frontier)), groups };
}

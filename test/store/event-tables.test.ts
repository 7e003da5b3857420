import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { CHECKED_FROM, COPY_HEADER, COPY_TRAILER } from '../../engine/store/copy-row.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { expectConsistent } from './recompute.js';
import {
  commit,
  entityKeyOf,
  freshPartition,
  makeStore,
  partsOf,
  STREAM_LEGACY,
  STREAM_VES,
  stream,
  type TestEvent,
  uuid,
} from './support.js';

let database: TestDatabase;
let sql: Sql;
let store: ReturnType<typeof makeStore>;

beforeAll(async () => {
  database = await createTestDatabase({ migrated: true });
  sql = connectDatabase(database.target, { max: 2, applicationName: 'event-tables-test' });
  store = makeStore(database.target, freshPartition());
});
afterAll(async () => {
  await store.close();
  await sql.end({ timeout: 1 });
  await database.drop();
});

// All of Unicode but U+0000, which Postgres texts cannot hold and the API refuses; no lone surrogates.
const character = fc
  .oneof(
    fc.integer({ min: 1, max: 0x7f }),
    fc.integer({ min: 1, max: 0xd7ff }),
    fc.integer({ min: 0xe000, max: 0x10ffff }),
  )
  .map((point) => String.fromCodePoint(point));
const text = (maxLength: number) => fc.string({ unit: character, minLength: 1, maxLength });
const hex16 = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString('hex'));
const changes = fc.record({
  agent: hex16,
  command: fc.option(hex16, { nil: undefined }),
  entityType: text(64),
  entityId: text(128),
  eventType: text(64),
  createdAt: text(40),
  payload: fc.oneof(text(300), text(3000)),
  encrypted: fc.boolean(),
  agentKeyId: fc.oneof(fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1), fc.nat(2 ** 32 - 1)),
  vesVersion: fc.constantFrom(1, 2),
  signature: fc.option(fc.uint8Array({ maxLength: 200 }), { nil: undefined }),
  // Only a base version that holds gets stored; the entity is new.
  base: fc.constantFrom(undefined, 0),
});

let runs = 0;

describe('what was written is read back byte for byte', () => {
  test('from the VES table', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(changes, { minLength: 1, maxLength: 12 }), async (list) => {
        const s = stream(`ves ${runs++}`, STREAM_VES);
        const events = uniqueEntities(list.map((each, i) => s.event(i, each)));
        const [submission] = await commit(store, events);
        const rows = await sql`select *, (extract(epoch from sequenced_at) * 1000000)::bigint as micros
          from ves_events where store_id = ${uuid(s.store)} order by sequence_number`;
        expect(rows.length).toBe(events.length);
        rows.forEach((row, i) => {
          const event = events[i]!;
          const { signingHash, signature, plainHash, cipherHash } = partsOf(event);
          const hashes = [signingHash, signature, plainHash, ...(event.encrypted ? [cipherHash] : [])];
          const { sequenced_at: _, row_check: __, ...rest } = row;
          expect({ ...rest, hashes: row.hashes.toString('hex') }).toEqual({
            ...commonColumns(event, i),
            micros: BigInt(submission!.outcome.events[i * 4 + 2]!),
            agent_key_id: BigInt(event.agentKeyId),
            ves_version: event.vesVersion,
            payload_kind: event.encrypted ? 1 : 0,
            source_agent_id: uuid(event.agent),
            hashes: Buffer.concat(hashes).toString('hex'),
          });
        });
      }),
      { numRuns: 60 },
    );
  });

  test('from the legacy table', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(changes, { minLength: 1, maxLength: 12 }), async (list) => {
        const s = stream(`legacy ${runs++}`, STREAM_LEGACY);
        const events = uniqueEntities(list.map((each, i) => s.event(i, each)));
        const [submission] = await commit(store, events);
        const rows = await sql`select *, (extract(epoch from sequenced_at) * 1000000)::bigint as micros
          from events where store_id = ${uuid(s.store)} order by sequence_number`;
        expect(rows.length).toBe(events.length);
        rows.forEach((row, i) => {
          const event = events[i]!;
          const { sequenced_at: _, row_check: __, ...rest } = row;
          const hex = (bytes: Uint8Array | null | undefined) => bytes && Buffer.from(bytes).toString('hex');
          expect({ ...rest, payload_hash: hex(row.payload_hash), signature: hex(row.signature) }).toEqual({
            ...commonColumns(event, i),
            micros: BigInt(submission!.outcome.events[i * 4 + 2]!),
            envelope_version: BigInt(event.vesVersion),
            source_agent: uuid(event.agent),
            payload_hash: hex(partsOf(event).plainHash),
            signature: hex(event.signature ?? null),
          });
        });
      }),
      { numRuns: 60 },
    );
  });

  test('and the check value is that of the tuple that COPY reads back', async () => {
    for (const table of ['ves_events', 'events']) {
      const rows =
        await sql`select tenant_id, store_id, sequence_number, row_check from ${sql(table)} limit 100`;
      expect(rows.length).toBeGreaterThan(50);
      for (const row of rows) {
        const where = `tenant_id = '${row.tenant_id}' and store_id = '${row.store_id}' and sequence_number = ${row.sequence_number}`;
        const out = await sql
          .unsafe(`copy (select * from ${table} where ${where}) to stdout (format binary)`)
          .readable();
        const bytes = Buffer.concat(await out.toArray());
        const tuple = bytes.subarray(COPY_HEADER.length, bytes.length - COPY_TRAILER.length);
        expect(tuple.readInt32BE(tuple.length - 4)).toBe(row.row_check);
        expect(crc32(tuple.subarray(CHECKED_FROM, tuple.length - 8)) | 0).toBe(row.row_check);
      }
    }
  });

  test('and everything is consistent afterwards', () => expectConsistent(sql));
});

/** Base version 0 holds for the first event of an entity only; a command id for one event of a stream. */
function uniqueEntities(events: TestEvent[]): TestEvent[] {
  return events.map((event, i) => ({ ...event, entityId: `${i} ${event.entityId}` }));
}

const commonColumns = (event: TestEvent, index: number) => ({
  sequence_number: BigInt(index + 1),
  entity_key: entityKeyOf(event).readBigInt64BE(),
  base_version: event.base === undefined ? null : BigInt(event.base),
  tenant_id: uuid(event.tenant),
  store_id: uuid(event.store),
  event_id: uuid(event.id),
  command_id: event.command === undefined ? null : uuid(event.command),
  entity_type: event.entityType,
  entity_id: event.entityId,
  event_type: event.eventType,
  created_at_str: event.createdAt,
  payload: event.payload,
});

describe('history', () => {
  const TABLES = ['ves_events', 'events', 'ves_sequencer_receipts'];
  const CHANGES: ((table: string) => string)[] = [
    (table) => `update ${table} set tenant_id = tenant_id`,
    (table) => `delete from ${table}`,
    (table) => `truncate ${table}`,
  ];
  test.each(TABLES)('in %s refuses update, delete and truncate, whoever asks', async (table) => {
    await commit(
      store,
      [stream(`history ${table}`).event(1)],
      [stream(`history ${table}`, STREAM_LEGACY).event(1)],
    );
    const before = await sql.unsafe(`select count(*) as n from ${table}`);
    for (const change of CHANGES)
      await expect(sql.unsafe(change(table))).rejects.toMatchObject({ code: '23001' });
    expect([...(await sql.unsafe(`select count(*) as n from ${table}`))]).toEqual([...before]);
  });
});

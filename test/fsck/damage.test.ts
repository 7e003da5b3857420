import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FsckOptions, FsckReport } from '../../engine/fsck/index.js';
import { buildFsckDatabase, type FsckDatabase, LEGACY_EVENTS, MAIN, MAIN_EVENTS } from './database.js';
import { check, unprotected, withChange, without } from './support.js';

let database: FsckDatabase;
beforeAll(async () => {
  database = await buildFsckDatabase();
});
afterAll(() => database.drop());

const main = `tenant_id = '${MAIN.tenantId}' and store_id = '${MAIN.storeId}'`;

/** Findings in short. */
const told = ({ findings }: FsckReport) =>
  findings.map(({ table, row, check }) => `${table} ${row}: ${check}`);
const checked = (options?: Partial<FsckOptions>) => () => check(database.target, options);
const changing = (table: string, where: string, set: string, options?: Partial<FsckOptions>) =>
  withChange(database.sql, table, `${main} and ${where}`, set, checked(options));
const removing = (table: string, where: string, options?: Partial<FsckOptions>) =>
  without(database.sql, table, `${main} and ${where}`, checked(options));

describe('missing rows', () => {
  test('of events are named, and what follows from them is not listed', async () => {
    const report = await removing('ves_events', 'sequence_number in (20, 21, 40)');
    expect(told(report).slice(0, 2)).toEqual([
      'ves_events sequence_number 20–21: sequence',
      'ves_events sequence_number 40: sequence',
    ]);
    expect(told(report).filter((each) => !/entity|commitments/.test(each))).toHaveLength(2);
    expect(report.consequences).toBeGreaterThan(0);
  });

  test('at the end of a stream: the groups say that there were events', async () => {
    const report = await removing('ves_events', `sequence_number > ${MAIN_EVENTS - 3}`);
    expect(told(report)[0]).toBe(`ves_events sequence_number ${MAIN_EVENTS - 2}–${MAIN_EVENTS}: sequence`);
  });

  test('at the end of a legacy stream', async () => {
    const report = await removing('events', `sequence_number = ${LEGACY_EVENTS}`);
    expect(told(report)).toContain('sequence_counters the stream: head');
  });

  test('of groups', async () => {
    expect(told(await removing('ves_sequencer_receipts', 'last_sequence = 11'))).toEqual([
      'ves_sequencer_receipts last_sequence 16: group-range',
    ]);
    expect(told(await removing('ves_sequencer_receipts', `last_sequence = ${MAIN_EVENTS}`))).toContain(
      'ves_sequencer_receipts last_sequence 117: group-range',
    );
    expect(told(await removing('ves_sequencer_receipts', 'true'))).toContain(
      'ves_sequencer_receipts last_sequence 0: group-range',
    );
  });

  test('of a counter', async () => {
    expect(told(await removing('ves_sequence_counters', 'true'))).toEqual(
      expect.arrayContaining([
        'ves_events the stream: beyond-head',
        'notary_entries the stream: beyond-head',
      ]),
    );
    expect(told(await removing('sequence_counters', 'true'))).toContain('events the stream: beyond-head');
  });

  test('of commitments', async () => {
    expect(told(await removing('ves_commitments', 'sequence_start = 2'))).toEqual([
      'ves_commitments sequence_start 7: commitment-range',
    ]);
    expect(told(await removing('commitments', 'sequence_start = 2'))).toEqual([
      'commitments sequence_start 5: state-root',
    ]);
    expect(told(await removing('commitment_entity_versions', `entity_id = 'versioned-1'`))).toEqual([
      'commitment_entity_versions entity_type "order", entity_id "versioned-1": entity-count',
    ]);
    expect(told(await removing('commitment_entity_heads', 'true'))).toEqual([
      'commitment_entity_heads the store: entity-count',
    ]);
  });

  test('of the last commitment are not noticed: nothing else says that there was one', async () => {
    expect((await removing('ves_commitments', 'sequence_start = 7')).total).toBe(0);
    expect((await removing('commitments', 'sequence_start = 5')).total).toBe(0);
  });

  test('of tiles and entity versions are none: they are derived', async () => {
    expect((await removing('ves_log_tiles', 'true')).total).toBe(0);
    expect((await removing('entity_versions', 'true')).total).toBe(0);
    expect((await removing('ves_log_roots', 'true')).total).toBe(0);
  });

  test('of an agent key, of a sequencer key', async () => {
    const keys = await without(
      database.sql,
      'agent_signing_keys',
      `tenant_id = '${MAIN.tenantId}'`,
      checked(),
    );
    expect(told(keys)[0]).toBe('ves_events sequence_number 1: signing-key');
    const sequencer = await without(database.sql, 'sequencer_keys', 'true', checked());
    expect(told(sequencer)).toContain('ves_sequencer_receipts last_sequence 10: group-key');
  });

  test('of the notary', async () => {
    expect(told(await without(database.sql, 'notary_entries', 'leaf_index = 2', checked()))).toEqual([
      'notary_entries leaf_index 2: notary-entry',
    ]);
    expect(told(await without(database.sql, 'notary_log', 'true', checked()))).toContain(
      'notary_log the row: head',
    );
    expect(told(await without(database.sql, 'notary_checkpoints', 'true', checked()))[0]).toMatch(
      /^notary_cosignatures .*: cosignature$/,
    );
  });
});

describe('rows too many', () => {
  test('are told from a wrong counter', async () => {
    const low = await changing('ves_sequence_counters', 'true', 'current_sequence = 17');
    expect(told(low)).toEqual(['ves_sequence_counters the stream: head']);
    const high = await changing('ves_sequence_counters', 'true', 'current_sequence = 1000000000000');
    expect(told(high)).toEqual(['ves_sequence_counters the stream: head']);
    const stray = await changing('ves_events', 'sequence_number = 17', 'sequence_number = 4000');
    expect(told(stray)).toEqual(
      expect.arrayContaining([
        'ves_events sequence_number 17: sequence',
        'ves_events sequence_number 4000: beyond-head',
      ]),
    );
  });

  test('refer to events that are not there', async () => {
    const group = await changing('ves_sequencer_receipts', 'last_sequence = 11', 'last_sequence = 5000');
    expect(told(group)).toContain('ves_sequencer_receipts last_sequence 5000: beyond-head');
    const tile = await changing('ves_log_tiles', 'true', 'tile_index = 1');
    expect(told(tile)).toEqual(['ves_log_tiles level 0, tile_index 1: beyond-head']);
    const commitment = await changing(
      'ves_commitments',
      'sequence_start = 7',
      'sequence_start = 999, sequence_end = 1242',
    );
    expect(told(commitment)).toEqual(['ves_commitments sequence_start 999: beyond-head']);
    const long = await changing(
      'ves_commitments',
      'sequence_start = 7',
      'sequence_end = 999, leaf_count = 993',
    );
    expect(told(long)).toEqual(['ves_commitments sequence_start 7: commitment-shape']);
  });

  test('have an id that another row has, and the unique index does not know', async () => {
    await database.sql`drop index ves_events_event_id`;
    const twice = `event_id = (select event_id from ves_events where ${main} and sequence_number = 3)`;
    const report = await changing('ves_events', 'sequence_number = 30', twice, { deep: true });
    expect(told(report)).toContain('ves_events sequence_number 3: duplicate');
    await database.sql`create unique index ves_events_event_id on ves_events (event_id, tenant_id)`;
  });
});

describe('what is wrong with an event', () => {
  test.each([
    ['payload', `payload || ' '`, 'payload-hash', /^payload,/],
    ['entity_id', `entity_id || 'x'`, 'entity-key', /entity_id/],
    ['event_type', `event_type || 'x'`, 'signing-hash', /^a signed column/],
    [
      'hashes',
      'set_byte(hashes, 0, get_byte(hashes, 0) # 1)',
      'signing-hash',
      /^hashes \(event_signing_hash\)$/,
    ],
    ['hashes', 'set_byte(hashes, 50, get_byte(hashes, 50) # 1)', 'signature', /agent_signature/],
    ['hashes', 'set_byte(hashes, 97, get_byte(hashes, 97) # 1)', 'payload-hash', /payload_plain_hash/],
    ['sequenced_at', `sequenced_at + interval '1 second'`, 'group-time', /^sequenced_at$/],
    ['row_check', 'row_check + 1', 'row-check', /row_check/],
    ['row_check', 'null', 'row-check', /^row_check$/],
  ])('is told by the checks it fails: %s = %s', async (column, value, check, named) => {
    const report = await changing('ves_events', 'sequence_number = 50', `${column} = ${value}`);
    expect(told(report)[0]).toBe(`ves_events sequence_number 50: ${check}`);
    expect(report.findings[0]!.column).toMatch(named);
    expect(report.findings.filter(({ table }) => !/entity|commitments/.test(table))).toHaveLength(1);
  });

  test('a changed signature is found without verifying signatures, by the check value and the log', async () => {
    const flip = 'hashes = set_byte(hashes, 50, get_byte(hashes, 50) # 1)';
    const report = await changing('ves_events', 'sequence_number = 50', flip, { signatures: false });
    expect(told(report)[0]).toBe('ves_events sequence_number 50: row-check');
    expect(report.consequences).toBeGreaterThan(0);
    const cunning = `${flip}, row_check = null`;
    await database.sql`update schema_migrations set applied_at = applied_at - interval '1 day' where version = 1`;
    const old = await changing('ves_events', 'sequence_number = 50', cunning, { signatures: false });
    expect(told(old)[0]).toBe('ves_events sequence_number 50: row-check'); // its group has a check value
    await database.sql`update schema_migrations set applied_at = applied_at + interval '1 day' where version = 1`;
  });

  test('a key must have been valid when the event was sequenced', async () => {
    const where = `tenant_id = '${MAIN.tenantId}'`;
    const sequencedAt = `(select sequenced_at from ves_events where ${main} and sequence_number = 200)`;
    const revoke = (at: string) =>
      withChange(
        database.sql,
        'agent_signing_keys',
        where,
        `status = 'revoked', revoked_at = ${at}`,
        checked(),
      );
    expect((await revoke('now()')).total).toBe(0);
    expect((await revoke(`${sequencedAt} - interval '1 second'`)).total).toBe(0); // caches may be that late
    const late = await revoke(
      `(select sequenced_at from ves_events where ${main} and sequence_number = 1) - interval '1 minute'`,
    );
    expect(told(late)[0]).toBe('ves_events sequence_number 1: signing-key');
    expect(late.findings[0]!.message).toContain('revoked');
  });
});

describe('roots', () => {
  test('of one row are told from those that follow from a wrong event', async () => {
    const flip = (column: string) => `${column} = set_byte(${column}, 3, get_byte(${column}, 3) # 1)`;
    const one = await changing('ves_sequencer_receipts', 'last_sequence = 17', flip('root_hash'));
    expect(told(one)).toEqual(['ves_sequencer_receipts last_sequence 17: root']);
    expect(one.findings[0]!.also).toEqual(['row-check']);
    expect(one.consequences).toBe(0);
    const frontier = await changing('ves_sequence_counters', 'true', flip('frontier'));
    expect(told(frontier)).toEqual(['ves_sequence_counters the stream: frontier']);
  });

  test('show a wrong event that has been made to fit in every other respect', async () => {
    // Two events change places with all that is in their rows: only the log knows.
    const swap = (a: number, b: number) => [
      `update ves_events set sequence_number = -1 where ${main} and sequence_number = ${a}`,
      `update ves_events set sequence_number = ${a} where ${main} and sequence_number = ${b}`,
      `update ves_events set sequence_number = ${b} where ${main} and sequence_number = -1`,
    ];
    await database.sql`alter table ves_events drop constraint ves_events_sequence_number_check`;
    await unprotected(database.sql, ...swap(120, 130));
    const report = await check(database.target);
    await unprotected(database.sql, ...swap(120, 130));
    expect(told(report)).toEqual(
      expect.arrayContaining([
        `ves_sequencer_receipts last_sequence ${MAIN_EVENTS}: root`,
        'ves_log_tiles level 0, tile_index 0: tile',
        'ves_commitments sequence_start 7: commitment-root',
      ]),
    );
    expect(report.findings.find(({ check }) => check === 'root')!.message).toContain('events 118 to');
  });
});

describe('the report', () => {
  test('lists the first wrong rows in the order of the stream, and counts all', async () => {
    await unprotected(database.sql, `update ves_events set row_check = row_check + 1`);
    const report = await check(database.target, { findingsMax: 3 });
    await unprotected(database.sql, `update ves_events set row_check = row_check - 1`);
    expect(told(report)).toEqual([1, 2, 3].map((n) => `ves_events sequence_number ${n}: row-check`));
    expect(report.total).toBe(MAIN_EVENTS + 8);
    expect(report.firstOfStreams.map(({ row }) => row)).toEqual(Array(5).fill('sequence_number 1'));
  });
});

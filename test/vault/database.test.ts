/** Stored events: re-encryption, rotation, erasure, and what fsck says of it. The rows are made in clear text by the service's own code. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type FsckOptions, openFsckWorker } from '../../engine/fsck/index.js';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { readLegacyEvents } from '../../engine/store/legacy-events.js';
import { attachOpener } from '../../engine/store/sealed-payload.js';
import { findVesEvent, readVesEvents } from '../../engine/store/ves-events.js';
import {
  eraseTenant,
  eventAad,
  openVault,
  type ReencryptOptions,
  reencryptEvents,
  rewrapTenantKeys,
  rotateTenantKey,
  sealRecord,
  type Vault,
} from '../../engine/vault/index.js';
import { fsckCrypto } from '../../workers/fsck-crypto.js';
import { type FsckDatabase, MAIN, openFsckDatabase } from '../fsck/database.js';
import { check as checkAll, unprotected } from '../fsck/support.js';
import { ENCRYPTED_ENVELOPE } from '../service/encrypted-vector.js';
import { encryption, hex, masterKey, vaultWith } from './support.js';

const TENANT = hex(MAIN.tenantId);
const PAYLOADS = Array.from({ length: 30 }, (_, n) => ({ n, text: `Größe ${n}` }));
const LEGACY_COUNT = 12;
const STREAM_EVENTS = PAYLOADS.length + 1;

let database: FsckDatabase;
let sql: Sql;
const open: Sql[] = [];

beforeEach(async () => {
  database = await openFsckDatabase();
  sql = database.sql;
  await database.ves(database.agent, [
    ...PAYLOADS.map((payload) => database.agent.event({ payload }).envelope),
    ENCRYPTED_ENVELOPE,
  ]);
  await database.legacy(database.agent, LEGACY_COUNT, {});
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.end({ timeout: 1 })));
  await database.drop();
});

/** A pool that reads through a vault. */
function reader(vault?: Vault): Sql {
  const pool = connectDatabase(database.target, { max: 1, applicationName: 'vault-test' });
  open.push(pool);
  return vault ? attachOpener(pool, vault.opener) : pool;
}
const run = (vault: Vault, parts: Partial<ReencryptOptions> = {}) =>
  reencryptEvents(sql, vault, { table: 'ves', batchSize: 7, actor: 'test', ...parts });
const runBoth = async (vault: Vault) => {
  for (const table of ['ves', 'legacy'] as const) expect((await run(vault, { table })).complete).toBe(true);
};
const read = async (from: Sql) =>
  (await readVesEvents(from, MAIN, 1n, 1000n)).events.map(({ payload }) => payload);
const readOld = async (from: Sql) =>
  (await readLegacyEvents(from, MAIN, 1n, 1000n)).events.map(({ payload }) => payload);
const stored = async (table = 'ves_events') =>
  (
    await sql.unsafe<{ payload: string }[]>(
      `select payload from ${table} where tenant_id = '${MAIN.tenantId}' order by sequence_number`,
    )
  ).map(({ payload }) => payload);
const versionsInUse = async () =>
  (
    await sql<{ version: number }[]>`select distinct key_version as version from vault_data_keys d
      where exists (select from ves_events e where starts_with(e.payload, 'SSE2')
        and substr(decode(substr(e.payload, 5, 24), 'base64'), 1, 16) = uuid_send(d.data_key_id)) order by 1`
  ).map(({ version }) => version);
const check = (keys: readonly string[] | undefined, parts: Partial<FsckOptions> = {}) => {
  const settings =
    keys &&
    encryption({ PAYLOAD_ENCRYPTION_MODE: 'optional', PAYLOAD_ENCRYPTION_KEYS: keys.map(masterKey).join() });
  return checkAll(database.target, {
    encryption: settings,
    start: (setup) =>
      openFsckWorker(
        setup,
        fsckCrypto(),
        (own) => setup.encryption && openVault(own, setup.encryption)?.opener,
      ),
    ...parts,
  });
};

describe('re-encryption', () => {
  test('seals what is in clear text; readers, hashes and check values see no difference', async () => {
    const [before, legacyBefore] = [await read(sql), await readOld(sql)];
    const rowsBefore =
      await sql`select to_jsonb(e) - 'payload' - 'row_check' as row from ves_events e order by sequence_number`;
    const vault = vaultWith(sql, ['a']);
    expect(await run(vault)).toMatchObject({
      streams: 1,
      scanned: STREAM_EVENTS,
      reencrypted: STREAM_EVENTS,
      faulty: 0,
      complete: true,
    });
    expect(await run(vault, { table: 'legacy' })).toMatchObject({ reencrypted: LEGACY_COUNT });
    for (const table of ['ves_events', 'events'])
      for (const payload of await stored(table)) expect(payload).toMatch(/^SSE2[A-Za-z0-9+/]+={0,2}$/);
    const through = reader(vaultWith(sql, ['a'], 'required'));
    expect(await read(through)).toEqual(before);
    expect(await readOld(through)).toEqual(legacyBefore);
    expect((await findVesEvent(through, MAIN.tenantId, ENCRYPTED_ENVELOPE.event_id))!.payload).toBe(
      before.at(-1),
    );
    expect(
      await sql`select to_jsonb(e) - 'payload' - 'row_check' as row from ves_events e order by sequence_number`,
    ).toEqual(rowsBefore);
    const report = await check(['a']);
    expect(report).toMatchObject({ total: 0, complete: true });
    expect(report.counts).toMatchObject({ 'payloads decrypted': STREAM_EVENTS + LEGACY_COUNT });
    // Nothing is left to do, and nothing is done.
    expect(await run(vault)).toMatchObject({ scanned: 0, reencrypted: 0, complete: true });
  });

  test('a dry run counts and changes nothing', async () => {
    const before = await stored();
    const report = await run(vaultWith(sql, ['a']), { dryRun: true });
    expect(report).toMatchObject({ scanned: STREAM_EVENTS, reencrypted: STREAM_EVENTS, complete: true });
    expect(await stored()).toEqual(before);
    expect(await sql`select from vault_tenant_keys`).toHaveLength(0);
    expect(await sql`select from vault_reencryptions`).toHaveLength(0);
  });

  test('stops at the limit, inside of a batch as well, keeps what was done, and goes on from there', async () => {
    const vault = vaultWith(sql, ['a']);
    const sealedCount = async () => (await stored()).filter((payload) => payload.startsWith('SSE2')).length;
    let done = 0;
    for (const limit of [1, 7, 10]) {
      const report = await run(vault, { limit });
      expect(report).toMatchObject({ reencrypted: limit, scanned: limit, complete: false });
      done += limit;
      expect(await sealedCount()).toBe(done);
    }
    expect(await run(vault)).toMatchObject({ reencrypted: STREAM_EVENTS - done, complete: true });
    expect(await check(['a'])).toMatchObject({ total: 0 });
  });

  test('goes on where it was interrupted', async () => {
    const vault = vaultWith(sql, ['a']);
    const interruption = new AbortController();
    const cut = await run(vault, {
      batchSize: 10,
      signal: interruption.signal,
      onProgress: () => interruption.abort(),
    });
    expect(cut).toMatchObject({ scanned: 10, reencrypted: 10, complete: false });
    expect(await run(vaultWith(sql, ['a']))).toMatchObject({ scanned: STREAM_EVENTS - 10, complete: true });
  });

  test('leaves a row alone that is not what was stored, says so, and tries it again the next time', async () => {
    await unprotected(sql, `update ves_events set payload = '{"n":1}' where sequence_number = 9`);
    const vault = vaultWith(sql, ['a']);
    const report = await run(vault);
    expect(report).toMatchObject({ reencrypted: STREAM_EVENTS - 1, faulty: 1 });
    expect(report.faults[0]).toContain('Event 9');
    expect((await stored())[8]).toBe('{"n":1}');
    expect(await run(vault)).toMatchObject({ reencrypted: 0, faulty: 1 });
    expect((await check(['a'])).findings.map(({ row }) => row)).toEqual(['sequence_number 9']);
  });

  test('takes over records of the older form, which only a master key protects', async () => {
    const [event] = await sql<{ id: Buffer; type: string; entity: string; event: string; payload: string }[]>`
      select uuid_send(event_id) as id, entity_type as type, entity_id as entity, event_type as event, payload
      from events where sequence_number = 3`;
    const vault = vaultWith(sql, ['b', 'a']);
    const aad = eventAad({
      ...{
        tenant: Buffer.from(TENANT, 'hex'),
        store: Buffer.from(hex(MAIN.storeId), 'hex'),
        event: event!.id,
        sequence: 3n,
      },
      ...{ entityType: event!.type, entityId: event!.entity, eventType: event!.event },
    });
    const record = sealRecord(vault.masters.ring(TENANT)[1]!, aad, Buffer.from(event!.payload));
    const text = `SSE1${record.subarray(4).toString('base64')}`;
    await unprotected(
      sql,
      `update events set payload = '${text}', row_check = null where sequence_number = 3`,
    );
    expect((await readOld(reader(vault)))[2]).toBe(event!.payload);
    await run(vault, { table: 'legacy' });
    expect((await stored('events'))[2]).toMatch(/^SSE2/);
    expect((await readOld(reader(vaultWith(sql, ['b']))))[2]).toBe(event!.payload);
  });
});

describe('rotation', () => {
  test('of the master key wraps the tenants’ keys anew; the earlier one is needed no more', async () => {
    const before = await read(sql);
    await runBoth(vaultWith(sql, ['old']));
    const sealed = await stored();
    const both = vaultWith(sql, ['new', 'old']);
    expect(await read(reader(both))).toEqual(before);
    expect(await rewrapTenantKeys(sql, both.masters, 'test')).toBe(1);
    expect(await rewrapTenantKeys(sql, both.masters, 'test')).toBe(0);
    expect(await read(reader(vaultWith(sql, ['new'])))).toEqual(before);
    await expect(read(reader(vaultWith(sql, ['old'])))).rejects.toMatchObject({ code: 'ENCRYPTION_ERROR' });
    expect(await stored()).toEqual(sealed);
    expect(await sql`select act from vault_acts where act = 'tenant-keys-rewrapped'`).toHaveLength(1);
  });

  test('of a tenant’s key: old payloads stay readable, and are re-encrypted', async () => {
    const before = await read(sql);
    const vault = vaultWith(sql, ['a']);
    await runBoth(vault);
    expect(await rotateTenantKey(sql, vault.masters, TENANT, 'test')).toBe(2);
    expect(await read(reader(vaultWith(sql, ['a'])))).toEqual(before);
    expect(await versionsInUse()).toEqual([1]);
    await runBoth(vaultWith(sql, ['a']));
    expect(await versionsInUse()).toEqual([2]);
    expect(await read(reader(vaultWith(sql, ['a'])))).toEqual(before);
    expect(await check(['a'])).toMatchObject({ total: 0 });
  });

  test('a sealer changes to the new key within a second', async () => {
    const vault = vaultWith(sql, ['a']);
    const version = async () => {
      const sealer = (await vault.sealers.find([TENANT])).get(TENANT)!;
      if (sealer instanceof Error) throw sealer;
      return sealer.keyVersion;
    };
    expect(await version()).toBe(1);
    await rotateTenantKey(sql, vault.masters, TENANT, 'test');
    await expect.poll(version, { timeout: 3000 }).toBe(2);
  });
});

describe('erasure', () => {
  test('makes payloads unreadable for ever, and nothing else', async () => {
    const vault = vaultWith(sql, ['a']);
    const through = reader(vault);
    await runBoth(vault);
    const events = (await readVesEvents(through, MAIN, 1n, 1000n)).events;
    expect(events[0]!.payload).toContain('Größe 0');
    const report = await eraseTenant(sql, { tenant: TENANT, actor: 'officer', reason: 'request 17' });
    expect(report).toEqual({ keysDestroyed: 1, unsealed: 0 });
    // The reader had the key in memory.
    const after = (await readVesEvents(through, MAIN, 1n, 1000n)).events;
    expect(after).toEqual(events.map((event) => ({ ...event, payload: '' })));
    expect(await readOld(through)).toEqual(Array(LEGACY_COUNT).fill(''));
    const fsck = await check(['a']);
    expect(fsck).toMatchObject({ total: 0, complete: true });
    expect(fsck.counts).toMatchObject({ 'erased payloads': STREAM_EVENTS + LEGACY_COUNT });
    expect(await sql`select wrapped_key from vault_tenant_keys`).toEqual([{ wrapped_key: null }]);
    expect(
      await sql`select act, actor, detail ->> 'reason' as reason from vault_acts where act like 'tenant-eras%' order by act_id`,
    ).toEqual([
      { act: 'tenant-erasure-begun', actor: 'officer', reason: 'request 17' },
      { act: 'tenant-erased', actor: 'officer', reason: 'request 17' },
    ]);
    expect(await run(vaultWith(sql, ['a']))).toMatchObject({
      erased: STREAM_EVENTS,
      reencrypted: 0,
      faulty: 0,
    });
    await expect(sql`update vault_tenant_keys set wrapped_key = 'x', destroyed_at = null`).rejects.toThrow(
      'refused',
    );
    await expect(sql`delete from vault_acts`).rejects.toThrow('append-only');
  }, 60_000);

  test('is refused while payloads are readable without the key', async () => {
    const vault = vaultWith(sql, ['a']);
    const options = { tenant: TENANT, actor: 'a', reason: 'b', sleep: async () => {} };
    await expect(eraseTenant(sql, options)).rejects.toMatchObject({ code: 'RESOURCE_NOT_FOUND' });
    await run(vault, { limit: 3 });
    await expect(eraseTenant(sql, options)).rejects.toMatchObject({ code: 'INVALID_STATE_TRANSITION' });
  });
});

describe('what is wrong is told', () => {
  test('a process without keys, with the wrong key, or without the data key', async () => {
    await runBoth(vaultWith(sql, ['a']));
    await expect(read(reader())).rejects.toThrow('no keys to read them');
    await expect(read(reader(vaultWith(sql, ['wrong'])))).rejects.toThrow('is not among the configured ones');
    await expect(read(reader(vaultWith(sql, ['a'])))).resolves.toHaveLength(STREAM_EVENTS);
    await unprotected(sql, 'delete from vault_data_keys');
    await expect(read(reader(vaultWith(sql, ['a'])))).rejects.toThrow('not in this database');
    expect((await check(['a'])).total).toBe(STREAM_EVENTS + LEGACY_COUNT);
  });

  test('mode required refuses clear text, mode optional reads both', async () => {
    await run(vaultWith(sql, ['a']), { limit: 5 });
    await expect(read(reader(vaultWith(sql, ['a'], 'required')))).rejects.toThrow('clear text');
    expect(await read(reader(vaultWith(sql, ['a'])))).toHaveLength(STREAM_EVENTS);
  });

  test('changed, exchanged and unwrapped records', async () => {
    await runBoth(vaultWith(sql, ['a']));
    await unprotected(
      sql,
      `update ves_events set payload = overlay(payload placing case when substr(payload, 60, 1) = 'A' then 'B' else 'A' end from 60 for 1)
       where sequence_number = 4`,
      `update ves_events e set payload = o.payload from ves_events o where e.sequence_number = 6 and o.sequence_number = 7`,
    );
    await expect(read(reader(vaultWith(sql, ['a'])))).rejects.toThrow('cannot be decrypted');
    const report = await check(['a']);
    expect(report.findings.map(({ row, check }) => [row, check])).toEqual([
      ['sequence_number 4', 'sealed'],
      ['sequence_number 6', 'sealed'],
    ]);
    // Without keys the check value still tells.
    const blind = await check(undefined);
    expect(blind.findings.map(({ row, check }) => [row, check])).toEqual([
      ['sequence_number 4', 'row-check'],
      ['sequence_number 6', 'row-check'],
    ]);
    expect(blind.counts).toMatchObject({
      'encrypted payloads without a key to check them': STREAM_EVENTS + LEGACY_COUNT,
    });
  });
});

describe('append-only', () => {
  test('nothing but re-encryption changes an event, and it nothing but the payload', async () => {
    const update = (set: string, reseal = true) =>
      sql.begin(async (tx) => {
        if (reseal) await tx`set local vault.reseal = 'on'`;
        await tx.unsafe(`update ves_events set ${set} where sequence_number = 1`);
      });
    await expect(update(`payload = 'SSE2x'`, false)).rejects.toThrow('append-only');
    await expect(update(`payload = '{}'`)).rejects.toThrow('append-only');
    await expect(update(`payload = 'SSE2x', event_type = 'other'`)).rejects.toThrow('append-only');
    await expect(update(`payload = 'SSE2x', hashes = hashes || 'a'`)).rejects.toThrow('append-only');
    await expect(
      sql.begin(async (tx) => {
        await tx`set local vault.reseal = 'on'`;
        await tx`delete from ves_events`;
      }),
    ).rejects.toThrow('append-only');
    await update(`payload = 'SSE2x', row_check = 1`);
  });

  test('another tenant’s keys open nothing', async () => {
    const vault = vaultWith(sql, ['a']);
    await runBoth(vault);
    const other = hex(randomUUID());
    await vault.sealers.find([other]);
    await unprotected(
      sql,
      `update vault_data_keys set wrapped_key = (select wrapped_key from vault_data_keys where tenant_id = '${other}')`,
    );
    await expect(read(reader(vaultWith(sql, ['a'])))).rejects.toThrow('is not its own');
  });
});

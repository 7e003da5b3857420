import { createHash, randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  encodeBase64,
  formatCheckpoint,
  leafHash,
  parseTlogProof,
  verifyConsistency,
  verifyInclusion,
} from '../../engine/log/index.js';
import { encodeHex, encodeUtf8, parseUuid } from '../../engine/protocol/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { findAdvancedStreams } from '../../engine/store/notary.js';
import { type FilledStream, fillStream, growStream, hashNode, sha256Into, tamper } from './log-support.js';
import {
  BASE,
  NOTARY,
  NOTARY_ORIGIN,
  notaryKey,
  opened,
  openNotaryDatabase,
  startNotary,
} from './notary-support.js';

let database: Awaited<ReturnType<typeof openNotaryDatabase>>;
let sql: Sql;
beforeEach(async () => {
  database = await openNotaryDatabase();
  sql = database.connect();
});
afterEach(() => database.close());

const streams = (count: number, events = 3): Promise<FilledStream[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => fillStream(sql, events + i, { groups: 2 })));

/** All checkpoints of the notary as they are stored, smallest first. */
const storedNotes = async (): Promise<string[]> =>
  (await sql<{ note: string }[]>`select note from notary_checkpoints order by tree_size`).map(
    ({ note }) => note,
  );

/** What the notary vouches for, stream by stream, in the order of its log. */
const notarised = () =>
  sql<{ store: string; size: bigint }[]>`
    select store_id as store, tree_size as size from notary_entries order by leaf_index`;

/** Every pair of checkpoints lies on one history (L5). */
async function expectOneHistory(notes: readonly string[]) {
  const { logs } = startNotary(sql);
  const heads = notes.map((note) => opened(note, [notaryKey(0), notaryKey(1)]));
  for (const older of heads)
    for (const newer of heads) {
      if (older.size > newer.size) continue;
      const { hashes } = await logs.consistency(NOTARY, older.size, newer.size);
      expect(verifyConsistency(older.size, older.root, newer.size, newer.root, hashes, hashNode)).toBe(true);
    }
}

describe('the notary', () => {
  test('has nothing to sign before the first event', async () => {
    const { notary, turn } = startNotary(sql);
    expect(await turn()).toEqual({ appended: 0, checkpoint: undefined });
    expect(await notary.published.latest()).toBeUndefined();
    expect(await notary.published.witnessed()).toBeUndefined();
  });

  test('appends an entry for every stream that has grown, and none for the others', async () => {
    const [first, second, third] = (await streams(3)) as [FilledStream, FilledStream, FilledStream];
    const { turn } = startNotary(sql);
    expect((await turn()).appended).toBe(3);
    expect((await turn()).appended).toBe(0);
    await growStream(sql, second, 10);
    const { appended, checkpoint } = await turn();
    expect(appended).toBe(1);
    expect(checkpoint!.size).toBe(4);
    expect((await notarised()).at(-1)).toEqual({ store: second.log.storeId, size: BigInt(second.size) });
    expect(new Set((await notarised()).map(({ store }) => store))).toEqual(
      new Set([first, second, third].map(({ log }) => log.storeId)),
    );
    await expectOneHistory(await storedNotes());
  });

  test('leaves streams without events alone', async () => {
    await sql`insert into ves_sequence_counters (tenant_id, store_id) values (${randomUUID()}, ${randomUUID()})`;
    expect((await startNotary(sql).turn()).appended).toBe(0);
  });

  test('signs the same checkpoint once, and a new one when it has grown', async () => {
    const [stream] = await streams(1);
    const { turn } = startNotary(sql);
    const { checkpoint } = await turn();
    expect(opened(checkpoint!.note)).toMatchObject({
      origin: NOTARY_ORIGIN,
      size: 1,
      root: checkpoint!.root,
    });
    expect((await turn()).checkpoint).toEqual(checkpoint);
    await growStream(sql, stream!, 1);
    expect((await turn()).checkpoint!.size).toBe(2);
    expect(await storedNotes()).toHaveLength(2);
  });

  test('hides names and sizes: an entry holds the stream id and the hash of the checkpoint text', async () => {
    const [stream] = await streams(1);
    const { logs, turn } = startNotary(sql);
    await turn();
    const { tenantId, storeId } = stream!.log;
    const head = await logs.head(stream!.log);
    const sha256 = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest();
    const body = `${BASE}/${tenantId}/${storeId}\n${head.size}\n${encodeBase64(head.root)}\n`;
    const id = sha256(encodeUtf8('VES_STREAM_V1'), parseUuid(tenantId)!, parseUuid(storeId)!);
    const bundle = await logs.entries(NOTARY, 0, 1);
    expect(Buffer.from(bundle!).toString('utf8', 2)).toBe(
      `ves-notary/v1\n${encodeHex(id)}\n${encodeBase64(sha256(encodeUtf8(body)))}\n`,
    );
  });

  test('goes through many streams in bounded steps, each stream in its turn', async () => {
    await streams(7, 1);
    const { notary } = startNotary(sql);
    const steps = [await notary.notarise(3), await notary.notarise(3), await notary.notarise(3)];
    expect(steps.map(({ appended }) => appended)).toEqual([3, 3, 1]);
    expect(steps.map(({ done }) => done)).toEqual([false, false, true]);
    const order = (await notarised()).map(({ store }) => store);
    expect(new Set(order).size).toBe(7);
  });

  test('a search ends at its bound, found something or not', async () => {
    await streams(5, 1);
    const all = await findAdvancedStreams(sql, undefined, 100);
    expect(all.streams).toHaveLength(5);
    expect(all.next).toBeUndefined();
    const first = await findAdvancedStreams(sql, undefined, 2);
    expect(first).toEqual({ streams: all.streams.slice(0, 2), next: all.streams[1] });
    expect(await findAdvancedStreams(sql, first.next, 3)).toEqual({
      streams: all.streams.slice(2),
      next: all.streams[4],
    });
    expect(await findAdvancedStreams(sql, all.streams[4], 3)).toEqual({ streams: [], next: undefined });
    await startNotary(sql).turn();
    expect(await findAdvancedStreams(sql, undefined, 4)).toEqual({ streams: [], next: all.streams[3] });
    expect(await findAdvancedStreams(sql, all.streams[3], 4)).toEqual({ streams: [], next: undefined });
  });

  test('keeps up with streams that grow meanwhile', async () => {
    const filled = await streams(4);
    const { turn } = startNotary(sql);
    let writing = true;
    const writers = filled.map(async (stream, i) => {
      for (let round = 0; round < 8; round++) await growStream(sql, stream, 1 + ((round + i) % 3));
    });
    const finished = Promise.all(writers).finally(() => {
      writing = false;
    });
    while (writing) await turn();
    await finished;
    await turn();
    const last = new Map((await notarised()).map(({ store, size }) => [store, Number(size)]));
    expect([...last.entries()].sort()).toEqual(filled.map(({ log, size }) => [log.storeId, size]).sort());
    await expectOneHistory(await storedNotes());
  });

  test('of two processes that race, one history comes out', async () => {
    const filled = await streams(12, 1);
    const processes = [startNotary(database.connect()), startNotary(database.connect())];
    const growing = (async () => {
      for (let round = 0; round < 6; round++)
        for (const stream of filled) await growStream(sql, stream, 1, { groups: 1 });
    })();
    for (let round = 0; round < 25; round++)
      await Promise.all(
        processes.map(async ({ notary }) => {
          await notary.notarise(1 + (round % 4));
          await notary.issueCheckpoint();
        }),
      );
    await growing;
    await startNotary(sql).turn();

    const entries = await notarised();
    const [log] = await sql<{ size: bigint }[]>`select tree_size as size from notary_log`;
    expect(Number(log!.size)).toBe(entries.length);
    const seen = new Map<string, bigint>();
    for (const { store, size } of entries) {
      expect(size > (seen.get(store) ?? 0n)).toBe(true);
      seen.set(store, size);
    }
    expect([...seen.values()].map(Number)).toEqual(
      [...seen.keys()].map((store) => filled.find(({ log: { storeId } }) => storeId === store)!.size),
    );
    await expectOneHistory(await storedNotes());
  });

  test('after a crash between recording and signing, the next process signs what is recorded', async () => {
    await streams(2);
    await startNotary(sql).notary.notarise(10);
    expect(await storedNotes()).toEqual([]);
    const checkpoint = await startNotary(sql).notary.issueCheckpoint();
    const [recorded] = await sql<
      { root: Buffer }[]
    >`select root_hash as root from notary_roots where tree_size = 2`;
    expect(Buffer.from(checkpoint!.root)).toEqual(recorded!.root);
  });

  test('a new key signs the present size again, with the same root', async () => {
    await streams(1);
    const before = (await startNotary(sql).turn()).checkpoint!;
    const after = (await startNotary(sql, { keyVersion: 1 }).turn()).checkpoint!;
    expect(after).toMatchObject({ size: before.size, root: before.root, keyVersions: [0, 1] });
    expect(opened(after.note, [notaryKey(0)]).size).toBe(1);
    expect(opened(after.note, [notaryKey(1)]).size).toBe(1);
  });

  test('a new origin starts with a checkpoint of its own', async () => {
    await streams(1);
    await startNotary(sql).turn();
    const { checkpoint } = await startNotary(sql, { base: 'other.example' }).turn();
    expect(checkpoint).toMatchObject({ origin: 'other.example/notary', size: 1 });
  });

  test('stores its rows for good', async () => {
    await streams(1);
    await startNotary(sql).turn();
    for (const table of ['notary_entries', 'notary_roots', 'notary_checkpoints']) {
      await expect(sql.unsafe(`delete from ${table}`)).rejects.toThrow(/append-only/);
      await expect(sql.unsafe(`update ${table} set row_check = 0`)).rejects.toThrow(/append-only/);
      await expect(sql.unsafe(`truncate ${table}`)).rejects.toThrow(/append-only/);
    }
    await expect(sql`update notary_log set tree_size = 0`).rejects.toThrow(/only grows/);
    await expect(sql`delete from notary_log`).rejects.toThrow(/append-only/);
  });
});

describe('a damaged database', () => {
  test('a stream whose frontier does not lead to its recorded root is refused, the others are not', async () => {
    const [good, bad] = (await streams(2)) as [FilledStream, FilledStream];
    await sql`update ves_sequence_counters set frontier = set_byte(frontier, 3, 255 - get_byte(frontier, 3))
      where store_id = ${bad.log.storeId}`;
    const { notary } = startNotary(sql);
    const { appended, refused } = await notary.notarise(10);
    expect(appended).toBe(1);
    expect((await notarised()).map(({ store }) => store)).toEqual([good.log.storeId]);
    expect(refused).toEqual([
      {
        tenantId: bad.log.tenantId,
        storeId: bad.log.storeId,
        problem: `its frontier does not lead to the root recorded at its head ${bad.size}`,
      },
    ]);
  });

  test('a stream without a root at its head, or with another one, is refused', async () => {
    const [first, second] = (await streams(2)) as [FilledStream, FilledStream];
    await tamper(sql, async (tx) => {
      await tx`delete from ves_sequencer_receipts where store_id = ${first.log.storeId} and last_sequence = ${first.size}`;
      await tx`update ves_sequencer_receipts set root_hash = sha256('x') where store_id = ${second.log.storeId}`;
    });
    const { appended, refused } = await startNotary(sql).notary.notarise(10);
    expect(appended).toBe(0);
    expect(refused.map(({ problem }) => problem).sort()).toEqual([
      `its frontier does not lead to the root recorded at its head ${second.size}`,
      `no root is recorded at its head ${first.size}`,
    ]);
  });

  test('a stream that was rolled back is refused', async () => {
    const [stream] = (await streams(1)) as [FilledStream];
    const { notary, turn } = startNotary(sql);
    const [before] = await sql`select frontier from ves_sequence_counters`;
    const sizeBefore = stream.size;
    await growStream(sql, stream, 5);
    await turn();
    await sql`update ves_sequence_counters set current_sequence = ${sizeBefore}, frontier = ${before!.frontier}`;
    const { appended, refused } = await notary.notarise(10);
    expect(appended).toBe(0);
    expect(refused[0]!.problem).toContain(`its checkpoint of size ${stream.size} is in the notary log`);
  });

  test('so is one that has grown past its notarised size again with other events', async () => {
    const [stream] = (await streams(1)) as [FilledStream];
    const { notary, turn } = startNotary(sql);
    await growStream(sql, stream, 5);
    await turn();
    const notarised = stream.size;
    const problem = `its root at size ${notarised} is not the one in the notary log`;
    await growStream(sql, stream, 5);
    const roots = await sql`select root_hash from ves_sequencer_receipts where last_sequence = ${notarised}`;
    const setRoot = (root: Uint8Array) =>
      tamper(
        sql,
        (tx) => tx`update ves_sequencer_receipts set root_hash = ${root} where last_sequence = ${notarised}`,
      );
    await setRoot(new Uint8Array(32));
    const { appended, refused } = await notary.notarise(10);
    expect([appended, refused[0]!.problem]).toEqual([0, problem]);
    await setRoot(roots[0]!.root_hash);
    expect((await notary.notarise(10)).appended).toBe(1);
  });

  test('nothing is appended to a notary log whose edge is not the recorded one', async () => {
    const [stream] = (await streams(1)) as [FilledStream];
    const { notary, turn } = startNotary(sql);
    await turn();
    await tamper(sql, (tx) => tx`update notary_log set frontier = sha256('x')`);
    await growStream(sql, stream, 1);
    await expect(notary.notarise(10)).rejects.toThrow(/does not lead to the recorded root/);
    await expect(notary.issueCheckpoint()).rejects.toThrow();
    expect(await storedNotes()).toHaveLength(1);
  });

  test.each([
    ['origin', "origin = 'else.example'"],
    ['size', 'tree_size = tree_size + 1'],
    ['root', "root_hash = sha256('x')"],
    ['stream', "store_id = 'ffffffff-0000-0000-0000-000000000000'"],
    ['time', "notarised_at = notarised_at + interval '1 microsecond'"],
  ])('an entry with a changed %s is noticed', async (_, change) => {
    const filled = (await streams(3)) as FilledStream[];
    await startNotary(sql).turn();
    await tamper(sql, (tx) => tx.unsafe(`update notary_entries set ${change} where leaf_index = 0`));
    const [{ storeId } = { storeId: '' }] = await sql<{ storeId: string }[]>`
      select store_id as "storeId" from notary_entries where leaf_index = 0`;
    const { logs, notary } = startNotary(sql);
    await expect(logs.inclusion(NOTARY, 0, 3)).rejects.toThrow(/entry 0 was changed/);
    const stream = filled.find(({ log }) => log.storeId === storeId);
    if (stream) await expect(notary.proveStream(stream.log)).rejects.toThrow(/entry 0 was changed/);
    for (const each of filled) await growStream(sql, each, 5);
    await notary.notarise(10);
    await expect(notary.issueCheckpoint()).rejects.toThrow(/entry 0 was changed/);
    expect(await storedNotes()).toHaveLength(1);
  });

  test('a changed note, and a changed root behind it, are noticed', async () => {
    await streams(2);
    await startNotary(sql).turn();
    await tamper(sql, (tx) => tx`update notary_checkpoints set note = replace(note, 'A', 'B')`);
    await expect(startNotary(sql).notary.published.latest()).rejects.toThrow(/was changed/);
    await tamper(sql, (tx) => tx`update notary_roots set root_hash = sha256('x')`);
    await expect(startNotary(sql).notary.issueCheckpoint()).rejects.toThrow(
      /does not have the recorded root/,
    );
  });
});

describe('a stream checkpoint', () => {
  test('is proved by the notary log alone, offline', async () => {
    const filled = await streams(9);
    const { notary, turn } = startNotary(sql);
    await turn();
    for (const stream of filled) {
      const proof = await notary.proveStream(stream.log);
      expect(proof).toMatchObject({ size: stream.size, notarySize: 9, cosignedBy: [] });
      // From here on only what the proof holds, the origins and the notary's key.
      const file = parseTlogProof(proof.tlogProof);
      if ('problem' in file) throw new Error(file.problem);
      const { size, root } = opened(file.checkpoint);
      expect(file.extra).toEqual(proof.entry);
      expect(
        verifyInclusion(leafHash(file.extra!, sha256Into), file.index, size, file.hashes, root, hashNode),
      ).toBe(true);
      const { tenantId, storeId } = stream.log;
      expect(proof.body).toBe(
        formatCheckpoint({ origin: `${BASE}/${tenantId}/${storeId}`, size: proof.size, root: proof.root }),
      );
      const bodyHash = createHash('sha256').update(proof.body).digest('base64');
      expect(Buffer.from(file.extra!).toString().split('\n')[2]).toBe(bodyHash);
    }
  });

  test('is the first that covers a size, or the latest', async () => {
    const [stream] = (await streams(1, 4)) as [FilledStream];
    const { notary, turn } = startNotary(sql);
    for (let round = 0; round < 3; round++) {
      await turn();
      await growStream(sql, stream, 10);
    }
    const sizeOf = async (size?: number) => (await notary.proveStream(stream.log, size)).size;
    expect(await Promise.all([undefined, 1, 4, 5, 14, 15, 24].map(sizeOf))).toEqual([
      24, 4, 4, 14, 14, 24, 24,
    ]);
    await expect(notary.proveStream(stream.log, 25)).rejects.toMatchObject({ code: 'RESOURCE_NOT_FOUND' });
  });

  test('is not proved before it is notarised and the notary has signed', async () => {
    const [stream] = (await streams(1)) as [FilledStream];
    const { notary } = startNotary(sql);
    const missing = { code: 'RESOURCE_NOT_FOUND' };
    await expect(notary.proveStream(stream.log)).rejects.toMatchObject(missing);
    await notary.notarise(10);
    await expect(notary.proveStream(stream.log)).rejects.toMatchObject(missing);
    await notary.issueCheckpoint();
    expect((await notary.proveStream(stream.log)).size).toBe(stream.size);
    const { log } = await fillStream(sql, 1);
    await expect(notary.proveStream(log)).rejects.toMatchObject(missing);
  });
});

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  emptyRoot,
  leafHash,
  TILE_WIDTH,
  tileWidth,
  verifyConsistency,
  verifyInclusion,
} from '../../engine/log/index.js';
import { connectDatabase, type Sql } from '../../engine/store/connection.js';
import { rowCheck } from '../../engine/store/row-check.js';
import { createLogService, type LogService } from '../../engine/transparency/index.js';
import { naiveConsistency, naiveInclusion, type RangeRoot, rangeRoots } from '../log/naive-proofs.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import {
  dropTiles,
  type FilledStream,
  fillStream,
  growStream,
  hashNode,
  sha256Into,
  tamper,
} from './log-support.js';

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await createTestDatabase({ migrated: true });
  sql = connectDatabase(database.target, { max: 6, applicationName: 'log-service-test' });
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database.drop();
});

/** A service that has nothing in memory yet. */
const open = (connection = sql): LogService => createLogService({ sql: connection, sha256: sha256Into });
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const hexes = (hashes: readonly Uint8Array[]) => hashes.map(hex);

const integrateAll = async (stream: FilledStream, logs = open()) => {
  let written = 0;
  for (let done = false; !done; ) {
    const step = await logs.integrate(stream.log, 64);
    written += step.written;
    done = step.done;
  }
  return written;
};
const storedTiles = async ({ log }: FilledStream) => {
  const rows = await sql<{ place: string }[]>`select level || '/' || tile_index as place from ves_log_tiles
    where tenant_id = ${log.tenantId} and store_id = ${log.storeId} order by level, tile_index`;
  return rows.map(({ place }) => place);
};
const placesUpTo = (...counts: number[]) =>
  counts.flatMap((count, level) => Array.from({ length: count }, (_, index) => `${level}/${index}`));

async function expectInclusion(
  logs: LogService,
  stream: FilledStream,
  mth: RangeRoot,
  index: number,
  size: number,
) {
  const proof = await logs.inclusion(stream.log, index, size);
  const expected = naiveInclusion(index, 0, size, mth);
  if (hexes(proof.hashes).join() !== hexes(expected).join()) expect.fail(`leaf ${index} of ${size}`);
  expect(hex(proof.entry)).toBe(hex(stream.entry(index)));
  expect(hex(proof.leafHash)).toBe(hex(leafHash(proof.entry, sha256Into)));
  expect(hex(proof.root)).toBe(hex(mth(0, size)));
  expect(verifyInclusion(proof.leafHash, index, size, proof.hashes, proof.root, hashNode)).toBe(true);
}

async function expectConsistency(
  logs: LogService,
  stream: FilledStream,
  mth: RangeRoot,
  from: number,
  to: number,
) {
  const { hashes } = await logs.consistency(stream.log, from, to);
  const expected = naiveConsistency(from, to, mth);
  if (hexes(hashes).join() !== hexes(expected).join()) expect.fail(`from ${from} to ${to}`);
  expect(verifyConsistency(from, mth(0, from), to, mth(0, to), hashes, hashNode)).toBe(true);
}

/** A sample of all that can be asked of a stream. */
async function expectProofs(
  logs: LogService,
  stream: FilledStream,
  mth: RangeRoot,
  sizes: readonly number[],
) {
  for (const size of sizes) {
    const leaves = [0, 1, size >> 1, size - 2, size - 1, (size * 7919) % size];
    for (const index of new Set(leaves.filter((i) => i >= 0 && i < size)))
      await expectInclusion(logs, stream, mth, index, size);
    for (const from of [0, 1, size >> 1, size - 1, size, ...sizes])
      if (from >= 0 && from <= size) await expectConsistency(logs, stream, mth, from, size);
    expect(hex(await logs.recordRoot(stream.log, size))).toBe(hex(mth(0, size)));
  }
}

describe('proofs from a stored log', () => {
  // Groups end at, before, after and nowhere near tile boundaries.
  const groups = [1, 254, 1, 1, 200, 55, 3, 700];
  const sizes = [1, 2, 3, 100, 255, 256, 257, 300, 511, 512, 513, 1000, 1024, 1300];
  let stream: FilledStream;
  let mth: RangeRoot;

  beforeAll(async () => {
    stream = await fillStream(sql, 1300, { groups });
    mth = rangeRoots(stream.leaves());
  });

  test('are right without any tiles', async () => {
    await expectProofs(open(), stream, mth, sizes);
    expect(await storedTiles(stream)).toEqual([]);
  });

  test('are right with some of the tiles', async () => {
    await integrateAll(stream);
    await dropTiles(
      sql,
      stream.log,
      [1, 2, 4].map((index) => ({ level: 0, index })),
    );
    expect(await storedTiles(stream)).toEqual(['0/0', '0/3']);
    await expectProofs(open(), stream, mth, sizes);
  });

  test('are right with all tiles, read afresh and kept in memory', async () => {
    await integrateAll(stream);
    expect(await storedTiles(stream)).toEqual(placesUpTo(5));
    const logs = open();
    await expectProofs(logs, stream, mth, sizes);
    await expectProofs(logs, stream, mth, sizes);
  });

  test.each([1, 2, 255, 256, 257, 511, 512, 513])('are right for a stream of %i events', async (events) => {
    const small = await fillStream(sql, events, { groups: [17, 239] });
    const its = rangeRoots(small.leaves());
    for (let pass = 0; pass < 2; pass++) {
      await expectProofs(
        open(),
        small,
        its,
        [...new Set([1, 17, events - 1, events])].filter((n) => n > 0 && n <= events),
      );
      await integrateAll(small);
    }
    expect(await storedTiles(small)).toEqual(placesUpTo(Math.floor(events / TILE_WIDTH)));
  });

  test('stay right while the stream grows', async () => {
    const growing = await fillStream(sql, 250);
    const logs = open();
    for (const events of [5, 1, 1, 300, 700, 23]) {
      await growStream(sql, growing, events);
      await logs.integrate(growing.log, 2);
      await expectProofs(
        logs,
        growing,
        rangeRoots(growing.leaves()),
        [250, 256, growing.size].filter((n) => n <= growing.size),
      );
    }
  });
});

describe('a log with tiles on three levels', () => {
  const events = 65_537 + 3000;
  const sizes = [65_535, 65_536, 65_537, events - 1, events];
  let stream: FilledStream;
  let mth: RangeRoot;

  beforeAll(async () => {
    stream = await fillStream(sql, events, { groups: [997, 3000, 1] });
    mth = rangeRoots(stream.leaves());
  });

  const expectSome = async (logs: LogService) => {
    for (const size of sizes) {
      for (const index of [0, 40_000, size - 1]) await expectInclusion(logs, stream, mth, index, size);
      for (const from of [1, 256, 40_000, 65_535, 65_536])
        if (from < size) await expectConsistency(logs, stream, mth, from, size);
      expect(hex(await logs.recordRoot(stream.log, size))).toBe(hex(mth(0, size)));
    }
  };

  test('gives way to other work while it hashes everything', async () => {
    let turns = 0;
    let hashing = true;
    const others = (async () => {
      for (; hashing; turns++) await new Promise((resolve) => setImmediate(resolve));
    })();
    await expectInclusion(open(), stream, mth, 12_345, events);
    hashing = false;
    await others;
    expect(turns).toBeGreaterThan(20);
  });

  test('is proved with half-written levels', async () => {
    const logs = open();
    await logs.integrate(stream.log, 200);
    expect(await storedTiles(stream)).toEqual(placesUpTo(200));
    await expectInclusion(open(), stream, mth, 3, events);
    await expectConsistency(open(), stream, mth, 65_000, events);
    await logs.integrate(stream.log, 67);
    expect(await storedTiles(stream)).toEqual(placesUpTo(267));
    await expectSome(open());
    expect(await logs.streamsToIntegrate(100)).toContainEqual(stream.log);
    expect(await logs.integrate(stream.log, 1)).toEqual({ written: 1, done: true });
    expect(await storedTiles(stream)).toEqual(placesUpTo(267, 1));
    await expectSome(open());
  });

  test('is proved, and repaired, with holes on every level', async () => {
    await dropTiles(sql, stream.log, [
      { level: 0, index: 0 },
      { level: 0, index: 100 },
      { level: 0, index: 266 },
      { level: 1, index: 0 },
    ]);
    await expectSome(open());
    expect(await integrateAll(stream)).toBe(4);
    expect(await storedTiles(stream)).toEqual(placesUpTo(267, 1));
    await expectSome(open());
  });

  test('serves every tile, whole and in part, stored or not', async () => {
    const expected = (level: number, index: number, width: number) => {
      const leaves = TILE_WIDTH ** level;
      const nodes = Array.from({ length: width }, (_, i) => {
        const start = (index * TILE_WIDTH + i) * leaves;
        return mth(start, start + leaves);
      });
      return hex(Buffer.concat(nodes));
    };
    const places = [
      [0, 0],
      [0, 255],
      [0, 266],
      [0, 267],
      [1, 0],
      [1, 1],
      [2, 0],
    ] as const;
    for (const drop of [false, true]) {
      if (drop)
        await dropTiles(sql, stream.log, [
          { level: 0, index: 0 },
          { level: 1, index: 0 },
        ]);
      const logs = open();
      for (const [level, index] of places) {
        const most = tileWidth(level, index, events);
        for (const width of new Set([1, most >> 1, most].filter((w) => w > 0)))
          expect(hex((await logs.tile(stream.log, level, index, width))!)).toBe(
            expected(level, index, width),
          );
        if (most < TILE_WIDTH) expect(await logs.tile(stream.log, level, index, most + 1)).toBeUndefined();
      }
    }
    await integrateAll(stream);
  });

  test('does not let go of its own copies', async () => {
    const logs = open();
    const before = await logs.tile(stream.log, 0, 3, 256);
    (await logs.tile(stream.log, 0, 3, 256))!.fill(0);
    for (const hash of (await logs.inclusion(stream.log, 800, events)).hashes) hash.fill(0);
    expect(await logs.tile(stream.log, 0, 3, 256)).toEqual(before);
    await expectInclusion(logs, stream, mth, 800, events);
  });

  test('has no tile beyond its size, and none for senseless numbers', async () => {
    const logs = open();
    for (const [level, index, width] of [
      [0, 268, 1],
      [0, 267, 186],
      [1, 1, 12],
      [2, 0, 2],
      [2, 1, 1],
      [3, 0, 1],
      [7, 0, 1],
      [63, 0, 1],
      [-1, 0, 1],
      [0, -1, 1],
      [0, 0, 0],
      [0, 0, 257],
      [0.5, 0, 1],
      [0, 2 ** 53, 1],
      [0, 0, Number.NaN],
    ] as const)
      expect(await logs.tile(stream.log, level, index, width), `${level} ${index} ${width}`).toBeUndefined();
    for (const [index, width] of [
      [268, 1],
      [267, 186],
      [-1, 1],
      [0, 0],
      [0, 257],
      [2 ** 53, 1],
      [0.5, 1],
    ] as const)
      expect(await logs.entries(stream.log, index, width)).toBeUndefined();
  });

  test('serves entry bundles', async () => {
    const logs = open();
    for (const [index, width] of [
      [0, 256],
      [5, 1],
      [267, 185],
    ] as const) {
      const bundle = Buffer.from((await logs.entries(stream.log, index, width))!);
      expect(bundle.length).toBe(width * 149);
      for (let i = 0; i < width; i++) {
        expect(bundle.readUInt16BE(i * 149)).toBe(147);
        expect(bundle.toString('hex', i * 149 + 2, (i + 1) * 149)).toBe(hex(stream.entry(index * 256 + i)));
      }
    }
  });
});

describe('questions about sizes', () => {
  const noStream = { kind: 'stream', tenantId: randomUUID(), storeId: randomUUID() } as const;
  let stream: FilledStream;
  beforeAll(async () => {
    stream = await fillStream(sql, 10, { groups: 4 });
  });

  test('an unknown stream is an empty log', async () => {
    const logs = open();
    expect(await logs.head(noStream)).toEqual({ size: 0, root: emptyRoot() });
    expect(await logs.consistency(noStream, 0, 0)).toEqual({ hashes: [] });
    expect(await logs.recordRoot(noStream, 0)).toEqual(emptyRoot());
    expect(await logs.tile(noStream, 0, 0, 1)).toBeUndefined();
    expect(await logs.entries(noStream, 0, 1)).toBeUndefined();
    expect(await logs.integrate(noStream, 10)).toEqual({ written: 0, done: true });
  });

  test('the head is the size and root of everything', async () => {
    const { size, root } = await open().head(stream.log);
    expect(size).toBe(10);
    expect(hex(root)).toBe(hex(rangeRoots(stream.leaves())(0, 10)));
  });

  test('ids may be written in any form', async () => {
    const shouting = {
      ...stream.log,
      tenantId: stream.log.tenantId.toUpperCase(),
      storeId: `{${stream.log.storeId}}`,
    };
    expect(await open().head(shouting)).toEqual(await open().head(stream.log));
    await expect(open().head({ ...stream.log, storeId: 'x' })).rejects.toMatchObject({
      code: 'INVALID_FIELD_VALUE',
    });
  });

  test('are refused with the name of the field when they do not fit', async () => {
    const logs = open();
    const refused = async (answer: Promise<unknown>, message: RegExp) =>
      expect(answer).rejects.toMatchObject({
        code: 'INVALID_FIELD_VALUE',
        message: expect.stringMatching(message),
      });
    await refused(logs.inclusion(stream.log, 10, 10), /^leaf_index must be below the size 10/);
    await refused(logs.inclusion(stream.log, 0, 0), /^leaf_index/);
    await refused(logs.inclusion(stream.log, 3, 11), /^size must not be above the log's present size 10/);
    await refused(logs.inclusion(noStream, 0, 1), /^size must not be above the log's present size 0/);
    await refused(logs.inclusion(stream.log, -1, 5), /^leaf_index must be a whole number/);
    await refused(logs.inclusion(stream.log, 1, 5.5), /^size must be a whole number/);
    await refused(logs.inclusion(stream.log, 1, 2 ** 53), /^size must be a whole number/);
    await refused(logs.consistency(stream.log, 6, 5), /^from must not be above to/);
    await refused(logs.consistency(stream.log, 0, 11), /^to must not be above the log's present size 10/);
    await refused(logs.consistency(stream.log, 11, 11), /^to must not be above/);
    await refused(logs.consistency(stream.log, Number.NaN, 5), /^from must be a whole number/);
    await refused(logs.recordRoot(stream.log, 11), /^size must not be above/);
    await refused(logs.recordRoot(stream.log, -1), /^size must be a whole number/);
  });
});

describe('roots that may be signed (L5)', () => {
  const rowsOf = ({ log }: FilledStream) => sql<
    { size: bigint; root: Buffer; micros: bigint; check: number }[]
  >`
    select tree_size as size, root_hash as root, (extract(epoch from recorded_at) * 1000000)::bigint as micros,
      row_check as check
    from ves_log_roots where tenant_id = ${log.tenantId} and store_id = ${log.storeId} order by tree_size`;

  test('are recorded inside groups only, with their check value', async () => {
    const stream = await fillStream(sql, 300, { groups: 100 });
    const mth = rangeRoots(stream.leaves());
    for (const size of [0, 100, 150, 300, 299, 150])
      expect(hex(await open().recordRoot(stream.log, size))).toBe(hex(mth(0, size)));
    const rows = await rowsOf(stream);
    expect(rows.map(({ size }) => size)).toEqual([150n, 299n]);
    for (const { size, root, micros, check } of rows) {
      expect(hex(root)).toBe(hex(mth(0, Number(size))));
      expect(check).toBe(rowCheck([stream.log.tenantId, stream.log.storeId, size, root, micros]));
    }
  });

  test('are the same for all who come at once', async () => {
    const stream = await fillStream(sql, 500, { groups: 500 });
    const roots = await Promise.all(Array.from({ length: 8 }, () => open().recordRoot(stream.log, 333)));
    expect(new Set(hexes(roots)).size).toBe(1);
    expect((await rowsOf(stream)).length).toBe(1);
  });

  test('are waited for while another process is about to record one', async () => {
    const stream = await fillStream(sql, 20, { groups: 20 });
    const { tenantId, storeId } = stream.log;
    const other = await sql.reserve();
    await other`begin`;
    await other`insert into ves_log_roots values (${tenantId}, ${storeId}, 7, ${Buffer.alloc(32, 1)}, now(), 0)`;
    const answer = open().recordRoot(stream.log, 7);
    const early = Promise.race([
      answer.catch(() => 'failed'),
      new Promise((resolve) => setTimeout(resolve, 100, 'waits')),
    ]);
    expect(await early).toBe('waits');
    await other`commit`;
    other.release();
    await expect(answer).rejects.toMatchObject({
      code: 'INTERNAL_ERROR',
      message: `The log ${tenantId}/${storeId}: another root than the derived one is recorded at size 7`,
    });
  });

  test('are not recorded when they do not lead to what the groups recorded', async () => {
    const stream = await fillStream(sql, 300, { groups: 100 });
    const { tenantId, storeId } = stream.log;
    const spoil = (last: number) =>
      tamper(
        sql,
        (tx) => tx`update ves_sequencer_receipts set root_hash = ${Buffer.alloc(32, 7)}
        where tenant_id = ${tenantId} and store_id = ${storeId} and last_sequence = ${last}`,
      );
    await spoil(200);
    await expect(open().recordRoot(stream.log, 150)).rejects.toMatchObject({
      code: 'INTERNAL_ERROR',
      message: `The log ${tenantId}/${storeId}: the root derived at size 150 does not lead to the one recorded at size 200`,
    });
    await expect(open().recordRoot(stream.log, 250)).rejects.toMatchObject({
      message: `The log ${tenantId}/${storeId}: the root derived at size 200 does not lead to the one recorded at size 250`,
    });
    await spoil(300);
    await expect(open().recordRoot(stream.log, 50)).rejects.toMatchObject({
      message: `The log ${tenantId}/${storeId}: the frontier at size 300 does not have the recorded root`,
    });
    expect((await rowsOf(stream)).length).toBe(0);
  });
});

describe('what was changed in the database', () => {
  const flip = (tx: Sql, table: string, column: string, where: string) =>
    tx.unsafe(
      `update ${table} set ${column} = set_byte(${column}, 5, get_byte(${column}, 5) # 1) where ${where}`,
    );
  const broken = { code: 'INTERNAL_ERROR', message: expect.stringContaining('The log ') };
  const make = async () => {
    const stream = await fillStream(sql, 600, { groups: 90 });
    await integrateAll(stream);
    const { tenantId, storeId } = stream.log;
    return { stream, own: `tenant_id = '${tenantId}' and store_id = '${storeId}'` };
  };

  test('a hash in a tile is noticed and named', async () => {
    const { stream, own } = await make();
    await tamper(sql, (tx) => flip(tx, 'ves_log_tiles', 'hashes', `${own} and tile_index = 1`));
    const named = {
      code: 'INTERNAL_ERROR',
      message: `The log ${stream.log.tenantId}/${stream.log.storeId}: the stored tile/0/001 does not have its root`,
    };
    await expect(open().inclusion(stream.log, 300, 600)).rejects.toMatchObject(named);
    await expect(open().consistency(stream.log, 300, 600)).rejects.toMatchObject(named);
    await expect(open().tile(stream.log, 0, 1, 256)).rejects.toMatchObject(named);
    await expect(open().tile(stream.log, 0, 0, 256)).resolves.toHaveLength(8192);
  });

  test('a tile that was replaced as a whole is noticed, and forgotten when it is put right', async () => {
    const { stream, own } = await make();
    const other = await fillStream(sql, 600);
    await integrateAll(other);
    const logs = open();
    await tamper(sql, (tx) => tx.unsafe(`delete from ves_log_tiles where ${own} and tile_index = 1`));
    await tamper(sql, (tx) =>
      tx.unsafe(`insert into ves_log_tiles select '${stream.log.tenantId}', '${stream.log.storeId}', level, tile_index, root_hash, hashes
        from ves_log_tiles where tenant_id = '${other.log.tenantId}' and tile_index = 1`),
    );
    await expect(logs.inclusion(stream.log, 300, 600)).rejects.toMatchObject(broken);
    await expect(logs.inclusion(stream.log, 100, 300)).rejects.toMatchObject(broken);
    await expect(logs.consistency(stream.log, 300, 590)).rejects.toMatchObject(broken);
    await dropTiles(sql, stream.log);
    await expectInclusion(logs, stream, rangeRoots(stream.leaves()), 300, 600);
  });

  test('a recorded root is noticed', async () => {
    const { stream, own } = await make();
    await tamper(sql, (tx) =>
      flip(tx, 'ves_sequencer_receipts', 'root_hash', `${own} and last_sequence = 270`),
    );
    await expect(open().inclusion(stream.log, 5, 270)).rejects.toMatchObject(broken);
    await expect(open().inclusion(stream.log, 5, 250)).rejects.toMatchObject(broken);
    await expect(open().consistency(stream.log, 270, 600)).rejects.toMatchObject(broken);
    await expect(open().inclusion(stream.log, 5, 600)).resolves.toBeDefined();
  });

  test('the frontier is noticed', async () => {
    const { stream, own } = await make();
    await tamper(sql, (tx) => flip(tx, 'ves_sequence_counters', 'frontier', own));
    await expect(open().head(stream.log)).rejects.toMatchObject(broken);
    await expect(open().inclusion(stream.log, 5, 600)).rejects.toMatchObject(broken);
    await tamper(sql, (tx) => tx.unsafe(`update ves_sequence_counters set frontier = '' where ${own}`));
    await expect(open().head(stream.log)).rejects.toMatchObject({
      message: expect.stringContaining('the frontier does not fit size 600'),
    });
  });

  test('an event is noticed, and gets into no tile', async () => {
    const { stream, own } = await make();
    await tamper(sql, (tx) => flip(tx, 'ves_events', 'hashes', `${own} and sequence_number = 301`));
    await expect(open().inclusion(stream.log, 300, 600)).rejects.toMatchObject(broken);
    await expect(open().inclusion(stream.log, 301, 600)).resolves.toBeDefined(); // by the tile, which is right
    await dropTiles(sql, stream.log);
    await expect(open().inclusion(stream.log, 301, 600)).rejects.toMatchObject(broken);
    await expect(open().consistency(stream.log, 310, 350)).rejects.toMatchObject(broken);
    await expect(open().recordRoot(stream.log, 310)).rejects.toMatchObject(broken);
    await expect(open().integrate(stream.log, 10)).rejects.toMatchObject(broken);
    expect(await storedTiles(stream)).toEqual([]);
  });

  test('a missing event is a gap', async () => {
    const { stream, own } = await make();
    await tamper(sql, (tx) => tx.unsafe(`delete from ves_events where ${own} and sequence_number = 300`));
    const gap = { code: 'SEQUENCE_GAP' };
    await expect(open().inclusion(stream.log, 299, 600)).rejects.toMatchObject(gap);
    await expect(open().entries(stream.log, 1, 256)).rejects.toMatchObject(gap);
    await dropTiles(sql, stream.log);
    await expect(open().inclusion(stream.log, 3, 600)).rejects.toMatchObject(gap);
    await expect(open().tile(stream.log, 0, 1, 256)).rejects.toMatchObject(gap);
    await expect(open().integrate(stream.log, 10)).rejects.toMatchObject(gap);
  });

  test('a missing group is noticed', async () => {
    const { stream, own } = await make();
    await tamper(sql, (tx) =>
      tx.unsafe(`delete from ves_sequencer_receipts where ${own} and last_sequence = 600`),
    );
    await expect(open().head(stream.log)).rejects.toMatchObject({
      message: expect.stringContaining('no root is recorded at its size 600'),
    });
  });
});

describe('integration', () => {
  test('goes on where it stopped, in steps that are not larger than allowed', async () => {
    const stream = await fillStream(sql, 256 * 20 + 7, { groups: 1000 });
    for (let stored = 0; stored < 20; stored += 3) {
      // A new service each time: the one before may have died.
      const { written, done } = await open().integrate(stream.log, 3);
      expect([written, done]).toEqual(stored < 18 ? [3, false] : [2, true]);
      expect(await storedTiles(stream)).toEqual(placesUpTo(Math.min(stored + 3, 20)));
    }
    expect(await open().integrate(stream.log, 3)).toEqual({ written: 0, done: true });
    expect(await open().integrate(stream.log, 0)).toEqual({ written: 0, done: true });
  });

  test('may be done by several at once', async () => {
    const stream = await fillStream(sql, 256 * 70, { groups: 1000 });
    const mth = rangeRoots(stream.leaves());
    const written = await Promise.all([integrateAll(stream), integrateAll(stream), integrateAll(stream)]);
    expect(written.reduce((sum, each) => sum + each)).toBe(70);
    expect(await storedTiles(stream)).toEqual(placesUpTo(70));
    await expectInclusion(open(), stream, mth, 12_345, stream.size);
  });

  test('loses nothing when its connections are cut', async () => {
    const stream = await fillStream(sql, 256 * 60, { groups: 1000 });
    const mth = rangeRoots(stream.leaves());
    const doomed = connectDatabase(database.target, { max: 1, applicationName: 'doomed-integration' });
    for (let attempt = 0; attempt < 4; attempt++) {
      const attemptEnds = integrateAll(stream, open(doomed)).catch(() => 'failed');
      await new Promise((resolve) => setTimeout(resolve, 10 + 10 * attempt));
      await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'doomed-integration'`;
      await attemptEnds;
      await expectInclusion(open(), stream, mth, 7, stream.size);
      await expectConsistency(open(), stream, mth, 4000, stream.size);
    }
    await doomed.end({ timeout: 1 });
    await integrateAll(stream);
    expect(await storedTiles(stream)).toEqual(placesUpTo(60));
    await expectInclusion(open(), stream, mth, 7, stream.size);
  });

  test('is wanted by the streams that have full tiles which are not stored', async () => {
    const wanted = async (limit = 1000) =>
      (await open().streamsToIntegrate(limit)).map((log) => JSON.stringify(log));
    const [few, some, more] = [
      await fillStream(sql, 255),
      await fillStream(sql, 256),
      await fillStream(sql, 600),
    ];
    const [a, b, c] = [few, some, more].map(({ log }) => JSON.stringify(log));
    expect(await wanted()).toEqual(expect.arrayContaining([b, c]));
    expect(await wanted()).not.toContain(a);
    expect(await wanted(1)).toHaveLength(1);
    await integrateAll(some);
    await open().integrate(more.log, 1);
    expect(await wanted()).not.toContain(b);
    expect(await wanted()).toContain(c);
    await integrateAll(more);
    expect(await wanted()).not.toContain(c);
    await growStream(sql, few, 1);
    expect(await wanted()).toContain(a);
  });
});

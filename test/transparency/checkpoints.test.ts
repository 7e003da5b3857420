import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { emptyRoot, NOTE_ED25519, verifierKey, verifyConsistency } from '../../engine/log/index.js';
import type { Sql } from '../../engine/store/connection.js';
import { createCheckpoints, originOf } from '../../engine/transparency/checkpoints.js';
import type { LogId } from '../../engine/transparency/log-id.js';
import { createLogService } from '../../engine/transparency/log-service.js';
import { type FilledStream, fillStream, growStream, hashNode, sha256Into, tamper } from './log-support.js';
import { BASE, NOTARY, opened, openNotaryDatabase, signerOf, startNotary } from './notary-support.js';

let database: Awaited<ReturnType<typeof openNotaryDatabase>>;
let sql: Sql;
let stream: FilledStream;
beforeEach(async () => {
  database = await openNotaryDatabase();
  sql = database.connect();
  stream = await fillStream(sql, 50, { groups: 7 });
});
afterEach(() => database.close());

const start = (pool = sql, keyVersion = 0) => {
  const logs = createLogService({ sql: pool, sha256: sha256Into });
  return { logs, checkpoints: createCheckpoints({ logs, origin: BASE, signer: signerOf(keyVersion) }) };
};
const keyOf = (log: LogId, keyVersion = 0) =>
  verifierKey(originOf(BASE, log), NOTE_ED25519, signerOf(keyVersion).publicKey);
const recorded = () =>
  sql<{ size: bigint }[]>`select tree_size as size from ves_log_roots order by tree_size`;

test('is a note that the key with the name of the origin has signed', async () => {
  const { logs, checkpoints } = start();
  const { tenantId, storeId } = stream.log;
  const { size, root, note } = await checkpoints.stream(stream.log);
  expect({ size, root }).toEqual(await logs.head(stream.log));
  expect(opened(note, [keyOf(stream.log)])).toMatchObject({
    origin: `${BASE}/${tenantId}/${storeId}`,
    ...{ size: 50, root, extensions: [] },
  });
});

test('at any size continues the ones before, up to the head', async () => {
  const { logs, checkpoints } = start();
  const sizes = [0, 1, 6, 7, 8, 13, 32, 49, 50];
  const heads = await Promise.all(sizes.map((size) => checkpoints.stream(stream.log, size)));
  for (const older of heads)
    for (const newer of heads.filter(({ size }) => size >= older.size)) {
      const { hashes } = await logs.consistency(stream.log, older.size, newer.size);
      expect(verifyConsistency(older.size, older.root, newer.size, newer.root, hashes, hashNode)).toBe(true);
    }
});

test('commits its root before it is signed, where no group has', async () => {
  const { checkpoints } = start();
  await checkpoints.stream(stream.log, 7);
  await checkpoints.stream(stream.log, 50);
  expect(await recorded()).toEqual([]);
  await checkpoints.stream(stream.log, 9);
  expect(await recorded()).toEqual([{ size: 9n }]);
});

test('signs the recorded root or nothing', async () => {
  await tamper(
    sql,
    (tx) => tx`insert into ves_log_roots (tenant_id, store_id, tree_size, root_hash, recorded_at, row_check)
      values (${stream.log.tenantId}, ${stream.log.storeId}, 9, sha256('another history'), now(), 0)`,
  );
  await expect(start().checkpoints.stream(stream.log, 9)).rejects.toMatchObject({ code: 'INTERNAL_ERROR' });
});

test('of processes that race for one size, all give out the same note', async () => {
  const processes = Array.from({ length: 4 }, () => start(database.connect(2)));
  const notes = await Promise.all(
    processes.flatMap(({ checkpoints }) => [11, 12, 11].map((size) => checkpoints.stream(stream.log, size))),
  );
  expect(new Set(notes.map(({ note }) => note)).size).toBe(2);
  expect(await recorded()).toEqual([{ size: 11n }, { size: 12n }]);
});

test('is refused above the head, and for sizes that are none', async () => {
  const { checkpoints } = start();
  for (const size of [51, -1, 1.5, Number.NaN, 2 ** 53])
    await expect(checkpoints.stream(stream.log, size)).rejects.toMatchObject({ code: 'INVALID_FIELD_VALUE' });
  await expect(checkpoints.stream({ ...stream.log, storeId: 'x' })).rejects.toMatchObject({
    code: 'INVALID_FIELD_VALUE',
  });
});

test('follows the head as the stream grows', async () => {
  const { checkpoints } = start();
  const before = await checkpoints.stream(stream.log);
  await growStream(sql, stream, 3);
  const after = await checkpoints.stream(stream.log);
  expect([before.size, after.size]).toEqual([50, 53]);
  expect(await checkpoints.stream(stream.log, 50)).toEqual(before);
});

test('of a log without events is that of the empty tree, and leaves no trace', async () => {
  const log = { kind: 'stream', tenantId: randomUUID(), storeId: randomUUID() } as const;
  const { size, root } = await start().checkpoints.stream(log);
  expect({ size, root }).toEqual({ size: 0, root: emptyRoot() });
  expect(await recorded()).toEqual([]);
});

test('has one origin however the ids are written', async () => {
  const { tenantId, storeId } = stream.log;
  const log = {
    kind: 'stream',
    tenantId: tenantId.toUpperCase(),
    storeId: storeId.replaceAll('-', ''),
  } as const;
  const { checkpoints } = start();
  expect(await checkpoints.stream(log)).toEqual(await checkpoints.stream(stream.log));
});

test('is made for the notary log too', async () => {
  await startNotary(sql).turn();
  const { note } = await start().checkpoints.stream(NOTARY);
  expect(opened(note, [keyOf(NOTARY)])).toMatchObject({ origin: `${BASE}/notary`, size: 1 });
});

test('differs between versions of the key in the signature only', async () => {
  const [old, present] = await Promise.all(
    [0, 1].map((version) => start(sql, version).checkpoints.stream(stream.log)),
  );
  expect(opened(present!.note, [keyOf(stream.log, 1)]).text).toBe(
    opened(old!.note, [keyOf(stream.log, 0)]).text,
  );
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  appendLegacy,
  appendVes,
  freshStream,
  hex,
  legacyRootOf,
  stateRootAt,
  vesRootOf,
} from '../commitments/support.js';
import { OTHER_STORE, OTHER_TENANT, STORE, startTestGateway, TENANT, type TestGateway } from './support.js';

let g: TestGateway;
beforeAll(async () => {
  g = await startTestGateway();
});
afterAll(() => g.close());

const UNKNOWN = '00000000-0000-4000-8000-000000000000';
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?Z$/;
const HASH = /^[0-9a-f]{64}$/;
const UUID = /^[0-9a-f-]{36}$/;

type Stream = ReturnType<typeof freshStream>;
const query = (stream: Stream, rest = '') =>
  `?tenant_id=${stream.tenantId}&store_id=${stream.storeId}${rest}`;
const bodyOf = (stream: Stream, start: unknown, end: unknown) => ({
  tenant_id: stream.tenantId,
  store_id: stream.storeId,
  sequence_start: start,
  sequence_end: end,
});
const said = (reply: { status: number; body: { code: string; message: string } }) => [
  reply.status,
  reply.body.code,
  reply.body.message,
];

describe.each([
  { kind: 'ves/', root: 'merkle_root', append: appendVes, rootOf: vesRootOf, label: 'VES ' },
  { kind: '', root: 'events_root', append: appendLegacy, rootOf: legacyRootOf, label: '' },
])('/api/v1/$kind', ({ kind, root, append, rootOf, label }) => {
  const commit = (stream: Stream, start: unknown, end: unknown, key?: string) =>
    g.call('POST', `/api/v1/${kind}commitments`, {
      body: bodyOf(stream, start, end),
      ...(key ? { key } : {}),
    });
  const list = (stream: Stream, rest = '') =>
    g.call('GET', `/api/v1/${kind}commitments${query(stream, rest)}`);
  const prove = (stream: Stream, sequence: number | string, rest = '', key?: string) =>
    g.call('GET', `/api/v1/${kind}proofs/${sequence}${query(stream, rest)}`, key ? { key } : {});
  const verify = (body: unknown) => g.call('POST', `/api/v1/${kind}proofs/verify`, { body });

  async function streamOf(count: number): Promise<Stream> {
    const stream = freshStream();
    await append(g.sql, stream, count);
    return stream;
  }

  test('a commitment is made, repeated, read and listed', async () => {
    const stream = await streamOf(9);
    const made = await commit(stream, 1, 7);
    expect(made.status).toBe(200);
    expect(made.body).toMatchObject({
      batch_id: expect.stringMatching(UUID),
      tenant_id: stream.tenantId,
      store_id: stream.storeId,
      [root]: hex(await rootOf(g.sql, stream, 1, 7)),
      prev_state_root: '00'.repeat(32),
      new_state_root: expect.stringMatching(HASH),
      sequence_start: 1,
      sequence_end: 7,
      committed_at: expect.stringMatching(INSTANT),
    });
    expect((await commit(stream, 1, 7)).body).toEqual(made.body);
    const next = await commit(stream, 8, 9);
    expect(next.body.prev_state_root).toBe(made.body.new_state_root);

    const read = await g.call('GET', `/api/v1/${kind}commitments/${made.body.batch_id}`);
    expect(read.body).toMatchObject({ ...made.body, chain_tx_hash: null, is_anchored: false });
    const listed = await list(stream);
    expect(listed.body).toEqual({
      commitments: [made.body, next.body].map((each) => ({ ...each, is_anchored: false })),
      count: 2,
      next_after: null,
    });
    expect((await list(stream, '&anchored=all')).body).toEqual(listed.body);
    const [first, second] = [await list(stream, '&limit=1'), await list(stream, '&limit=1&after=7')];
    expect([first.body.next_after, second.body.next_after]).toEqual([7, null]);
    expect([...first.body.commitments, ...second.body.commitments]).toEqual(listed.body.commitments);
  });

  test('ranges that break a rule are refused with the reason', async () => {
    const stream = await streamOf(5);
    expect(said(await commit(stream, 1, 9))).toEqual([
      400,
      'INVALID_FIELD_VALUE',
      `${label}commitment range 1..=9 contains 5 events but expected 9`,
    ]);
    expect(said(await commit(stream, 6, 6))[2]).toBe(`no ${label}events in range for commitment`);
    expect(said(await commit(stream, 3, 2))[2]).toMatch(/^invalid sequence range/);
    expect(said(await commit(stream, 0, 2))[2]).toMatch(/^invalid sequence range/);
    await commit(stream, 1, 3);
    const behind = await commit(stream, 2, 5);
    expect(said(behind)[2]).toBe('commitment range must start at 4 (next after last committed sequence 3)');
    expect(behind.body.error.details).toEqual({ expected_start: 4, committed_through: 3 });
    expect(said(await commit(stream, 1, 5))[2]).toBe(
      'commitment already exists for start 1 but ends at 3 (requested 5)',
    );
  });

  test('bodies of the wrong shape are refused', async () => {
    const stream = await streamOf(1);
    for (const [start, end] of [
      ['1', 1],
      [1, undefined],
      [1, true],
    ])
      expect(said(await commit(stream, start, end)).slice(0, 2)).toEqual([422, 'INVALID_REQUEST_SHAPE']);
    for (const [start, end] of [
      [-1, 1],
      [1, 1.5],
      [1, 2 ** 60],
    ])
      expect(said(await commit(stream, start, end)).slice(0, 2)).toEqual([400, 'INVALID_FIELD_VALUE']);
    expect((await g.call('POST', `/api/v1/${kind}commitments`, { body: [] })).status).toBe(422);
    for (const rest of ['&limit=0', '&limit=1001', '&after=x', '&anchored=yes'])
      expect((await list(stream, rest)).status).toBe(400);
    expect((await g.call('GET', `/api/v1/${kind}commitments/pending`)).status).toBe(400);
    expect(said(await g.call('GET', `/api/v1/${kind}commitments/${UNKNOWN}`))).toEqual([
      404,
      'BATCH_NOT_FOUND',
      'Commitment not found',
    ]);
  });

  test('every event has a proof that the server verifies as it came', async () => {
    const stream = await streamOf(13);
    const batches = [(await commit(stream, 2, 8)).body, (await commit(stream, 9, 13)).body];
    for (let sequence = 2; sequence <= 13; sequence++) {
      const batch = batches[sequence <= 8 ? 0 : 1];
      const proof = await prove(stream, sequence);
      expect(proof.body).toEqual({
        sequence_number: sequence,
        batch_id: batch.batch_id,
        [root]: batch[root],
        leaf_hash: expect.stringMatching(HASH),
        leaf_index: sequence - batch.sequence_start,
        proof_path: expect.any(Array),
        directions: proof.body.proof_path.map(() => expect.any(Boolean)),
      });
      expect((await prove(stream, sequence, `&batch_id=${batch.batch_id}`)).body).toEqual(proof.body);
      const verdict = { leaf_hash: proof.body.leaf_hash, [root]: batch[root] };
      expect((await verify(proof.body)).body).toEqual({ valid: true, ...verdict });
      const other = batches[sequence <= 8 ? 1 : 0];
      expect((await verify({ ...proof.body, [root]: other[root] })).body.valid).toBe(false);
    }
  });

  test('directions of an inner event say where its siblings stand', async () => {
    const stream = await streamOf(4);
    await commit(stream, 1, 4);
    const { directions } = (await prove(stream, 3)).body;
    // Index 2: a left child whose sibling stands right, below a right child whose sibling stands left.
    expect(directions).toEqual(kind === 'ves/' ? [true, false] : [false, true]);
  });

  test('what has no proof is answered with the reason', async () => {
    const [stream, other] = [await streamOf(5), await streamOf(3)];
    const batch = (await commit(stream, 1, 3)).body;
    const uncommitted = await prove(stream, 4);
    expect(said(uncommitted)).toEqual([404, 'BATCH_NOT_FOUND', 'Event 4 is not committed yet']);
    expect(uncommitted.body.error.details).toEqual({
      status: 'not_committed',
      sequence_number: 4,
      head_sequence: 5,
      committed_through: 3,
    });
    expect(said(await prove(stream, 6)).slice(0, 2)).toEqual([404, 'EVENT_NOT_FOUND']);
    expect(said(await prove(stream, 4, `&batch_id=${batch.batch_id}`))).toEqual([
      400,
      'INVALID_FIELD_VALUE',
      'Sequence number not in commitment range',
    ]);
    expect(said(await prove(other, 1, `&batch_id=${batch.batch_id}`))).toEqual([
      403,
      'INSUFFICIENT_PERMISSIONS',
      'Commitment access denied',
    ]);
    expect(said(await prove(stream, 1, `&batch_id=${UNKNOWN}`)).slice(0, 2)).toEqual([
      404,
      'BATCH_NOT_FOUND',
    ]);
    for (const sequence of ['x', '-1', '1.5']) expect((await prove(stream, sequence)).status).toBe(400);
  });

  test('verification takes hexadecimal with and without 0x, and paths of at most 64 hashes', async () => {
    const stream = await streamOf(3);
    await commit(stream, 1, 3);
    const proof = (await prove(stream, 2)).body;
    const prefixed = (value: string) => `0x${value.toUpperCase()}`;
    const reply = await verify({
      leaf_hash: prefixed(proof.leaf_hash),
      [root]: prefixed(proof[root]),
      proof_path: proof.proof_path.map(prefixed),
      leaf_index: 1,
    });
    expect(reply.body).toEqual({ valid: true, leaf_hash: proof.leaf_hash, [root]: proof[root] });
    const path = (length: number) => Array.from({ length }, () => proof.leaf_hash);
    expect((await verify({ ...proof, proof_path: path(64) })).body.valid).toBe(false);
    expect(said(await verify({ ...proof, proof_path: path(65) }))).toEqual([
      400,
      'INVALID_FIELD_VALUE',
      'proof_path must be a list of at most 64 hashes',
    ]);
    const list = { ...proof, proof_path: undefined, proofPath: [proof.leaf_hash, 'zz'] };
    expect(said(await verify(list))[2]).toBe('proofPath[1] must be 32 bytes as hexadecimal text');
    expect((await verify({ ...proof, leaf_hash: 'abcd' })).status).toBe(400);
    expect((await verify({ ...proof, proof_path: ['zz'] })).status).toBe(400);
    expect((await verify({ ...proof, leaf_index: -1 })).status).toBe(400);
    expect((await verify({ ...proof, leaf_index: undefined })).status).toBe(422);
    const administrator = await g.apiKey({ canRead: false, canWrite: false, canAdmin: true });
    const asked = await g.call('POST', `/api/v1/${kind}proofs/verify`, { body: proof, key: administrator });
    expect(asked.body.valid).toBe(true);
  });

  test('errors name the members of a body as it spells them', async () => {
    const ask = async (body: object) =>
      (await g.call('POST', `/api/v1/${kind}commitments`, { body })).body.message;
    const number = 'must be a whole number from 0 to 9007199254740991';
    const ids = { tenant_id: TENANT, store_id: STORE };
    expect(await ask({})).toBe('tenant_id must be a UUID');
    expect(await ask({ ...ids, sequence_start: 'x' })).toBe(`sequence_start ${number}`);
    expect(await ask({ ...ids, sequenceStart: 'x' })).toBe(`sequenceStart ${number}`);
    expect(await ask({ ...ids, sequence_start: 1 })).toBe(`sequence_end ${number}`);
  });

  test("others' commitments are answered like ones that do not exist", async () => {
    const stream = { tenantId: TENANT, storeId: STORE };
    await append(g.sql, stream, 3);
    const { batch_id: batch } = (await commit(stream, 1, 2)).body;
    const read = async (key: string) =>
      said(await g.call('GET', `/api/v1/${kind}commitments/${batch}`, { key }));
    const unknown = [404, 'BATCH_NOT_FOUND', 'Commitment not found'];
    expect(await read(await g.apiKey({ tenantId: OTHER_TENANT, canAdmin: true }))).toEqual(unknown);
    expect(await read(await g.apiKey({ storeIds: [OTHER_STORE] }))).toEqual(unknown);
    const own = await g.call('GET', `/api/v1/${kind}commitments/${batch}`, {
      key: await g.apiKey({ storeIds: [STORE] }),
    });
    expect(own.body.batch_id).toBe(batch);
    // A foreign batch in a proof of one's own stream.
    const foreign = await g.apiKey({ tenantId: OTHER_TENANT });
    const theirs = { tenantId: OTHER_TENANT, storeId: STORE };
    expect(said(await prove(theirs, 1, `&batch_id=${batch}`, foreign))[2]).toBe('Commitment access denied');
    expect(said(await commit(theirs, 1, 1, await g.apiKey({}))).slice(0, 2)).toEqual([
      403,
      'INSUFFICIENT_PERMISSIONS',
    ]);
  });
});

test('a VES commitment shows its tree, a legacy one its events and state', async () => {
  const stream = freshStream();
  await appendVes(g.sql, stream, 5);
  await appendLegacy(g.sql, stream, 5);
  const ves = await g.call('POST', '/api/v1/ves/commitments', { body: bodyOf(stream, 1, 5) });
  expect(ves.body).toMatchObject({ ves_version: 1, tree_depth: 3, leaf_count: 5, padded_leaf_count: 8 });
  const read = await g.call('GET', `/api/v1/ves/commitments/${ves.body.batch_id}`);
  expect(read.body).toEqual({
    ...ves.body,
    chain_id: null,
    chain_tx_hash: null,
    chain_block_number: null,
    anchored_at: null,
    is_anchored: false,
  });

  const legacy = await g.call('POST', '/api/v1/commitments', { body: bodyOf(stream, 2, 4) });
  expect(legacy.body).toMatchObject({
    event_count: 3,
    new_state_root: hex(await stateRootAt(g.sql, stream, 5n, 5n)),
  });
  const stored = await g.call('GET', `/api/v1/commitments/${legacy.body.batch_id}`);
  expect(stored.body).toEqual({
    ...legacy.body,
    sequence_range: [2, 4],
    ves_head: 5,
    legacy_head: 5,
    chain_tx_hash: null,
    is_anchored: false,
  });
});

test('the unpadded path of a promoted legacy leaf is one hash long and verifies', async () => {
  const stream = freshStream();
  await appendLegacy(g.sql, stream, 5);
  await g.call('POST', '/api/v1/commitments', { body: bodyOf(stream, 1, 5) });
  const proof = (await g.call('GET', `/api/v1/proofs/5${query(stream)}`)).body;
  expect(proof).toMatchObject({ leaf_index: 4, directions: [true] });
  expect(proof.proof_path).toHaveLength(1);
  expect((await g.call('POST', '/api/v1/proofs/verify', { body: proof })).body.valid).toBe(true);
});

describe('/v1/commitments, for programs that anchor', () => {
  const TX = 'ab'.repeat(32);

  test('what waits is listed and reported anchored once', async () => {
    const stream = freshStream();
    await appendVes(g.sql, stream, 4);
    const made = (await g.call('POST', '/api/v1/ves/commitments', { body: bodyOf(stream, 1, 3) })).body;
    const pending = await g.call('GET', '/v1/commitments/pending');
    expect(pending.body.total).toBe(pending.body.commitments.length);
    expect(pending.body.commitments.at(-1)).toEqual({
      batch_id: made.batch_id,
      tenant_id: stream.tenantId,
      store_id: stream.storeId,
      prev_state_root: `0x${made.prev_state_root}`,
      new_state_root: `0x${made.new_state_root}`,
      events_root: `0x${made.merkle_root}`,
      sequence_start: 1,
      sequence_end: 3,
      event_count: 3,
      committed_at: made.committed_at,
      chain_tx_hash: null,
    });
    expect((await g.call('GET', '/v1/commitments/pending?limit=1')).body.total).toBe(1);
    expect((await g.call('GET', '/v1/commitments/pending?limit=90000')).status).toBe(200);
    expect((await g.call('GET', '/v1/commitments/pending?limit=0')).status).toBe(400);

    const report = (body: unknown, batch = made.batch_id) =>
      g.call('POST', `/v1/commitments/${batch}/anchored`, { body });
    const anchor = { chain_tx_hash: `0x${TX}`, chain_id: 84532001, block_number: 77, gas_used: 21000 };
    expect((await report(anchor)).body).toEqual({
      batch_id: made.batch_id,
      status: 'anchored',
      chain_tx_hash: `0x${TX}`,
      chain_id: 84532001,
      block_number: 77,
    });
    expect((await report({ chain_tx_hash: TX, chain_id: 84532001 })).body).toEqual({
      batch_id: made.batch_id,
      status: 'already_anchored',
    });
    expect(said(await report({ ...anchor, chain_tx_hash: 'cd'.repeat(32) })).slice(0, 2)).toEqual([
      409,
      'ALREADY_EXISTS',
    ]);
    expect(said(await report(anchor, UNKNOWN)).slice(0, 2)).toEqual([404, 'BATCH_NOT_FOUND']);
    expect((await report({ ...anchor, chain_id: 2 ** 32 })).status).toBe(400);
    expect((await report({ ...anchor, chain_tx_hash: 'abcd' })).status).toBe(400);
    expect((await report({ chain_id: 1 })).status).toBe(422);

    const read = (await g.call('GET', `/api/v1/ves/commitments/${made.batch_id}`)).body;
    expect(read).toMatchObject({
      chain_id: 84532001,
      chain_tx_hash: TX,
      chain_block_number: 77,
      anchored_at: expect.stringMatching(INSTANT),
      is_anchored: true,
    });
    expect((await g.call('GET', `/api/v1/ves/commitments${query(stream)}`)).body.count).toBe(0);
    const all = await g.call('GET', `/api/v1/ves/commitments${query(stream, '&anchored=all')}`);
    expect(all.body.commitments).toEqual([{ ...made, is_anchored: true }]);
    const left = (await g.call('GET', '/v1/commitments/pending')).body.commitments;
    expect(left.map((each: { batch_id: string }) => each.batch_id)).not.toContain(made.batch_id);
  });

  test("only the operator's credentials reach it", async () => {
    const administrator = await g.apiKey({ canAdmin: true });
    for (const [method, path, body] of [
      ['GET', '/v1/commitments/pending', undefined],
      ['POST', `/v1/commitments/${UNKNOWN}/anchored`, { chain_tx_hash: TX, chain_id: 1 }],
    ] as const)
      expect(said(await g.call(method, path, { key: administrator, body }))).toEqual([
        403,
        'INSUFFICIENT_PERMISSIONS',
        'Bootstrap admin permission required',
      ]);
  });
});

test('a store that fails is not blamed on the client', async () => {
  const stream = freshStream();
  await appendVes(g.sql, stream, 3);
  await g.sql`alter table ves_commitments rename to ves_commitments_away`;
  try {
    const reply = await g.call('POST', '/api/v1/ves/commitments', { body: bodyOf(stream, 1, 3) });
    expect([reply.status, reply.body.code]).toEqual([500, 'DATABASE_ERROR']);
  } finally {
    await g.sql`alter table ves_commitments_away rename to ves_commitments`;
  }
});

import { randomUUID } from 'node:crypto';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  emptyRoot,
  parseCheckpoint,
  parseCoseReceipt,
  parseTlogProof,
  verifyConsistency,
  verifyConsistencyReceipt,
  verifyInclusion,
  verifyInclusionReceipt,
} from '../../engine/log/index.js';
import { prefers } from '../../gateway/input/accept.js';
import { type RangeRoot, rangeRoots } from '../log/naive-proofs.js';
import { type FilledStream, fillStream, growStream, hashNode, tamper } from '../transparency/log-support.js';
import {
  identity,
  type JsonReply,
  OTHER_STORE,
  OTHER_TENANT,
  STORE,
  startTestGateway,
  TENANT,
  type TestGateway,
} from './support.js';
import { openNote } from './tile-client.js';

const HEAD = 600;
const ORIGIN = `localhost/log/${TENANT}/${STORE}`;
const streamQuery = `tenant_id=${TENANT}&store_id=${STORE}`;
const unhex = (text: string) => Buffer.from(text, 'hex');

let g: TestGateway;
let key: string;
let stream: FilledStream;
let leaves: Uint8Array[];
let mth: RangeRoot;
beforeAll(async () => {
  g = await startTestGateway();
  key = await g.apiKey({ canWrite: false });
  stream = await fillStream(g.sql, HEAD, { tenantId: TENANT, storeId: STORE, groups: [1, 7, 100] });
  leaves = stream.leaves();
  mth = rangeRoots(leaves);
});
afterAll(() => g.close());

const ask = (path: string, options: Parameters<TestGateway['call']>[2] = {}) =>
  g.call('GET', `/api/v1/log/${path}`, { key, ...options });
const rootAt = (size: number): Uint8Array => (size === 0 ? emptyRoot() : mth(0, size));
/** Ids that the filled stream gives its events. */
const eventIdOf = (sequence: number, { log } = stream) => {
  const digits = sequence.toString(16).padStart(12, '0');
  return `${log.storeId.slice(0, 8)}-${digits.slice(0, 4)}-7000-8000-${digits}`;
};

/** Size and root that a note says, if it is signed by the sequencer for this stream. */
function opened(note: string) {
  const checkpoint = parseCheckpoint(openNote(note, ORIGIN, identity.publicKey));
  if ('problem' in checkpoint) throw new Error(checkpoint.problem);
  expect(checkpoint.origin).toBe(ORIGIN);
  return { size: checkpoint.size, root: Buffer.from(checkpoint.root) };
}

async function askCose(path: string) {
  const response = await request(`http://127.0.0.1:${g.port}/api/v1/log/${path}`, {
    headers: { 'x-api-key': key, accept: 'application/cose' },
  });
  const bytes = new Uint8Array(await response.body.arrayBuffer());
  expect([response.statusCode, response.headers['content-type'], response.headers.vary]).toEqual([
    200,
    'application/cose',
    'accept',
  ]);
  const receipt = parseCoseReceipt(bytes);
  if ('problem' in receipt) throw new Error(receipt.problem);
  expect(receipt.origin).toBe(ORIGIN);
  return receipt;
}

function expectRefusal(reply: JsonReply, message: string) {
  expect([reply.status, reply.body.message]).toEqual([400, message]);
  expect(['INVALID_FIELD_VALUE', 'MISSING_REQUIRED_FIELD']).toContain(reply.body.code);
}

describe('an inclusion proof', () => {
  test.each([
    [1, 1],
    [1, 600],
    [600, 600],
    [256, 256],
    [257, 512],
    [300, 513],
    [42, 43],
    [599, 599],
  ])('of number %i in the tree of size %i', async (sequence, size) => {
    const reply = await ask(`inclusion?${streamQuery}&sequence_number=${sequence}&size=${size}`);
    expect([reply.status, reply.headers['content-type'], reply.headers['cache-control']]).toEqual([
      200,
      'application/json',
      'no-store',
    ]);
    const { leaf_index, tree_size, leaf_hash, hashes, root, checkpoint, ...rest } = reply.body;
    expect([leaf_index, tree_size, rest]).toEqual([sequence - 1, size, {}]);
    expect(unhex(leaf_hash)).toEqual(Buffer.from(leaves[sequence - 1]!));
    expect(opened(checkpoint)).toEqual({ size, root: rootAt(size) });
    expect(unhex(root)).toEqual(rootAt(size));
    const path = hashes.map(unhex);
    expect(verifyInclusion(unhex(leaf_hash), leaf_index, size, path, rootAt(size), hashNode)).toBe(true);
  });

  test('is at the head unless a size is given', async () => {
    const reply = await ask(`inclusion?${streamQuery}&sequence_number=17`);
    expect(reply.body.tree_size).toBe(HEAD);
    expect(reply.text).toBe((await ask(`inclusion?${streamQuery}&sequence_number=17&size=${HEAD}`)).text);
  });

  test('as a COSE receipt', async () => {
    for (const [sequence, size] of [
      [1, 1],
      [17, 333],
      [600, 600],
    ] as const) {
      const receipt = await askCose(`inclusion?${streamQuery}&sequence_number=${sequence}&size=${size}`);
      expect(receipt.proof).toMatchObject({ kind: 'inclusion', leafIndex: sequence - 1, size });
      const leaf = leaves[sequence - 1]!;
      const root = verifyInclusionReceipt(receipt, leaf, identity.publicKey, hashNode);
      expect(root).toEqual(new Uint8Array(rootAt(size)));
      expect(
        verifyInclusionReceipt(receipt, leaves[sequence]!, identity.publicKey, hashNode),
      ).toBeUndefined();
    }
  });

  test.each([
    ['', 'sequence_number is required: a whole number from 1 to 9007199254740991'],
    ['&sequence_number=0', 'sequence_number must be a whole number from 1 to 9007199254740991'],
    ['&sequence_number=-1', 'sequence_number must be a whole number from 1 to 9007199254740991'],
    ['&sequence_number=1e3', 'sequence_number must be a whole number from 1 to 9007199254740991'],
    [
      '&sequence_number=9007199254740992',
      'sequence_number must be a whole number from 1 to 9007199254740991',
    ],
    ['&sequence_number=601', 'sequence_number must not be above the head of the stream, 600; it is 601'],
    ['&sequence_number=6&size=5', 'sequence_number must not be above size, 5; it is 6'],
    ['&sequence_number=1&size=0', 'sequence_number must not be above size, 0; it is 1'],
    ['&sequence_number=1&size=601', 'size must not be above the head of the stream, 600; it is 601'],
    ['&sequence_number=1&size=x', 'size must be a whole number from 0 to 9007199254740991'],
  ])('is refused for%s', async (query, message) => {
    expectRefusal(await ask(`inclusion?${streamQuery}${query}`), message);
  });

  test('of an empty stream there is none', async () => {
    expectRefusal(
      await ask(`inclusion?tenant_id=${TENANT}&store_id=${randomUUID()}&sequence_number=1`),
      'sequence_number must not be above the head of the stream, 0; it is 1',
    );
  });
});

describe('a consistency proof', () => {
  const sizes = [
    [0, 0],
    [0, 5],
    [1, 2],
    [5, 5],
    [255, 257],
    [256, 512],
    [300, 599],
    [599, 600],
  ] as const;

  test.each(sizes)('from size %i to %i', async (from, to) => {
    const reply = await ask(`consistency?${streamQuery}&from=${from}&to=${to}`);
    const { hashes, ...rest } = reply.body;
    expect([reply.status, rest]).toEqual([200, { from, to }]);
    const path = hashes.map(unhex);
    expect(verifyConsistency(from, rootAt(from), to, rootAt(to), path, hashNode)).toBe(true);
  });

  test.each(sizes)('from size %i to %i as a COSE receipt', async (from, to) => {
    const receipt = await askCose(`consistency?${streamQuery}&from=${from}&to=${to}`);
    expect(receipt.proof).toMatchObject({ kind: 'consistency', from, to });
    const verify = (newer: Uint8Array) =>
      verifyConsistencyReceipt(receipt, rootAt(from), newer, identity.publicKey, hashNode);
    expect(verify(rootAt(to))).toBe(true);
    expect(verify(rootAt(7))).toBe(false);
  });

  test('leads to the head unless told otherwise', async () => {
    expect((await ask(`consistency?${streamQuery}&from=9`)).body.to).toBe(HEAD);
    expect((await askCose(`consistency?${streamQuery}&from=9`)).proof).toMatchObject({ to: HEAD });
  });

  test.each([
    ['', 'from is required: a whole number from 0 to 9007199254740991'],
    ['&from=x', 'from must be a whole number from 0 to 9007199254740991'],
    ['&from=601', 'from must not be above the head of the stream, 600; it is 601'],
    ['&from=601&to=5', 'from must not be above the head of the stream, 600; it is 601'],
    ['&from=1&to=601', 'to must not be above the head of the stream, 600; it is 601'],
    ['&from=6&to=5', 'from must not be above to, 5; it is 6'],
    ['&from=1&to=', 'to must be a whole number from 0 to 9007199254740991'],
  ])('is refused for%s', async (query, message) => {
    expectRefusal(await ask(`consistency?${streamQuery}${query}`), message);
  });
});

describe('a checkpoint', () => {
  test.each([0, 1, 256, 599, 600])('at size %i', async (size) => {
    const reply = await ask(`checkpoint?${streamQuery}&size=${size}`);
    expect([reply.status, reply.headers['content-type'], reply.headers['cache-control']]).toEqual([
      200,
      'text/plain; charset=utf-8',
      'no-store',
    ]);
    expect(opened(reply.text)).toEqual({ size, root: Buffer.from(rootAt(size)) });
    // At most one note is ever given out for a size.
    expect((await ask(`checkpoint?${streamQuery}&size=${size}`)).text).toBe(reply.text);
  });

  test('is at the head unless a size is given, and follows it at once', async () => {
    const log = await fillStream(g.sql, 3, { tenantId: TENANT });
    const where = `tenant_id=${TENANT}&store_id=${log.log.storeId}`;
    expect((await ask(`checkpoint?${where}`)).text.split('\n')[1]).toBe('3');
    await growStream(g.sql, log, 1);
    const { text } = await ask(`checkpoint?${where}`);
    expect(text.split('\n')[1]).toBe('4');
    expect((await g.call('GET', `/log/${TENANT}/${log.log.storeId}/checkpoint`, { key })).text).toBe(text);
  });

  test('is refused beyond the head', async () => {
    expectRefusal(
      await ask(`checkpoint?${streamQuery}&size=601`),
      'size must not be above the head of the stream, 600; it is 601',
    );
    expectRefusal(
      await ask(`checkpoint?tenant_id=${TENANT}&store_id=${randomUUID()}&size=1`),
      'size must not be above the head of the stream, 0; it is 1',
    );
  });

  test('inside a group has its root recorded before it is signed, and so has what COSE signs', async () => {
    const recorded = async () => {
      const rows = await g.sql<{ size: bigint }[]>`select tree_size as size from ves_log_roots
        where tenant_id = ${TENANT} and store_id = ${STORE} order by tree_size`;
      return rows.map(({ size }) => Number(size));
    };
    expect(stream.groupEnds).not.toContain(555);
    expect(stream.groupEnds).not.toContain(556);
    expect(await recorded()).not.toContain(555);
    await askCose(`inclusion?${streamQuery}&sequence_number=1&size=555`);
    await askCose(`consistency?${streamQuery}&from=5&to=556`);
    expect(await recorded()).toEqual(expect.arrayContaining([555, 556]));
  });

  test('of a root that contradicts the recorded one is never signed', async () => {
    const log = await fillStream(g.sql, 30, { tenantId: TENANT, groups: 10 });
    const { storeId } = log.log;
    await tamper(
      g.sql,
      (tx) => tx`update ves_events set hashes = decode(repeat('ab', 128), 'hex')
        where tenant_id = ${TENANT} and store_id = ${storeId} and sequence_number = 12`,
    );
    const where = `tenant_id=${TENANT}&store_id=${storeId}`;
    for (const path of [
      `checkpoint?${where}&size=15`,
      `inclusion?${where}&sequence_number=12&size=30`,
      `proof/${eventIdOf(12, log)}`,
    ]) {
      const reply = await ask(path);
      expect([reply.status, reply.body.code]).toEqual([500, 'INTERNAL_ERROR']);
      expect(reply.text).not.toContain('— ');
    }
  });
});

describe("an event's proof file", () => {
  test('needs nothing but the key', async () => {
    for (const [sequence, size] of [
      [1, 600],
      [44, 44],
      [300, 511],
    ] as const) {
      const id = eventIdOf(sequence);
      const reply = await ask(`proof/${id}?size=${size}`);
      expect(reply.headers['content-type']).toBe('text/plain; charset=utf-8');
      expect(reply.headers['content-disposition']).toBe(`attachment; filename="${id}.tlog-proof"`);
      const proof = parseTlogProof(reply.text);
      if ('problem' in proof) throw new Error(proof.problem);
      expect(proof.index).toBe(sequence - 1);
      expect(Buffer.from(proof.extra!)).toEqual(Buffer.from(stream.entry(sequence - 1)));
      const { root } = opened(proof.checkpoint);
      const leaf = leaves[sequence - 1]!;
      expect(verifyInclusion(leaf, proof.index, size, proof.hashes, root, hashNode)).toBe(true);
    }
    expect((await ask(`proof/${eventIdOf(9)}`)).text).toContain(`\n${HEAD}\n`);
    // The id may be written otherwise; the file is named by the event.
    const loose = await ask(`proof/${eventIdOf(9).toUpperCase()}`);
    expect(loose.headers['content-disposition']).toContain(`"${eventIdOf(9)}.tlog-proof"`);
  });

  test('as a COSE receipt', async () => {
    const receipt = await askCose(`proof/${eventIdOf(77)}?size=500`);
    const root = verifyInclusionReceipt(receipt, leaves[76]!, identity.publicKey, hashNode);
    expect(root).toEqual(new Uint8Array(rootAt(500)));
  });

  test('of an event that the credential does not reach, or that is not there', async () => {
    const elsewhere = await g.apiKey({ storeIds: [OTHER_STORE] });
    const hidden = await ask(`proof/${eventIdOf(7)}`, { key: elsewhere });
    const absent = await ask(`proof/${randomUUID()}`, { key: elsewhere });
    expect([hidden.status, hidden.body.code]).toEqual([404, 'EVENT_NOT_FOUND']);
    expect([absent.status, absent.body.code]).toEqual([404, 'EVENT_NOT_FOUND']);
    expect(hidden.body.message.replace(eventIdOf(7), '')).toBe(
      absent.body.message.replace(/[0-9a-f-]{36}/, ''),
    );
    const stranger = await g.apiKey({ tenantId: OTHER_TENANT });
    expect((await ask(`proof/${eventIdOf(7)}`, { key: stranger })).status).toBe(404);
    expect((await ask(`proof/${eventIdOf(7)}?tenant_id=${TENANT}`, { key: stranger })).status).toBe(403);
  });

  test.each([
    ['proof/x', 'event_id in the path must be a UUID'],
    [`proof/${eventIdFrom(9)}?size=8`, "size must not be below the event's sequence number, 9; it is 8"],
    [`proof/${eventIdFrom(9)}?size=601`, 'size must not be above the head of the stream, 600; it is 601'],
    [`proof/${eventIdFrom(9)}?size=-1`, 'size must be a whole number from 0 to 9007199254740991'],
  ])('is refused for %s', async (path, message) => {
    expectRefusal(await ask(path), message);
  });

  /** Known before the stream is there. */
  function eventIdFrom(sequence: number): string {
    const digits = sequence.toString(16).padStart(12, '0');
    return `${STORE.slice(0, 8)}-0000-7000-8000-${digits}`;
  }

  test('needs a tenant from those who have none', async () => {
    const path = `/api/v1/log/proof/${eventIdOf(9)}`;
    expectRefusal(
      await g.call('GET', path),
      'tenant_id is required for credentials without a tenant: a UUID',
    );
    expect((await g.call('GET', `${path}?tenant_id=${TENANT}`)).status).toBe(200);
  });
});

describe('the receipts of a look-up', () => {
  const lookUp = (sequence: number, query = '') =>
    g.call('GET', `/api/v1/ves/events/${eventIdOf(sequence)}${query}`, { key });

  test('are the event receipt unless something else is asked for', async () => {
    const plain = await lookUp(5);
    expect(Object.keys(plain.body)).toEqual(['status', 'sequence_number', 'envelope', 'receipt']);
    expect((await lookUp(5, '?receipt=event')).text).toBe(plain.text);
    expect(Object.keys((await lookUp(5, '?receipt=group')).body)).toEqual([
      'status',
      'sequence_number',
      'envelope',
      'group_receipt',
    ]);
    const both = await lookUp(5, '?receipt=both');
    expect(both.body).toMatchObject(plain.body);
    expect(Object.keys(both.body)).toContain('group_receipt');
    expectRefusal(await lookUp(5, '?receipt=none'), 'receipt must be "event", "group" or "both"');
  });

  test('lead to the checkpoint of the group', async () => {
    for (const sequence of [1, 2, 8, 9, 100, 108, 109, 600]) {
      const { group_receipt } = (await lookUp(sequence, '?receipt=both')).body;
      const size = stream.groupEnds.find((end) => end >= sequence)!;
      const { checkpoint, hashes, ...rest } = group_receipt;
      expect(rest).toEqual({
        tree_size: size,
        root_hash: Buffer.from(rootAt(size)).toString('hex'),
        leaf_index: sequence - 1,
        leaf_hash: Buffer.from(leaves[sequence - 1]!).toString('hex'),
      });
      expect(opened(checkpoint)).toEqual({ size, root: rootAt(size) });
      const path = hashes.map(unhex);
      expect(verifyInclusion(leaves[sequence - 1]!, sequence - 1, size, path, rootAt(size), hashNode)).toBe(
        true,
      );
    }
  });

  test('by command id too', async () => {
    const commandId = randomUUID();
    await tamper(
      g.sql,
      (tx) => tx`update ves_events set command_id = ${commandId}
        where tenant_id = ${TENANT} and store_id = ${STORE} and sequence_number = 5`,
    );
    const path = `/api/v1/ves/events?${streamQuery}&command_id=${commandId}`;
    const reply = await g.call('GET', `${path}&receipt=group`, { key });
    expect(reply.body.group_receipt).toEqual((await lookUp(5, '?receipt=group')).body.group_receipt);
    expectRefusal(
      await g.call('GET', `${path}&receipt=x`, { key }),
      'receipt must be "event", "group" or "both"',
    );
  });
});

test('an Accept header asks for COSE by name, if nothing else is preferred', () => {
  const wants = (accept: string) => prefers(accept, 'application/cose');
  for (const accept of [
    'application/cose',
    ' Application/COSE ',
    'application/cose; cose-type="cose-sign1"',
    'application/json;q=0.5, application/cose',
    'application/cose;q=0.9, */*;q=0.1',
    'text/html,application/cose',
    'application/cose;q=0.5, */*',
  ])
    expect(wants(accept), accept).toBe(true);
  for (const accept of [
    '',
    '*/*',
    'application/*',
    'application/json',
    'application/cose;q=0',
    'application/cose; q=0.000',
    'application/cose;q=0.5, application/json',
    'application/cose-x',
    'x/application/cose',
  ])
    expect(wants(accept), accept).toBe(false);
});

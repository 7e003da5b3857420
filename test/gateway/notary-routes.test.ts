import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  leafHash,
  notaryEntry,
  parseCheckpoint,
  parseTlogProof,
  parseVerifierKey,
  verifyInclusion,
  verifyNote,
} from '../../engine/log/index.js';
import { parseUuid, vesStreamId } from '../../engine/protocol/index.js';
import {
  type FilledStream,
  fillStream,
  growStream,
  hashNode,
  sha256Into,
} from '../transparency/log-support.js';
import { startWitness, type TestWitness } from '../transparency/witness-server.js';
import { identity, OTHER_STORE, STORE, startTestGateway, TENANT, type TestGateway } from './support.js';
import { monitor, openNote } from './tile-client.js';

const BASE = 'log.example/ves';
const NOTARY = `${BASE}/notary`;

async function notarise({ transparency }: TestGateway) {
  while (!(await transparency.notary.notarise(100)).done);
  return transparency.notary.issueCheckpoint();
}

const proofPath = ({ log }: FilledStream, query = '') =>
  `/api/v1/log/notary/proof?tenant_id=${log.tenantId}&store_id=${log.storeId}${query}`;

/** What a proof says of a stream, verified with the notary's published key alone. */
function readProof(text: string, publicKey: Uint8Array) {
  const proof = parseTlogProof(text);
  if ('problem' in proof) throw new Error(proof.problem);
  const checkpoint = parseCheckpoint(openNote(proof.checkpoint, NOTARY, publicKey));
  if ('problem' in checkpoint) throw new Error(checkpoint.problem);
  const { root, size } = checkpoint;
  const leaf = leafHash(proof.extra!, sha256Into);
  expect(verifyInclusion(leaf, proof.index, size, proof.hashes, root, hashNode)).toBe(true);
  return { index: proof.index, size, entry: Buffer.from(proof.extra!) };
}

describe('without witnesses', () => {
  let g: TestGateway;
  let stream: FilledStream;
  let key: string;
  beforeAll(async () => {
    g = await startTestGateway({ env: { LOG_ORIGIN: BASE } });
    key = await g.apiKey({ canWrite: false });
    stream = await fillStream(g.sql, 30, { tenantId: TENANT, storeId: STORE, groups: 10 });
  });
  afterAll(() => g.close());
  const get = (path: string, who: string | null = key) => g.call('GET', path, { key: who });

  test('before the first checkpoint there is nothing to show', async () => {
    for (const path of ['/log/notary/checkpoint', proofPath(stream)]) {
      const reply = await get(path);
      expect([reply.status, reply.body.code]).toEqual([404, 'RESOURCE_NOT_FOUND']);
      expect(reply.body.message).toMatch(/notary.* checkpoint/);
    }
    expect((await get('/log/notary/tile/0/000.p/1')).status).toBe(404);
    const admin = await g.apiKey({ canAdmin: true });
    expect((await get('/api/v1/log/notary/witnesses', admin)).body).toEqual({
      quorum: 0,
      latest_size: null,
      witnessed_size: null,
      witnesses: [],
    });
  });

  test("a stream's checkpoint is proved to be in the notary log", async () => {
    for (let i = 0; i < 9; i++) await fillStream(g.sql, 3);
    await notarise(g);
    const reply = await get(proofPath(stream));
    const { checkpoint_body, tree_size, notary_index, notary_size, cosigned_by, proof, ...rest } = reply.body;
    expect([reply.status, tree_size, notary_size, cosigned_by, rest]).toEqual([200, 30, 10, [], {}]);
    const seen = readProof(proof, identity.publicKey);
    expect([seen.index, seen.size]).toEqual([notary_index, notary_size]);
    // The body is what the stream's own checkpoint signs, and what the entry commits to.
    const own = await get(`/api/v1/log/checkpoint?tenant_id=${TENANT}&store_id=${STORE}&size=30`);
    expect(own.text.startsWith(`${checkpoint_body}\n`)).toBe(true);
    const id = vesStreamId(Buffer.concat([parseUuid(TENANT)!, parseUuid(STORE)!]));
    expect(seen.entry).toEqual(Buffer.from(notaryEntry(id, checkpoint_body, sha256Into)));
  });

  test('given a size it is the first notarised checkpoint that covers it', async () => {
    await growStream(g.sql, stream, 12, { groups: 5 });
    expect((await get(proofPath(stream, '&size=30'))).body.tree_size).toBe(30);
    const early = await get(proofPath(stream, '&size=31'));
    expect([early.status, early.body.message]).toEqual([404, expect.stringMatching(/not cover .* yet/)]);
    await notarise(g);
    expect((await get(proofPath(stream, '&size=31'))).body.tree_size).toBe(42);
    expect((await get(proofPath(stream, '&size=7'))).body.tree_size).toBe(30);
    expect((await get(proofPath(stream))).body.tree_size).toBe(42);
    const beyond = await get(proofPath(stream, '&size=43'));
    expect([beyond.status, beyond.body.message]).toEqual([
      400,
      'size must not be above the head of the stream, 42; it is 43',
    ]);
    expect((await get(proofPath(stream, '&size=x'))).status).toBe(400);
    expect((await get(proofPath(stream, '').replace(STORE, randomUUID()))).status).toBe(404);
  });

  test('the notary log is readable as tiles, with any credentials', async () => {
    for (let i = 0; i < 270; i++) await fillStream(g.sql, 1);
    await notarise(g);
    const powerless = await g.apiKey({ canRead: false, canWrite: false, storeIds: [OTHER_STORE] });
    const seen = await monitor({
      prefix: `http://127.0.0.1:${g.port}/log/notary`,
      origin: NOTARY,
      publicKey: identity.publicKey,
      headers: { 'x-api-key': powerless },
    });
    expect(seen.size).toBe(281);
    expect(seen.paths).toContain('tile/0/000');
    const { proof } = (await get(proofPath(stream))).body;
    const { index, entry } = readProof(proof, identity.publicKey);
    expect(seen.entries[index]).toEqual(entry);
    expect((await get('/log/notary/tile/0/000', null)).status).toBe(401);
    expect((await get('/log/notary/tile/0/001', powerless)).status).toBe(404);
    const tile = await get('/log/notary/tile/0/000', powerless);
    expect(tile.headers['cache-control']).toBe('private, max-age=31536000, immutable');
  }, 30_000);

  test('the well-known document names the logs and the keys to verify them with', async () => {
    const { log, endpoints } = (await get('/.well-known/ves-sequencer', null)).body;
    expect(log).toMatchObject({ origin: BASE, notary_origin: NOTARY, public: [] });
    expect(log.verifier_keys).toHaveLength(1);
    const notaryKey = parseVerifierKey(log.verifier_keys[0])!;
    expect([notaryKey.name, Buffer.from(notaryKey.publicKey)]).toEqual([
      NOTARY,
      Buffer.from(identity.publicKey),
    ]);
    const { text } = await get('/log/notary/checkpoint');
    expect(verifyNote(text, [notaryKey])).toMatchObject({ verifiedBy: [notaryKey] });
    expect(endpoints).toMatchObject({ log: '/log/:tenant_id/:store_id', notary_log: '/log/notary' });
    // The key of a stream's log follows from it: another name, so another key id.
    const name = `${log.origin}/${TENANT}/${STORE}`;
    const keyId = createHash('sha256')
      .update(`${name}\n\u0001`)
      .update(notaryKey.publicKey)
      .digest()
      .subarray(0, 4);
    const streamNote = await get(`/log/${TENANT}/${STORE}/checkpoint`);
    expect(Buffer.from(streamNote.text.split(' ').at(-1)!, 'base64').subarray(0, 4)).toEqual(keyId);
  });
});

describe('with witnesses', () => {
  let g: TestGateway;
  let witnesses: TestWitness[];
  beforeAll(async () => {
    const known = [{ origin: NOTARY, publicKey: identity.publicKey }];
    witnesses = [await startWitness('w1.example', known), await startWitness('w2.example', known)];
    g = await startTestGateway({
      env: {
        LOG_ORIGIN: BASE,
        LOG_WITNESSES: witnesses.map(({ vkey, url }) => `${vkey} ${url}`).join(','),
        LOG_WITNESS_QUORUM: '2',
        PUBLIC_LOGS: 'notary',
      },
    });
  });
  afterAll(async () => {
    await g.close();
    await Promise.all(witnesses.map((each) => each.close()));
  });
  const get = (path: string, key: string | null = null) => g.call('GET', path, { key });
  const askWitnesses = async () => {
    await g.transparency.witnessing.advance();
    await g.transparency.witnessing.settled();
  };

  test('the published checkpoint is one that enough witnesses have cosigned, and never goes back', async () => {
    const stream = await fillStream(g.sql, 5, { tenantId: TENANT });
    await notarise(g);
    expect((await get('/log/notary/checkpoint')).status).toBe(404);
    const second = witnesses[1]!;
    second.lie = () => ({ status: 500, text: 'out of order' });
    await askWitnesses();
    expect((await get('/log/notary/checkpoint')).status).toBe(404);
    const status = (await get('/api/v1/log/notary/witnesses', await g.apiKey({ canAdmin: true }))).body;
    expect(status).toMatchObject({ quorum: 2, latest_size: 1, witnessed_size: null });
    expect(status.witnesses).toEqual([
      {
        verifier_key: witnesses[0]!.vkey,
        has_cosigned_latest: true,
        cosigned_size: 1,
        failures: 0,
        problem: null,
        alarm: false,
      },
      {
        verifier_key: second.vkey,
        has_cosigned_latest: false,
        cosigned_size: 0,
        failures: 1,
        problem: expect.stringContaining('500'),
        alarm: false,
      },
    ]);

    second.lie = undefined;
    const statusOnceAsked = async () => {
      await askWitnesses();
      return (await get('/log/notary/checkpoint')).status;
    };
    await expect.poll(statusOnceAsked, { timeout: 10_000 }).toBe(200);
    const published = await get('/log/notary/checkpoint');
    expect(published.headers['cache-control']).toBe('public, max-age=1');
    const keys = witnesses.map(({ vkey }) => parseVerifierKey(vkey)!);
    expect(verifyNote(published.text, keys)).toMatchObject({ verifiedBy: keys });

    // The log goes on; what is published waits for the witnesses, and proofs lead to it.
    await growStream(g.sql, stream, 1);
    await notarise(g);
    expect((await get('/log/notary/checkpoint')).text).toBe(published.text);
    const proof = (await get(proofPath(stream), await g.apiKey())).body;
    expect([proof.tree_size, proof.notary_size, proof.cosigned_by]).toEqual([
      5,
      1,
      witnesses.map(({ vkey }) => vkey),
    ]);
    readProof(proof.proof, identity.publicKey);
  });

  test('a public notary log can be read by anybody; its proofs of streams not', async () => {
    const seen = await monitor({
      prefix: `http://127.0.0.1:${g.port}/log/notary`,
      origin: NOTARY,
      publicKey: identity.publicKey,
    });
    expect(seen.size).toBe(1);
    expect((await get(proofPath(await fillStream(g.sql, 1)))).status).toBe(401);
    expect((await get(`/log/${TENANT}/${STORE}/checkpoint`)).status).toBe(401);
    expect((await get('/.well-known/ves-sequencer')).body.log.public).toEqual(['notary']);
  });
});

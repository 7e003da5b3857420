import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { publicKeyFromSeed, verifyReceipt, verifyStrict } from '../../engine/protocol/index.js';
import { AGENT_SEED, eventId, hex, seedVesEvents, unhex } from './seed.js';
import {
  AGENT,
  identity,
  OTHER_STORE,
  OTHER_TENANT,
  STORE,
  startTestGateway,
  TENANT,
  type TestGateway,
} from './support.js';

const GAP_STORE = '33333333-3333-4333-8333-333333333333';
const BIG_STORE = '44444444-4444-4444-8444-444444444444';
const FOREIGN_STORE = '55555555-5555-4555-8555-555555555555';
const COMMAND = 'abababab-abab-4bab-8bab-abababababab';
const CIPHER = '{"aead":"AES-256-GCM","enc_version":1}';
const COUNT = 25;

let g: TestGateway;
let signed: Awaited<ReturnType<typeof seedVesEvents>>;
beforeAll(async () => {
  g = await startTestGateway();
  signed = await seedVesEvents(
    g.sql,
    Array.from({ length: COUNT }, (_, i) => ({
      eventId: eventId(i + 1),
      entityId: i < 20 ? 'o1' : 'o/2 "ä€😀"',
      ...(i === 0
        ? {
            payload: { z: 1e21, a: '"\\\u0001é', n: 1.5 },
            commandId: COMMAND,
            baseVersion: 0,
            createdAt: '2026-01-31t12:00:00.120+02:00',
          }
        : {}),
      ...(i === 1 ? { encrypted: CIPHER } : {}),
    })),
  );
});
afterAll(() => g.close());

const stream = (store = STORE, tenant = TENANT) => `tenant_id=${tenant}&store_id=${store}`;
const events = (query = '', store = STORE) => g.call('GET', `/api/v1/ves/events?${stream(store)}${query}`);
// biome-ignore lint/suspicious/noExplicitAny: reply
const numbers = (reply: { body: any }) => reply.body.events.map((each: any) => each.envelope.sequence_number);

describe('a page of a VES stream', () => {
  test('shows the envelopes as they were signed', async () => {
    const reply = await events();
    expect(reply.status).toBe(200);
    expect(reply.body).toMatchObject({
      count: COUNT,
      next_sequence: 26,
      head_sequence: COUNT,
      has_more: false,
    });
    expect(reply.body.events[0]).toEqual({
      envelope: {
        ves_version: 1,
        event_id: eventId(1),
        tenant_id: TENANT,
        store_id: STORE,
        source_agent_id: AGENT,
        agent_key_id: 1,
        entity_type: 'order',
        entity_id: 'o1',
        event_type: 'order.created',
        created_at: '2026-01-31t12:00:00.120+02:00',
        payload_kind: 0,
        payload: { z: 1e21, a: '"\\\u0001é', n: 1.5 },
        payload_plain_hash: expect.stringMatching(/^0x[0-9a-f]{64}$/),
        payload_cipher_hash: `0x${'0'.repeat(64)}`,
        agent_signature: `0x${hex(signed[0]!.signature)}`,
        sequence_number: 1,
        sequenced_at: '2026-01-31T12:00:00.123456Z',
        command_id: COMMAND,
        base_version: 0,
      },
    });
    // The stored text goes out byte by byte.
    expect(reply.text).toContain('"payload":{"a":"\\"\\\\\\u0001é","n":1.5,"z":1e+21}');
    const { agent_signature } = reply.body.events[0].envelope;
    expect(verifyStrict(unhex(agent_signature), signed[0]!.signingHash, publicKeyFromSeed(AGENT_SEED))).toBe(
      true,
    );
  });

  test('shows encrypted payloads under their own name, with the cipher hash', async () => {
    const { envelope } = (await events('&from=2&limit=1')).body.events[0];
    expect(envelope.payload).toBeUndefined();
    expect(envelope).toMatchObject({
      payload_kind: 1,
      payload_encrypted: JSON.parse(CIPHER),
      payload_cipher_hash: `0x${'07'.repeat(32)}`,
    });
    expect(envelope).not.toHaveProperty('command_id');
    expect(envelope).not.toHaveProperty('base_version');
  });

  test('begins at `from` and is `limit` long', async () => {
    const page = await events('&from=3&limit=2');
    expect(numbers(page)).toEqual([3, 4]);
    expect(page.body).toMatchObject({ count: 2, next_sequence: 5, head_sequence: COUNT, has_more: true });
    expect(numbers(await events('&from=0&limit=2'))).toEqual([1, 2]);
    expect(numbers(await events('&from=24&limit=4294967295'))).toEqual([24, 25]);
    const beyond = await events('&from=26');
    expect(beyond.body).toEqual({
      events: [],
      count: 0,
      next_sequence: 26,
      head_sequence: COUNT,
      has_more: false,
    });
    expect((await events('&from=9007199254740991')).body).toMatchObject({
      count: 0,
      next_sequence: 2 ** 53 - 1,
    });
    expect((await events('', OTHER_STORE)).body).toEqual({
      events: [],
      count: 0,
      next_sequence: 1,
      head_sequence: 0,
      has_more: false,
    });
  });

  test.each([
    ['&limit=0', 'INVALID_FIELD_VALUE', 'limit must be greater than 0'],
    ['&limit=-1', 'INVALID_FIELD_VALUE', 'limit must be a whole number from 0 to 4294967295'],
    ['&limit=1.5', 'INVALID_FIELD_VALUE', 'limit must be'],
    ['&from=x', 'INVALID_FIELD_VALUE', 'from must be a whole number from 0 to 9007199254740991'],
    ['&from=9007199254740992', 'INVALID_FIELD_VALUE', 'from must be'],
    ['&from=', 'INVALID_FIELD_VALUE', 'from must be'],
  ])('%s is refused', async (query, code, message) => {
    const reply = await events(query);
    expect([reply.status, reply.body.code]).toEqual([400, code]);
    expect(reply.body.message).toContain(message);
  });

  test('needs to know its stream', async () => {
    const missing = await g.call('GET', `/api/v1/ves/events?tenant_id=${TENANT}`);
    expect([missing.body.code, missing.body.message]).toEqual([
      'MISSING_REQUIRED_FIELD',
      'store_id is required: a UUID',
    ]);
    const bad = await g.call('GET', '/api/v1/ves/head?tenant_id=nope&store_id=x');
    expect([bad.body.code, bad.body.message]).toEqual(['INVALID_FIELD_VALUE', 'tenant_id must be a UUID']);
    const spelled = `tenant_id=urn:uuid:${TENANT}&store_id=${STORE.replaceAll('-', '').toUpperCase()}`;
    expect((await g.call('GET', `/api/v1/ves/head?${spelled}`)).body).toEqual({ head_sequence: COUNT });
  });

  test('with a number missing is refused: 409', async () => {
    await seedVesEvents(
      g.sql,
      Array.from({ length: 6 }, (_, i) => ({ eventId: eventId(1000 + i), storeId: GAP_STORE })),
      { skipNumbers: [3, 6] },
    );
    const reply = await events('', GAP_STORE);
    expect([reply.status, reply.body.code]).toEqual([409, 'SEQUENCE_GAP']);
    expect(reply.body.error.details).toEqual({ from: 1, to: 6, head_sequence: 6, found: 4 });
    expect((await events('&limit=2', GAP_STORE)).status).toBe(200);
    expect((await events('&from=4&limit=2', GAP_STORE)).status).toBe(200);
    expect((await events('&from=6', GAP_STORE)).status).toBe(409); // the head itself
  });

  test('ends early when its payloads grow large, and goes on from there', async () => {
    const payload = { text: 'x'.repeat(5 * 1024 * 1024) };
    await seedVesEvents(
      g.sql,
      Array.from({ length: 6 }, (_, i) => ({ eventId: eventId(2000 + i), storeId: BIG_STORE, payload })),
    );
    const first = await events('', BIG_STORE);
    expect(numbers(first)).toEqual([1, 2, 3, 4]);
    expect(first.body).toMatchObject({ count: 4, next_sequence: 5, has_more: true });
    expect(numbers(await events('&from=5', BIG_STORE))).toEqual([5, 6]);
  });
});

describe('an entity', () => {
  const entity = (path: string, query = '') =>
    g.call('GET', `/api/v1/ves/entities/${path}?${stream()}${query}`);

  test('shows its events in order, its number of events and version', async () => {
    const reply = await entity('order/o1', '&from=17&limit=2');
    expect(reply.body).toMatchObject({
      entity_type: 'order',
      entity_id: 'o1',
      count: 2,
      total: 20,
      current_version: 20,
      has_more: true,
    });
    expect(numbers(reply)).toEqual([18, 19]);
    expect(reply.body.events[0].envelope.sequenced_at).toBe('2026-01-31T12:00:00.123456Z');
    expect((await entity('order/o1', '&from=18&limit=0')).body).toMatchObject({ count: 2, has_more: false });
    expect((await entity('order/o1', '&from=20')).body).toMatchObject({
      events: [],
      count: 0,
      total: 20,
      has_more: false,
    });
  });

  test('is named by percent-encoded text', async () => {
    const id = 'o/2 "ä€😀"';
    const reply = await entity(`order/${encodeURIComponent(id)}`);
    expect(reply.body).toMatchObject({ entity_id: id, count: 5, total: 5 });
    for (const bad of ['%zz', '%ff', '%00', 'a'.repeat(513), encodeURIComponent('ä'.repeat(257))])
      expect((await entity(`order/${bad}`)).body.code, bad.slice(0, 9)).toBe('INVALID_FIELD_VALUE');
    expect((await entity(`${'a'.repeat(129)}/x`)).status).toBe(400);
  });

  test('that is unknown has no events', async () => {
    expect((await entity('order/none')).body).toEqual({
      entity_type: 'order',
      entity_id: 'none',
      events: [],
      count: 0,
      total: 0,
      current_version: 0,
      has_more: false,
    });
  });

  test('is not mixed up with another of the same key in the index', async () => {
    const [row] = await g.sql<
      { key: bigint }[]
    >`select entity_key as key from ves_events where sequence_number = 1 and store_id = ${STORE}`;
    await seedVesEvents(g.sql, [{ eventId: eventId(3000), storeId: FOREIGN_STORE, entityId: 'o1' }]);
    await g.sql`alter table ves_events disable trigger all`;
    await g.sql`update ves_events set entity_key = ${row!.key} where store_id = ${FOREIGN_STORE}`;
    await g.sql`alter table ves_events enable trigger all`;
    expect((await entity('order/o1')).body.total).toBe(20);
  });
});

describe('"did this commit?"', () => {
  const byId = (id: string, query = '', key?: string) =>
    g.call('GET', `/api/v1/ves/events/${id}${query}`, key === undefined ? {} : { key });

  test('answers number, envelope and the receipt, which verifies', async () => {
    const reply = await byId(eventId(3), `?tenant_id=${TENANT}`);
    expect(reply.body).toMatchObject({
      status: 'sequenced',
      sequence_number: 3,
      envelope: { event_id: eventId(3), sequence_number: 3 },
      receipt: {
        sequencerId: identity.id,
        eventId: eventId(3),
        sequenceNumber: 3,
        sequencedAt: '2026-01-31T12:00:00.123456+00:00',
        signatureAlg: 'ed25519',
        sequencerKeyVersion: 1,
        receiptSignatureScheme: 1,
      },
    });
    const about = {
      tenantId: TENANT,
      storeId: STORE,
      eventId: eventId(3),
      eventSigningHash: signed[2]!.signingHash,
    };
    expect(verifyReceipt(reply.body.receipt, about, identity.publicKey)).toBe('ok');
    expect((await byId(eventId(3), `?tenant_id=${TENANT}`)).text).toBe(reply.text);
  });

  test('uses the tenant of the credential, which the administrator has to name', async () => {
    expect((await byId(eventId(3), '', await g.apiKey())).body.sequence_number).toBe(3);
    expect((await byId(eventId(3))).body.code).toBe('MISSING_REQUIRED_FIELD');
    expect((await byId(eventId(3), '', await g.apiKey({ tenantId: OTHER_TENANT }))).status).toBe(404);
    expect((await byId('nope')).body.message).toBe('event_id in the path must be a UUID');
  });

  test('says not_found for an event that is not there, or not in reach', async () => {
    const reply = await byId(eventId(999), `?tenant_id=${TENANT}`);
    expect([reply.status, reply.body.code, reply.body.error.details]).toEqual([
      404,
      'EVENT_NOT_FOUND',
      { status: 'not_found' },
    ]);
    const elsewhere = await g.apiKey({ storeIds: [OTHER_STORE] });
    const hidden = await byId(eventId(3), '', elsewhere);
    expect([hidden.status, hidden.body.error.details]).toEqual([404, { status: 'not_found' }]);
  });

  test('may be asked by command', async () => {
    const byCommand = (command: string, store = STORE) =>
      g.call('GET', `/api/v1/ves/events?command_id=${command}&${stream(store)}`);
    expect((await byCommand(COMMAND)).body).toMatchObject({ status: 'sequenced', sequence_number: 1 });
    expect((await byCommand(eventId(1))).body.error.details).toEqual({ status: 'not_found' });
    expect((await byCommand(COMMAND, OTHER_STORE)).status).toBe(404);
    expect((await byCommand('x')).status).toBe(400);
    const elsewhere = await g.apiKey({ storeIds: [OTHER_STORE] });
    const refused = await g.call('GET', `/api/v1/ves/events?command_id=${COMMAND}&${stream()}`, {
      key: elsewhere,
    });
    expect(refused.status).toBe(403);
  });

  test('numbered under a key version that is not held here is vouched for with the present key', async () => {
    const [late] = await seedVesEvents(g.sql, [{ eventId: eventId(4000) }], {
      firstSequence: 26,
      keyVersion: 2,
    });
    const { receipt } = (await byId(eventId(4000), `?tenant_id=${TENANT}`)).body;
    expect(receipt).toMatchObject({ signatureAlg: 'ed25519', sequencerKeyVersion: identity.keyVersion });
    const about = {
      tenantId: TENANT,
      storeId: STORE,
      eventId: eventId(4000),
      eventSigningHash: late!.signingHash,
    };
    expect(verifyReceipt(receipt, about, identity.publicKey)).toBe('ok');
  });
});

import { create, toBinary } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { canonicalize, payloadPlainHash } from '../../engine/protocol/index.js';
import { v1, v2 } from '../../engine/wire-proto/index.js';
import { createAgent } from '../support/agents.js';
import { envelopeMessage, pushMessage, timestampOf } from './messages.js';
import { startTestGrpc, type TestClient, type TestGrpc } from './support.js';

let grpc: TestGrpc;
let client: TestClient;
beforeAll(async () => {
  grpc = await startTestGrpc();
  client = grpc.client();
});
afterAll(() => grpc?.close());

const { push, pullEvents } = v2.Sequencer.method;
const pull = (stream: { tenantId: string; storeId: string }) =>
  client.call(pullEvents, { tenantId: stream.tenantId, storeId: stream.storeId });

describe('v2 Push', () => {
  test('gives numbers, echoes the request id, and the same events again are replays', async () => {
    const agent = await grpc.agent();
    const events = Array.from({ length: 5 }, () => envelopeMessage(agent.event()));
    const first = await client.call(push, pushMessage(agent, events, 'req-1'));
    expect(first).toMatchObject({ requestId: 'req-1', eventsAccepted: 5, eventsRejected: 0 });
    expect([first.sequenceStart, first.sequenceEnd, first.headSequence]).toEqual([1n, 5n, 5n]);
    const again = await client.call(push, pushMessage(agent, events));
    expect(again).toMatchObject({ eventsAccepted: 0, eventsRejected: 0, sequenceStart: 0n });
    expect(again.replays.map((each) => each.sequenceNumber)).toEqual([1n, 2n, 3n, 4n, 5n]);
  });

  test.each([
    '2026-01-31T12:00:00Z',
    '2026-01-31T12:00:00.120+00:00',
    '2026-01-31T14:00:00.000001+02:00',
    '2026-01-31t12:00:00.5z',
  ])('keeps the characters %s that were signed, both ways', async (createdAt) => {
    const agent = await grpc.agent();
    const event = agent.event({ createdAt });
    const answer = await client.call(push, pushMessage(agent, [envelopeMessage(event, 'text')]));
    expect(answer.rejections).toEqual([]);
    const { events } = await pull(agent);
    expect(events[0]!.envelope!.createdAtText).toBe(createdAt);
    // What was read can be pushed: the signature still holds.
    const back = await client.call(push, pushMessage(agent, [events[0]!.envelope!]));
    expect(back.replays.map((each) => each.sequenceNumber)).toEqual([1n]);
  });

  test.each([
    '2026-01-31T12:00:00+00:00',
    '2026-01-31T12:00:00Z',
    '2026-01-31T12:00:00.120+00:00',
    '2026-01-31T12:00:00.120Z',
    '2026-01-31T12:00:00.000100Z',
  ])('takes the instant alone when %s was signed', async (createdAt) => {
    const agent = await grpc.agent();
    const message = envelopeMessage(agent.event({ createdAt }), 'instant');
    const answer = await client.call(push, pushMessage(agent, [message]));
    expect(answer.rejections).toEqual([]);
    expect((await pull(agent)).events[0]!.envelope!.createdAtText).toBe(createdAt);
    const again = await client.call(push, pushMessage(agent, [message]));
    expect(again.replays).toHaveLength(1);
  });

  test('refuses a signature that holds under neither text', async () => {
    const agent = await grpc.agent();
    const message = envelopeMessage(agent.event({ createdAt: '2026-01-31T12:00:00.100000Z' }), 'instant');
    const { rejections } = await client.call(push, pushMessage(agent, [message]));
    expect(rejections[0]!.reason).toBe(v2.RejectionReason.INVALID_SIGNATURE);
  });

  test('a base version of 0 is told from none', async () => {
    const agent = await grpc.agent();
    const event = agent.event({ baseVersion: 0 });
    const answer = await client.call(push, pushMessage(agent, [envelopeMessage(event)]));
    expect(answer.rejections).toEqual([]);
    const { envelope } = (await pull(agent)).events[0]!;
    expect(envelope).toMatchObject({ baseVersion: 0n, baseVersionSet: true });
  });

  test('an event that cannot be read hurts only itself', async () => {
    const agent = await grpc.agent();
    const good = () => envelopeMessage(agent.event());
    const bad: [Partial<v2.EventEnvelope>, RegExp][] = [
      [{ eventId: 'x' }, /event_id must be a UUID/],
      [{ payloadKind: 0 }, /payload_kind required/],
      [{ payload: Buffer.from('{') }, /payload is not valid JSON/],
      [{ payload: new Uint8Array(0) }, /payload is required/],
      [{ payload: Buffer.from([0x22, 0xff, 0x22]) }, /payload is not valid UTF-8/],
      [{ agentSignature: new Uint8Array(63) }, /agent_signature must have 64 bytes/],
      [{ payloadPlainHash: new Uint8Array(31) }, /payload_plain_hash must have 32 bytes/],
      [{ entityType: '' }, /entity_type must be/],
      [{ entityId: 'x'.repeat(513) }, /entity_id must be/],
      [{ createdAt: undefined as never, createdAtText: '' }, /created_at is required/],
      [{ baseVersion: 2n ** 60n }, /base_version must be at most/],
      [{ commandId: 'x' }, /command_id must be a UUID/],
    ];
    const events = bad.flatMap(([part]) => [good(), Object.assign(good(), part)]);
    const answer = await client.call(push, pushMessage(agent, events));
    expect(answer).toMatchObject({ eventsAccepted: bad.length, eventsRejected: bad.length });
    answer.rejections.forEach(({ reason, message }, i) => {
      expect(reason).toBe(v2.RejectionReason.INVALID_FORMAT);
      expect(message).toMatch(bad[i]![1]);
    });
  });

  test('tells why: hash, signature, key, duplicate, command, version', async () => {
    const agent = await grpc.agent();
    const stranger = createAgent({ ...agent, agentId: agent.agentId, keyId: 9 });
    const commandId = '0199c0de-5f0a-7000-8000-0000000000aa';
    const duplicate = agent.event();
    const events = [
      Object.assign(envelopeMessage(agent.event()), { payload: Buffer.from('{"n":-1}') }),
      Object.assign(envelopeMessage(agent.event()), { agentSignature: new Uint8Array(64).fill(1) }),
      envelopeMessage(stranger.event()),
      envelopeMessage(duplicate),
      envelopeMessage(duplicate),
      envelopeMessage(agent.event({ commandId })),
      envelopeMessage(agent.event({ commandId })),
      envelopeMessage(agent.event({ entityId: 'never', baseVersion: 7 })),
      Object.assign(envelopeMessage(agent.event()), { vesVersion: 3 }),
    ];
    const { rejections, eventsAccepted } = await client.call(push, pushMessage(agent, events));
    expect(eventsAccepted).toBe(2);
    expect(
      Object.fromEntries(rejections.map(({ eventId, reason }) => [eventId, v2.RejectionReason[reason]])),
    ).toEqual({
      [events[0]!.eventId]: 'INVALID_HASH',
      [events[1]!.eventId]: 'INVALID_SIGNATURE',
      [events[2]!.eventId]: 'UNKNOWN_KEY',
      [duplicate.envelope.event_id]: 'DUPLICATE_EVENT',
      [events[6]!.eventId]: 'DUPLICATE_COMMAND',
      [events[7]!.eventId]: 'VERSION_CONFLICT',
      [events[8]!.eventId]: 'INVALID_FORMAT',
    });
  });

  test('computes the plain hash that was left out', async () => {
    const agent = await grpc.agent();
    const event = agent.event({ payload: { b: 1, a: ['ä'] } });
    const message = Object.assign(envelopeMessage(event), { payloadPlainHash: new Uint8Array(0) });
    expect((await client.call(push, pushMessage(agent, [message]))).eventsAccepted).toBe(1);
    const { envelope } = (await pull(agent)).events[0]!;
    expect(Buffer.from(envelope!.payload).toString()).toBe('{"a":["ä"],"b":1}');
    expect(Buffer.from(envelope!.payloadPlainHash)).toEqual(
      Buffer.from(payloadPlainHash(canonicalize({ a: ['ä'], b: 1 }))),
    );
  });

  test.each([
    [
      'no events',
      (m: v2.PushRequest) => Object.assign(m, { events: [] }),
      status.INVALID_ARGUMENT,
      /must not be empty/,
    ],
    [
      'another store',
      (m: v2.PushRequest) => Object.assign(m, { storeId: m.tenantId }),
      status.INVALID_ARGUMENT,
      /must equal/,
    ],
    [
      'another agent',
      (m: v2.PushRequest) => Object.assign(m, { agentId: m.tenantId }),
      status.INVALID_ARGUMENT,
      /source_agent must equal/,
    ],
    [
      'no tenant',
      (m: v2.PushRequest) => Object.assign(m, { tenantId: '' }),
      status.INVALID_ARGUMENT,
      /tenant_id must be a UUID/,
    ],
    [
      'too many events',
      (m: v2.PushRequest) => Object.assign(m, { events: Array.from({ length: 1001 }, () => m.events[0]!) }),
      status.RESOURCE_EXHAUSTED,
      /1001/,
    ],
  ])('refuses a request with %s', async (_, change, expected, message) => {
    const agent = await grpc.agent();
    const request = change(pushMessage(agent, [envelopeMessage(agent.event())]));
    const failure = await client.call(push, request).catch((error) => error);
    expect(failure).toMatchObject({ status: expected, message: expect.stringMatching(message) });
  });

  test('takes what a hand wrote: every field in an unusual order, unknown ones among them', async () => {
    const agent = await grpc.agent();
    const bytes = toBinary(v2.EventEnvelopeSchema, envelopeMessage(agent.event()));
    const unknown = Buffer.from([0x9a, 0x06, 0x03, 1, 2, 3, 0xa0, 0x06, 0x01]); // fields 99 (bytes) and 100 (varint)
    const event = Buffer.concat([unknown, bytes]);
    const text = (field: number, value: string) =>
      Buffer.concat([Buffer.from([(field << 3) | 2, value.length]), Buffer.from(value)]);
    const request = Buffer.concat([
      text(5, 'hand'),
      Buffer.concat([Buffer.from([(4 << 3) | 2, (event.length & 0x7f) | 0x80, event.length >> 7]), event]),
      text(3, agent.storeId),
      text(2, agent.tenantId.toUpperCase()),
      text(1, agent.agentId.replaceAll('-', '')),
    ]);
    const answer = await client.callRaw(push, request);
    expect(answer.subarray(0, 2)).toEqual(Buffer.from([0x0a, 36]));
    expect(answer.subarray(38)).toEqual(
      Buffer.concat([text(2, 'hand'), Buffer.from([0x18, 1, 0x28, 1, 0x30, 1, 0x38, 1])]),
    );
  });
});

describe('v1 Push', () => {
  const legacyEvent = (agent: { tenantId: string; storeId: string; agentId: string }, parts = {}) =>
    create(v1.EventEnvelopeSchema, {
      eventId: crypto.randomUUID(),
      tenantId: agent.tenantId,
      storeId: agent.storeId,
      entityType: 'order',
      entityId: 'o-1',
      eventType: 'order.created',
      payload: Buffer.from('{"b":1.0,"a":2}'),
      sourceAgent: agent.agentId,
      createdAt: timestampOf('2026-01-31T12:00:00Z'),
      ...parts,
    });

  test('numbers events, computes hashes, refuses what it cannot read alone', async () => {
    const agent = createAgent();
    const twin = legacyEvent(agent);
    const answer = await client.call(v1.Sequencer.method.push, {
      agentId: agent.agentId,
      events: [
        twin,
        legacyEvent(agent, { payload: Buffer.from('nope') }),
        twin,
        legacyEvent(agent, { createdAt: undefined }),
      ],
    });
    expect(answer).toMatchObject({
      eventsAccepted: 2,
      assignedSequenceStart: 1n,
      assignedSequenceEnd: 2n,
      headSequence: 2n,
    });
    expect(answer.eventsRejected.map((each) => each.reasonCode)).toEqual([
      'DuplicateEventId',
      'SchemaValidation',
    ]);
    const pages = client.stream(v1.Sequencer.method.pull, { ...place(agent), batchSize: 10 });
    expect(await pages.ended).toBeUndefined();
    const [page] = pages.messages;
    expect(page).toMatchObject({ nextSequence: 3n, hasMore: false, headSequence: 2n });
    expect(Buffer.from(page!.events[0]!.envelope!.payload).toString()).toBe('{"a":2,"b":1.0}');
  });
});

const place = ({ tenantId, storeId }: { tenantId: string; storeId: string }) => ({ tenantId, storeId });

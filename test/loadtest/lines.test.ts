import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Metadata, Server, ServerCredentials, type sendUnaryData, status } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { formatUuid, parseUuid, type VesEnvelopeJson } from '../../engine/protocol/index.js';
import {
  createFrameWriter,
  createReader,
  decodeClientFrame,
  encodeError,
  encodeWelcome,
  FRAME,
  readArray,
  readBin,
  readHead,
  readUint,
  SUBPROTOCOL,
} from '../../engine/wire/index.js';
import { forEachRun } from '../../loadtest/acknowledgements.js';
import { ENCODERS } from '../../loadtest/encoders.js';
import { createPopulation, createSignedEventSource } from '../../loadtest/event-source.js';
import type { Answer, Protocol } from '../../loadtest/line.js';
import { LINES } from '../../loadtest/lines.js';
import { readNumbers } from '../../loadtest/protobuf.js';
import { buildRequests } from '../../loadtest/requests.js';
import { runLoad } from '../../loadtest/run-load.js';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const BATCH = 3;
const HOST = '127.0.0.1';
const population = createPopulation('lines', 2, 2);
const next = createSignedEventSource(population, { payloadBytes: 300, entities: 9, seed: 1 });
const events: VesEnvelopeJson[] = Array.from({ length: BATCH }, () => next(0, 0).envelope);
const request = (protocol: Protocol, serial = 0) =>
  ENCODERS[protocol]({ path: '/', host: HOST, apiKey: 'key' })({
    ...{ tenantId: population.tenantId, storeId: population.storeIds[0]!, events, serial },
    agentId: population.agents[0]!.agentId,
  });

const proto = protobuf.loadSync(fileURLToPath(new URL('../../proto/sequencer_v2.proto', import.meta.url)));
const PushRequest = proto.lookupType('stateset.sequencer.v2.PushRequest');
const PushResponse = proto.lookupType('stateset.sequencer.v2.PushResponse');

type Push = { storeId: string; events: number };

/** Numbers events of each store from 1, as the service does; every fourth push of all is refused. */
function createNumbering() {
  const heads = new Map<string, number>();
  let pushes = 0;
  return ({ storeId, events: count }: Push): { first: number; last: number } | undefined => {
    if (++pushes % 4 === 0) return undefined;
    const first = (heads.get(storeId) ?? 0) + 1;
    heads.set(storeId, first + count - 1);
    return { first, last: first + count - 1 };
  };
}

/** A service's WebSocket as far as pushes go. */
async function serveWs(): Promise<number> {
  const number = createNumbering();
  const server = new WebSocketServer({ port: 0, host: HOST, handleProtocols: () => SUBPROTOCOL });
  undo.push(() => server.close());
  server.on('connection', (peer, { headers }) => {
    peer.on('message', (message: Buffer) => {
      const reader = createReader(message);
      const { type, id } = readHead(reader);
      if (type === FRAME.hello) {
        decodeClientFrame(message);
        if (headers['x-api-key'] !== 'key') return peer.close(4401, 'UNAUTHENTICATED');
        const limits = { inflightPushesMax: 8, inflightBytesMax: 1e6, subscriptionsMax: 9 };
        const about = {
          version: 1,
          serverVersion: '0',
          heartbeatSecs: 9,
          frameBytesMax: 1e6,
          eventsMax: 100,
        };
        return peer.send(encodeWelcome({ ...limits, ...about, sessionId: population.tenantId }));
      }
      readBin(reader, 'tenant', 16);
      const storeId = formatUuid(readBin(reader, 'store', 16));
      readBin(reader, 'agent', 16);
      readUint(reader, 'receipts');
      const numbers = number({ storeId, events: readArray(reader, 'events', 100) });
      if (!numbers)
        return peer.send(
          encodeError({
            ...{ id, code: 'OVERLOADED', numeric: 1, message: 'later', retryable: true },
            ...{ retryAfterSecs: 1, details: undefined },
          }),
        );
      const result = createFrameWriter().array(12).uint(FRAME.result).uint(id).uint(BATCH).uint(0).uint(0);
      result.uint(numbers.first).uint(numbers.last).uint(numbers.last).nil().array(0).array(0).array(0);
      return peer.send(result.done());
    });
  });
  await new Promise((resolve) => server.once('listening', resolve));
  return (server.address() as AddressInfo).port;
}

const same = (bytes: Buffer): Buffer => bytes;

/** A service's gRPC as far as pushes go. */
async function serveGrpc(): Promise<number> {
  const number = createNumbering();
  const server = new Server();
  undo.push(() => server.forceShutdown());
  const push = {
    path: '/stateset.sequencer.v2.Sequencer/Push',
    ...{ requestStream: false, responseStream: false, requestSerialize: same, requestDeserialize: same },
    ...{ responseSerialize: same, responseDeserialize: same },
  };
  server.addService(
    { push },
    {
      push(call: { request: Buffer; metadata: Metadata }, done: sendUnaryData<Buffer>) {
        const { storeId, events: pushed } = PushRequest.decode(call.request) as unknown as {
          storeId: string;
          events: unknown[];
        };
        const metadata = new Metadata();
        metadata.set('x-error-code', 'OVERLOADED');
        const numbers =
          call.metadata.get('x-api-key')[0] === 'key'
            ? number({ storeId, events: pushed.length })
            : undefined;
        if (!numbers) return done({ code: status.UNAVAILABLE, details: 'later', metadata });
        const { first, last } = numbers;
        const response = { batchId: 'x', eventsAccepted: BATCH, sequenceStart: first, sequenceEnd: last };
        done(null, Buffer.from(PushResponse.encode(PushResponse.create(response)).finish()));
      },
    },
  );
  return new Promise((resolve, reject) =>
    server.bindAsync(`${HOST}:0`, ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    ),
  );
}

describe.each([
  ['ws', serveWs, 'OVERLOADED'],
  ['grpc', serveGrpc, 'UNAVAILABLE OVERLOADED'],
] as const)('a line over %s', (protocol, serve, refusal) => {
  test('carries many pushes at once and brings each answer to its request', async () => {
    const port = await serve();
    const answers = new Map<number, Answer>();
    let done = () => {};
    const all = new Promise<void>((resolve) => {
      done = resolve;
    });
    const line = await LINES[protocol]<number>({
      ...{ host: HOST, port, apiKey: 'key' },
      onAnswer(tag, answer) {
        answers.set(tag, answer);
        if (answers.size === 7) done();
      },
      onBroken: (reason) => answers.set(-1, { code: reason } as Answer),
    });
    undo.push(() => line.close());
    for (let tag = 0; tag < 7; tag++) line.send(request(protocol, tag), tag);
    await all;
    const good = [...answers.values()].filter(({ good }) => good);
    expect(good.map(({ first, last, accepted }) => [first, last, accepted])).toEqual(
      good.map((_, i) => [1 + i * BATCH, (i + 1) * BATCH, BATCH]),
    );
    expect([...answers.values()].filter(({ good }) => !good).map(({ code }) => code)).toEqual([refusal]);
  });

  test('measures: what was accepted with numbers, what was refused by code', async () => {
    const port = await serve();
    const plan = { population, protocol, path: '/', host: HOST, apiKey: 'key', requests: 40, batch: BATCH };
    const block = buildRequests({ ...plan, mix: { payloadBytes: 200, entities: 5, seed: 3 } });
    const result = await runLoad(
      {
        ...{ host: HOST, port, protocol, apiKey: 'key', connections: 2, window: 4, batch: BATCH },
        ...{ warmupMs: 0, measureMs: 5_000, sampleEvery: 0, keepAcknowledgements: true },
      },
      [block],
    );
    expect(result).toMatchObject({ acknowledgedEvents: 90, failures: 10, errors: { [refusal]: 10 } });
    const numbers = new Map<number, number[]>();
    forEachRun(
      result.acknowledgements!,
      (store, first) => void numbers.set(store, [...(numbers.get(store) ?? []), first]),
    );
    for (const firsts of numbers.values())
      expect(firsts.sort((a, b) => a - b)).toEqual(firsts.map((_, i) => 1 + i * BATCH));
  });

  test('is not opened where nobody listens', async () => {
    const opening = LINES[protocol]({
      ...{ host: HOST, port: 1, apiKey: 'key', onAnswer() {}, onBroken() {} },
    });
    await expect(opening).rejects.toThrow();
  }, 15_000);
});

describe('a push over gRPC', () => {
  test('is the message of sequencer_v2.proto', () => {
    const message = PushRequest.toObject(PushRequest.decode(request('grpc')), {
      bytes: String,
      longs: Number,
      enums: Number,
    }) as { tenantId: string; events: Record<string, unknown>[] };
    const { envelope } = { envelope: events[1]! };
    expect(message.tenantId).toBe(population.tenantId);
    expect(message.events).toHaveLength(BATCH);
    const hex = (base64: unknown) => `0x${Buffer.from(String(base64), 'base64').toString('hex')}`;
    const { payload, payloadPlainHash, agentSignature, ...rest } = message.events[1]!;
    expect(JSON.parse(Buffer.from(String(payload), 'base64').toString())).toEqual(envelope.payload);
    expect(hex(payloadPlainHash)).toBe(envelope.payload_plain_hash);
    expect(hex(agentSignature)).toBe(envelope.agent_signature);
    expect(rest).toEqual({
      eventId: envelope.event_id,
      tenantId: envelope.tenant_id,
      storeId: envelope.store_id,
      entityType: envelope.entity_type,
      entityId: envelope.entity_id,
      eventType: envelope.event_type,
      sourceAgent: envelope.source_agent_id,
      vesVersion: 2,
      payloadKind: 1,
      agentKeyId: 1,
      createdAtText: envelope.created_at,
    });
  });

  test('is answered by a message whose numbers are read whatever else is in it', () => {
    const response = { batchId: 'b'.repeat(200), eventsAccepted: 300, sequenceEnd: 2 ** 40 };
    const numbers = readNumbers(PushResponse.encode(PushResponse.create(response)).finish());
    expect([...numbers]).toEqual([
      [3, 300],
      [6, 2 ** 40],
    ]);
  });
});

test('a push over WebSocket is masked with the key 0, so that its bytes are the frame', () => {
  const frame = request('ws', 41);
  expect([...frame.subarray(0, 2)]).toEqual([0x82, 0xfe]);
  const reader = createReader(frame.subarray(8));
  expect(readHead(reader)).toEqual({ type: FRAME.push, id: 42, items: 7 });
  expect(readBin(reader, 'tenant', 16)).toEqual(Buffer.from(parseUuid(population.tenantId)!));
});

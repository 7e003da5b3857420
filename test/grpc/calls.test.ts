import { type DescMethod, type DescService, fromBinary, isFieldSet } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createCommitmentService } from '../../engine/commitments/index.js';
import {
  equalBytes,
  packFixedFields,
  publicKeyFromSeed,
  receiptHash,
  signProofOfPossession,
  verifyVesInclusion,
} from '../../engine/protocol/index.js';
import { health, reflection, reflectionAlpha, v1, v2 } from '../../engine/wire-proto/index.js';
import { sha256Into } from '../../workers/native-crypto.js';
import type { TestAgent } from '../support/agents.js';
import { envelopeMessage, pushMessage } from './messages.js';
import { startTestGrpc, type TestClient, type TestGrpc } from './support.js';

let grpc: TestGrpc;
let client: TestClient;
beforeAll(async () => {
  grpc = await startTestGrpc({ GRPC_MAX_MESSAGE_BYTES: '64kB', GRPC_REQUEST_TIMEOUT_SECS: '1' });
  client = grpc.client();
});
afterAll(() => grpc?.close());

const V1 = v1.Sequencer.method;
const V2 = v2.Sequencer.method;
const KEYS = v2.KeyManagement.method;
const place = ({ tenantId, storeId }: { tenantId: string; storeId: string }) => ({ tenantId, storeId });
const commitments = () => createCommitmentService({ sql: grpc.sql, sha256: sha256Into });
const send = async (agent: TestAgent, count: number, parts = {}) => {
  const events = Array.from({ length: count }, () => agent.event(parts));
  await client.call(
    V2.push,
    pushMessage(
      agent,
      events.map((event) => envelopeMessage(event)),
    ),
  );
  return events;
};
const numbers = (events: readonly { sequenceNumber: bigint }[]) =>
  events.map((event) => Number(event.sequenceNumber));
const failing = (call: Promise<unknown>) =>
  call.then(
    () => {
      throw new Error('the call did not fail');
    },
    (error) => error,
  );

describe('reads of v2', () => {
  test('PullEvents pages, filters after the range, and fills the receipt hash', async () => {
    const agent = await grpc.agent();
    const events = await send(agent, 7);
    const first = await client.call(V2.pullEvents, { ...place(agent), limit: 3 });
    expect(first).toMatchObject({ nextSequence: 4n, hasMore: true, headSequence: 7n });
    expect(numbers(first.events)).toEqual([1, 2, 3]);
    const rest = await client.call(V2.pullEvents, { ...place(agent), fromSequence: 4n });
    expect(rest).toMatchObject({ nextSequence: 8n, hasMore: false });
    expect(numbers(rest.events)).toEqual([4, 5, 6, 7]);
    const none = await client.call(V2.pullEvents, {
      ...place(agent),
      fromSequence: 1n,
      limit: 2,
      entityIdFilter: 'o-3',
    });
    expect(none).toMatchObject({ events: [], nextSequence: 3n, hasMore: true });
    const one = await client.call(V2.pullEvents, {
      ...place(agent),
      entityTypeFilter: 'order',
      entityIdFilter: 'o-3',
    });
    expect(numbers(one.events)).toEqual([3]);
    const fixed = packFixedFields({
      tenantId: agent.tenantId,
      storeId: agent.storeId,
      eventId: events[0]!.envelope.event_id,
      sourceAgentId: agent.agentId,
      payloadPlainHash: new Uint8Array(32),
    });
    const expected = receiptHash({ fixed, fixedOffset: 0 }, 1, events[0]!.signingHash);
    expect(Buffer.from(first.events[0]!.receiptHash)).toEqual(Buffer.from(expected));
  });

  test('a page ends before it is too large for a client that takes 4 MiB', async () => {
    const agent = await grpc.agent();
    for (let i = 0; i < 90; i++) await send(agent, 1, { payload: { text: 'x'.repeat(60_000) } });
    const modest = grpc.client({ settings: { 'grpc.max_receive_message_length': 4 * 1024 * 1024 } });
    const seen: number[] = [];
    for (let from = 1n, more = true; more; ) {
      const page = await modest.call(V2.pullEvents, { ...place(agent), fromSequence: from, limit: 1000 });
      seen.push(...numbers(page.events));
      [from, more] = [page.nextSequence, page.hasMore];
    }
    expect(seen).toEqual(Array.from({ length: 90 }, (_, i) => i + 1));
  });

  test('GetSyncState, GetCommitment and GetInclusionProof fit together', async () => {
    const agent = await grpc.agent();
    const events = await send(agent, 5);
    expect(await client.call(V2.getSyncState, place(agent))).toMatchObject({
      headSequence: 5n,
      stateRoot: new Uint8Array(0),
      lag: 0n,
    });
    expect(
      await failing(
        client.call(V2.getInclusionProof, {
          ...place(agent),
          selector: { case: 'sequenceNumber', value: 3n },
        }),
      ),
    ).toMatchObject({
      status: status.NOT_FOUND,
      code: 'BATCH_NOT_FOUND',
    });
    const stored = await commitments().commitVes(place(agent), 1n, 5n);
    const state = await client.call(V2.getSyncState, place(agent));
    expect(state.latestCommitment).toMatchObject({
      batchId: stored.batchId,
      startSequence: 1n,
      endSequence: 5n,
      eventCount: 5,
      previousRoot: new Uint8Array(0),
    });
    expect(Buffer.from(state.stateRoot)).toEqual(Buffer.from(stored.newStateRoot));

    const byId = await client.call(V2.getCommitment, {
      selector: { case: 'batchId', value: stored.batchId },
    });
    expect(byId.batchId).toBe(stored.batchId);
    const own = grpc.client({
      key: await grpc.apiKey({ tenantId: agent.tenantId, storeIds: [agent.storeId] }),
    });
    expect(
      (await own.call(V2.getCommitment, { selector: { case: 'sequenceNumber', value: 2n } })).batchId,
    ).toBe(stored.batchId);
    expect(
      (
        await client.call(V2.getCommitment, {
          ...place(agent),
          selector: { case: 'sequenceNumber', value: 2n },
        })
      ).batchId,
    ).toBe(stored.batchId);
    for (const selector of [{ case: undefined }, { case: 'sequenceNumber' as const, value: 2n }])
      expect(await failing(client.call(V2.getCommitment, { selector }))).toMatchObject({
        status: status.INVALID_ARGUMENT,
      });
    expect(
      await failing(own.call(V2.getCommitment, { selector: { case: 'sequenceNumber', value: 9n } })),
    ).toMatchObject({ status: status.NOT_FOUND });
    const stranger = grpc.client({ key: await grpc.apiKey() });
    expect(
      await failing(
        stranger.call(V2.getCommitment, { selector: { case: 'batchId', value: stored.batchId } }),
      ),
    ).toMatchObject({ status: status.NOT_FOUND });

    const selector = { case: 'eventId' as const, value: events[2]!.envelope.event_id };
    const answer = await client.call(V2.getInclusionProof, { ...place(agent), selector });
    const proof = answer.proof!;
    expect(answer).toMatchObject({ included: true, event: { sequenceNumber: 3n } });
    expect(proof).toMatchObject({ leafIndex: 2n, leafCount: 5n });
    expect(verifyVesInclusion(proof.leafHash, 2, proof.proofHashes, proof.merkleRoot)).toBe(true);
    await client.call(V2.getInclusionProof, { ...place(agent), selector, expectedRoot: proof.merkleRoot });
    expect(
      await failing(
        client.call(V2.getInclusionProof, { ...place(agent), selector, expectedRoot: new Uint8Array(32) }),
      ),
    ).toMatchObject({
      status: status.FAILED_PRECONDITION,
    });
    const unknown = { case: 'eventId' as const, value: crypto.randomUUID() };
    expect(
      await failing(client.call(V2.getInclusionProof, { ...place(agent), selector: unknown })),
    ).toMatchObject({ status: status.NOT_FOUND, message: 'event not found' });
  });

  test('GetEntityHistory counts positions of one entity', async () => {
    const agent = await grpc.agent();
    for (const entityId of ['a', 'b', 'a', 'a']) await send(agent, 1, { entityId });
    const request = { ...place(agent), entityType: 'order', entityId: 'a' };
    const all = await client.call(V2.getEntityHistory, request);
    expect([numbers(all.events), all.currentVersion]).toEqual([[1, 3, 4], 3n]);
    const middle = await client.call(V2.getEntityHistory, { ...request, fromVersion: 2n, toVersion: 2n });
    expect(numbers(middle.events)).toEqual([3]);
    expect(numbers((await client.call(V2.getEntityHistory, { ...request, limit: 1 })).events)).toEqual([1]);
    expect((await client.call(V2.getEntityHistory, { ...request, entityId: 'z' })).currentVersion).toBe(0n);
    expect(
      await failing(client.call(V2.getEntityHistory, { ...request, fromVersion: 3n, toVersion: 2n })),
    ).toMatchObject({ status: status.INVALID_ARGUMENT });
  });

  test('GetHealth', async () => {
    expect(await client.call(V2.getHealth, {})).toMatchObject({ healthy: true, version: '0.0.0-test' });
  });
});

describe('reads of v1', () => {
  test('GetHead, GetCommitment, GetInclusionProof, GetEntityHistory', async () => {
    const agent = await grpc.agent();
    const ids = Array.from({ length: 3 }, () => crypto.randomUUID());
    await client.call(V1.push, {
      agentId: agent.agentId,
      events: ids.map((eventId) => ({
        eventId,
        ...place(agent),
        entityType: 'order',
        entityId: 'a',
        eventType: 'e',
        payload: Buffer.from('{"x":1}'),
        sourceAgent: agent.agentId,
      })),
    });
    expect(await client.call(V1.getHead, place(agent))).toMatchObject({ headSequence: 3n });
    const stored = await commitments().commitLegacy(place(agent), 1n, 3n);
    expect((await client.call(V1.getHead, place(agent))).latestCommitment!.batchId).toBe(stored.batchId);
    const { commitment } = await client.call(V1.getCommitment, { batchId: stored.batchId });
    expect(commitment).toMatchObject({ eventCount: 3, endSequence: 3n });
    for (const batchId of [stored.batchId, '']) {
      const answer = await client.call(V1.getInclusionProof, { batchId, eventId: ids[1]! });
      expect(answer.event!.envelope!.eventId).toBe(ids[1]);
      expect(answer.proof).toMatchObject({ leafIndex: 1n, leafCount: 3n });
      expect(equalBytes(answer.proof!.merkleRoot, stored.eventsRoot)).toBe(true);
    }
    expect(
      await failing(
        client.call(V1.getInclusionProof, { batchId: stored.batchId, eventId: crypto.randomUUID() }),
      ),
    ).toMatchObject({
      status: status.NOT_FOUND,
      message: 'event not found',
    });
    const history = await client.call(V1.getEntityHistory, {
      ...place(agent),
      entityType: 'order',
      entityId: 'a',
      fromVersion: 2n,
      toVersion: 0n,
    });
    expect([numbers(history.events), history.currentVersion]).toEqual([[2, 3], 3n]);
  });
});

describe('KeyManagement', () => {
  test('registers, lists and revokes; a repeated registration succeeds, another key is refused', async () => {
    const agent = { tenantId: crypto.randomUUID(), agentId: crypto.randomUUID() };
    const seed = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
    const publicKey = publicKeyFromSeed(seed);
    const request = { ...agent, keyId: 1, keyType: v2.KeyType.SIGNING, publicKey };
    const proofOfPossession = signProofOfPossession(publicKey, seed);
    expect(
      await failing(
        client.call(KEYS.registerAgentKey, { ...request, proofOfPossession: new Uint8Array(64) }),
      ),
    ).toMatchObject({
      status: status.INVALID_ARGUMENT,
      code: 'SIGNATURE_VERIFICATION_FAILED',
    });
    for (const message of [/successfully/, /already/])
      expect((await client.call(KEYS.registerAgentKey, { ...request, proofOfPossession })).message).toMatch(
        message,
      );
    const other = publicKeyFromSeed(new Uint8Array(32).fill(9));
    expect(await failing(client.call(KEYS.registerAgentKey, { ...request, publicKey: other }))).toMatchObject(
      { status: status.ALREADY_EXISTS },
    );
    expect(
      await failing(client.call(KEYS.registerAgentKey, { ...request, keyType: v2.KeyType.ENCRYPTION })),
    ).toMatchObject({ status: status.UNIMPLEMENTED });
    await client.call(KEYS.registerAgentKey, {
      ...request,
      keyId: 2,
      publicKey: other,
      validFrom: { seconds: 253402300000n },
    });
    const listed = async (more = {}) =>
      (await client.call(KEYS.getAgentKeys, { ...agent, ...more })).keys.map((key) => [
        key.keyId,
        v2.KeyStatus[key.status],
      ]);
    expect(await listed()).toEqual([
      [1, 'ACTIVE'],
      [2, 'UNSPECIFIED'],
    ]);
    expect(await listed({ keyTypeFilter: v2.KeyType.ENCRYPTION })).toEqual([]);
    const revoked = await client.call(KEYS.revokeAgentKey, { ...agent, keyId: 1 });
    expect(revoked).toMatchObject({ success: true });
    expect(await listed()).toEqual([[2, 'UNSPECIFIED']]);
    expect(await listed({ includeRevoked: true })).toEqual([
      [1, 'REVOKED'],
      [2, 'UNSPECIFIED'],
    ]);
    expect(await failing(client.call(KEYS.revokeAgentKey, { ...agent, keyId: 7 }))).toMatchObject({
      status: status.NOT_FOUND,
      code: 'AGENT_KEY_NOT_FOUND',
    });
  });
});

/** What each method needs besides credentials. */
const NEEDS: [DescService, Record<string, 'read' | 'write' | 'admin' | 'any'>][] = [
  [
    v1.Sequencer,
    {
      Push: 'write',
      Pull: 'read',
      GetHead: 'read',
      GetInclusionProof: 'read',
      GetCommitment: 'read',
      GetEntityHistory: 'read',
    },
  ],
  [
    v2.Sequencer,
    {
      Push: 'write',
      PullEvents: 'read',
      GetSyncState: 'read',
      GetInclusionProof: 'read',
      GetCommitment: 'read',
      GetEntityHistory: 'read',
      GetHealth: 'any',
      StreamEvents: 'read',
      SyncStream: 'any',
      SubscribeEntity: 'read',
    },
  ],
  [v2.KeyManagement, { RegisterAgentKey: 'admin', GetAgentKeys: 'admin', RevokeAgentKey: 'admin' }],
];
const METHODS = NEEDS.flatMap(([service, needs]) =>
  service.methods.map((method) => ({
    name: `${service.typeName}/${method.name}`,
    method,
    need: needs[method.name]!,
  })),
);

describe('credentials', () => {
  const probe = async (who: TestClient, method: DescMethod) => {
    if (method.methodKind === 'unary')
      return who.call(method, {}).then(
        () => undefined,
        (error) => error,
      );
    if (method.methodKind === 'server_streaming') return who.stream(method, {}).ended;
    const call = who.bidi(method);
    call.end();
    return call.ended;
  };

  test.each(METHODS)('$name needs them, and the permission $need', async ({ method, need }) => {
    expect(await probe(grpc.client({ key: null }), method)).toMatchObject({
      status: status.UNAUTHENTICATED,
      code: 'AUTH_REQUIRED',
    });
    expect(await probe(grpc.client({ key: 'ss_unknown' }), method)).toMatchObject({
      status: status.UNAUTHENTICATED,
      code: 'INVALID_API_KEY',
    });
    for (const grant of ['read', 'write', 'admin'] as const) {
      const key = await grpc.apiKey({
        canRead: grant === 'read',
        canWrite: grant === 'write',
        canAdmin: grant === 'admin',
      });
      const failure = await probe(grpc.client({ key }), method);
      if (need === 'any' || need === grant) expect(failure?.status).not.toBe(status.PERMISSION_DENIED);
      else
        expect(failure).toMatchObject({ status: status.PERMISSION_DENIED, code: 'INSUFFICIENT_PERMISSIONS' });
    }
  });

  test('reach their own tenant and stores only', async () => {
    const agent = await grpc.agent();
    await send(agent, 1);
    const key = await grpc.apiKey({ tenantId: agent.tenantId, storeIds: [crypto.randomUUID()] });
    for (const who of [grpc.client({ key }), grpc.client({ key: await grpc.apiKey() })]) {
      const calls = [
        who.call(V2.pullEvents, place(agent)),
        who.call(V2.getSyncState, place(agent)),
        who.call(V2.getEntityHistory, { ...place(agent), entityType: 'a', entityId: 'b' }),
        who.call(V2.getInclusionProof, { ...place(agent), selector: { case: 'sequenceNumber', value: 1n } }),
        who.call(V2.push, pushMessage(agent, [envelopeMessage(agent.event())])),
        who.call(V1.getHead, place(agent)),
      ].map(failing);
      for (const call of calls) expect(await call).toMatchObject({ status: status.PERMISSION_DENIED });
      expect(await who.stream(V2.streamEvents, place(agent)).ended).toMatchObject({
        status: status.PERMISSION_DENIED,
      });
      expect(await who.stream(V1.pull, place(agent)).ended).toMatchObject({
        status: status.PERMISSION_DENIED,
      });
    }
  });

  test('of an agent push as that agent only', async () => {
    const agent = await grpc.agent();
    const who = grpc.client({
      key: await grpc.apiKey({ tenantId: agent.tenantId, agentId: crypto.randomUUID() }),
    });
    expect(
      await failing(who.call(V2.push, pushMessage(agent, [envelopeMessage(agent.event())]))),
    ).toMatchObject({ status: status.PERMISSION_DENIED });
  });

  test('may come in authorization', async () => {
    const metadata = { authorization: `ApiKey ${await grpc.apiKey()}` };
    await grpc.client({ key: null }).call(V2.getHealth, {}, { metadata });
  });

  test('have a limit of requests', async () => {
    const who = grpc.client({ key: await grpc.apiKey({ rateLimit: 3 }) });
    for (let i = 0; i < 3; i++) await who.call(V2.getHealth, {});
    const failure = await failing(who.call(V2.getHealth, {}));
    expect(failure).toMatchObject({ status: status.RESOURCE_EXHAUSTED, code: 'RATE_LIMIT_EXCEEDED' });
    expect(Number(failure.trailers.get('retry-after')[0])).toBeGreaterThan(0);
  });
});

describe('limits', () => {
  test('a message that is too large is refused', async () => {
    const failure = await failing(client.callRaw(V2.push, Buffer.alloc(70_000)));
    expect(failure).toMatchObject({ status: status.RESOURCE_EXHAUSTED });
  });

  test('a call that takes too long ends, with the deadline of either side', async () => {
    const agent = await grpc.agent();
    const request = pushMessage(agent, [envelopeMessage(agent.event())]);
    const seen: number[] = [];
    grpc.intercept = (taken) => {
      seen.push(taken.deadlineMs - Date.now());
      return 'taken';
    };
    try {
      expect(
        await failing(client.call(V2.push, request, { metadata: { 'x-request-id': 'r-1' } })),
      ).toMatchObject({ status: status.DEADLINE_EXCEEDED, code: 'TIMEOUT' });
      expect(await failing(client.call(V2.push, request, { deadline: Date.now() + 300 }))).toMatchObject({
        status: status.DEADLINE_EXCEEDED,
      });
      expect(seen[0]).toBeGreaterThan(700);
      expect(seen[1]).toBeLessThan(300);
    } finally {
      grpc.intercept = undefined;
    }
  });

  test('an overloaded pipeline says so', async () => {
    const agent = await grpc.agent();
    grpc.intercept = () => 'tenant_full';
    const failure = await failing(
      client.call(V2.push, pushMessage(agent, [envelopeMessage(agent.event())]), {
        metadata: { 'x-request-id': 'my-id' },
      }),
    );
    grpc.intercept = undefined;
    expect(failure).toMatchObject({
      status: status.UNAVAILABLE,
      code: 'OVERLOADED',
      message: expect.stringContaining('This tenant'),
    });
    expect(failure.trailers.get('x-request-id')).toEqual(['my-id']);
  });

  test('an exhausted database refuses reads before it looks at credentials, and takes pushes', async () => {
    const agent = await grpc.agent();
    const stream = place(agent);
    const [client, stranger] = [grpc.client(), grpc.client({ key: 'ss_nobody' })];
    const refused = { status: status.UNAVAILABLE, code: 'OVERLOADED' };
    grpc.overloaded = true;
    try {
      for (const asking of [client, stranger]) {
        const failure = await failing(asking.call(V2.getSyncState, stream));
        expect(failure).toMatchObject(refused);
        expect(failure.trailers.get('retry-after')).toEqual(['1']);
      }
      await expect(client.call(V1.getHead, stream)).rejects.toMatchObject(refused);
      await expect(client.call(KEYS.getAgentKeys, agent)).rejects.toMatchObject(refused);
      expect(await client.stream(V2.streamEvents, stream).ended).toMatchObject(refused);
      const push = pushMessage(agent, [envelopeMessage(agent.event())]);
      expect(await client.call(V2.push, push)).toMatchObject({ eventsAccepted: 1 });
      expect(await client.call(V2.getHealth, {})).toMatchObject({ healthy: true });
      const sync = client.bidi(V2.syncStream);
      sync.send({ message: { case: 'push', value: push } });
      await sync.until(1);
      sync.send({ message: { case: 'pull', value: stream } });
      const [pushed, pulled] = await sync.until(2);
      expect(pushed!.message.case).toBe('pushResponse');
      expect(pulled!.message).toMatchObject({ case: 'error', value: refused });
      sync.end();
      expect(await sync.ended).toBeUndefined();
    } finally {
      grpc.overloaded = false;
    }
    expect(await client.call(V2.getSyncState, stream)).toMatchObject({ headSequence: 1n });
  });

  test('a call that its client gives up is over', async () => {
    const agent = await grpc.agent();
    const before = grpc.gateway.stats.callsUnderWay;
    const stream = client.stream(V2.streamEvents, place(agent));
    await stream.headers;
    expect(grpc.gateway.stats.callsUnderWay).toBe(before + 1);
    stream.cancel();
    await expect.poll(() => grpc.gateway.stats.callsUnderWay).toBe(before);
    expect(grpc.calls.at(-1)).toMatchObject({
      method: '/stateset.sequencer.v2.Sequencer/StreamEvents',
      status: status.CANCELLED,
    });
  });

  test('bytes that are no message are refused by every method', async () => {
    for (const { method } of METHODS) {
      if (method.methodKind !== 'unary' || method.name === 'GetHealth') continue;
      expect(await failing(client.callRaw(method, Buffer.from([0x0a, 0xff])))).toMatchObject({
        status: status.INVALID_ARGUMENT,
        code: 'INVALID_REQUEST_BODY',
      });
    }
  });
});

describe('health and reflection', () => {
  const nobody = () => grpc.client({ key: null });

  test('health is told to anybody, and again when it changes', async () => {
    const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = health.HealthCheckResponse_ServingStatus;
    for (const service of ['', 'stateset.sequencer.v2.Sequencer'])
      expect((await nobody().call(health.Health.method.check, { service })).status).toBe(SERVING);
    expect(await failing(nobody().call(health.Health.method.check, { service: 'x' }))).toMatchObject({
      status: status.NOT_FOUND,
    });
    const watch = nobody().stream(health.Health.method.watch, {});
    await watch.until(1);
    grpc.ready = false;
    await watch.until(2);
    grpc.ready = true;
    expect(watch.messages.map((message) => message.status)).toEqual([SERVING, NOT_SERVING]);
    watch.cancel();
    const unknown = nobody().stream(health.Health.method.watch, { service: 'x' });
    expect((await unknown.until(1))[0]!.status).toBe(SERVICE_UNKNOWN);
    unknown.cancel();
  });

  test.each([
    ['v1', reflection.ServerReflection.method.serverReflectionInfo],
    [
      'v1alpha',
      reflectionAlpha.ServerReflection.method
        .serverReflectionInfo as unknown as typeof reflection.ServerReflection.method.serverReflectionInfo,
    ],
  ])('reflection %s tells services and files', async (_, method) => {
    const call = nobody().bidi(method);
    const ask = async (messageRequest: reflection.ServerReflectionRequest['messageRequest']) => {
      call.send({ messageRequest });
      return (await call.until(call.messages.length + 1)).at(-1)!.messageResponse;
    };
    const list = await ask({ case: 'listServices', value: '' });
    expect((list.value as reflection.ListServiceResponse).service.map(({ name }) => name)).toEqual([
      'grpc.health.v1.Health',
      'stateset.sequencer.v1.Sequencer',
      'stateset.sequencer.v2.KeyManagement',
      'stateset.sequencer.v2.Sequencer',
    ]);
    const files = (response: typeof list) =>
      (response.value as reflection.FileDescriptorResponse).fileDescriptorProto;
    const names = (response: typeof list) =>
      files(response).map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
    expect(
      names(await ask({ case: 'fileContainingSymbol', value: 'stateset.sequencer.v2.Sequencer.Push' })),
    ).toEqual(['sequencer_v2.proto', 'google/protobuf/timestamp.proto', 'google/protobuf/empty.proto']);
    expect(names(await ask({ case: 'fileByFilename', value: 'sequencer.proto' }))[0]).toBe('sequencer.proto');
    // descriptor.proto: an edition belongs to `syntax = "editions"` alone; libraries that check descriptors refuse it elsewhere.
    for (const name of ['sequencer.proto', 'sequencer_v2.proto', 'grpc/health/v1/health.proto'])
      for (const bytes of files(await ask({ case: 'fileByFilename', value: name }))) {
        const file = fromBinary(FileDescriptorProtoSchema, bytes);
        expect(file.syntax).toBe('proto3');
        expect(isFieldSet(file, FileDescriptorProtoSchema.field.edition)).toBe(false);
      }
    expect((await ask({ case: 'fileByFilename', value: 'x' })).case).toBe('errorResponse');
    expect(
      (
        await ask({
          case: 'fileContainingExtension',
          value: { containingType: 'x', extensionNumber: 1 } as never,
        })
      ).case,
    ).toBe('errorResponse');
    call.end();
    expect(await call.ended).toBeUndefined();
  });
});
